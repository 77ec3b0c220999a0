package payload

import (
	"cmp"
	"maps"
	"slices"
)

// Names of Options.Profile beside the vendors'.
const (
	// Canonical takes every payload for one in canonical names.
	Canonical = "canonical"
	// General recognises no vendor: the general rules alone read.
	General = "general"
)

// Profiles are the names that Options.Profile may have, in order.
func Profiles() []string {
	names := slices.AppendSeq([]string{Canonical, General}, maps.Keys(profilesByName))
	slices.Sort(names)
	return names
}

//nolint:gochecknoglobals // a table that nobody writes to
var profilesByName = named(profilesByMark)

// named are the profiles by their names, which several generations of one vendor
// share.
func named(byMark map[string][]*profile) map[string][]*profile {
	by := map[string][]*profile{}
	for _, mark := range slices.Sorted(maps.Keys(byMark)) {
		for _, p := range byMark[mark] {
			by[p.name] = append(by[p.name], p)
		}
	}
	for _, list := range by {
		slices.SortStableFunc(list, func(a, b *profile) int { return cmp.Compare(len(b.needs), len(a.needs)) })
	}
	return by
}

// pinned reads by the profile that was chosen, whatever the payload looks like.
// Of several of its name it is the one that fits.
func (w *drafter) pinned(wrapped bool) string {
	list := profilesByName[w.o.Profile]
	var best *profile
	for _, p := range list {
		if best == nil && w.doc.has(p.needs[0]) && w.doc.fits(p) {
			best = p
		}
	}
	if best == nil && wrapped && w.thingsBoard() {
		return w.pinned(false)
	}
	if len(list) == 0 {
		return w.general()
	}
	if best == nil {
		best = list[0]
	}
	w.res.Profile = best.name
	return w.apply(best)
}
