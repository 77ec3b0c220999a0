package payload

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
	names = slices.AppendSeq(names, maps.Keys(topicProfilesByName))
	slices.Sort(names)
	return slices.Compact(names)
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
	if w.o.Profile == Canonical {
		if wrapped {
			w.thingsBoard()
		}
		return w.canonical()
	}
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
		return w.pinnedTopics()
	}
	if best == nil {
		best = list[0]
	}
	w.res.Profile = best.name
	return w.apply(best)
}

// pinnedTopics reads an object as if each of its members had come on a topic of
// its own.
func (w *drafter) pinnedTopics() string {
	p := topicProfilesByName[w.o.Profile]
	if p == nil {
		return w.general()
	}
	w.res.Profile = p.name
	w.several = w.doc.shorten(p)
	return w.apply(p)
}

// unwrapped reads what a format was taken off: by the profile that was chosen, else
// by the general rules.
func (w *drafter) unwrapped() string {
	if w.o.Profile != "" {
		return w.pinned(false)
	}
	return w.general()
}

// canonical reads names that are exactly ours and keeps all others as they are.
func (w *drafter) canonical() (reason string) {
	w.p = &profile{}
	w.override()
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		if l.gone {
			continue
		}
		name := w.doc.name(l)
		switch f, exact, _ := fieldNamed(name[strings.LastIndexByte(name, '.')+1:]); {
		case name == "timestamp", name == "time", name == "ts":
			w.generalTime(l, name)
		case name == "status":
			w.generalStatus(l, name)
		case !exact || l.kind == Bool || !w.canonicalValue(l, name, Target(f)):
			w.keep(l, name)
		}
	}
	return w.bad
}

func (w *drafter) canonicalValue(l *leaf, name string, to Target) bool {
	value, unit, ok := parseNumber(l.text)
	if l.unit != nil {
		unit = l.unit
	}
	return ok && w.generalValue(guess{rule: rule{to: to}, id: ruleCanonical, ok: true}, name, value, string(unit))
}

// SaysItself reports whether a payload is in a format that says itself what it is,
// so that its names are looked for inside, also those that are ours.
func SaysItself(data []byte) bool {
	n := normaliser{size: len(data), scan: NewScanner(data)}
	switch n.scan.Kind() {
	case Object:
		n.load(&n.scan)
		return n.scan.err == nil && n.draft(0).thingsBoard()
	case Array:
		n.scan.Open()
		if !n.scan.More() {
			return false
		}
		kind := n.scan.Kind()
		n.load(&n.scan)
		return n.scan.err == nil && (kind == Object && n.isSenML() || kind == Array && n.isBulk())
	default:
		return true
	}
}
