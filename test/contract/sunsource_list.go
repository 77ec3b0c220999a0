package contract

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// fleet stores sources, some of one moment, and returns them in a list's order.
func (r Records) newSunSources(t *testing.T, owner uuid.UUID, minutes ...int) []sunsource.SunSource {
	t.Helper()
	var list []sunsource.SunSource
	for _, minute := range minutes {
		list = append(list, r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.CreatedAt = instantOf(minute) }))
	}
	slices.SortFunc(list, func(a, b sunsource.SunSource) int {
		return byCreation(a.CreatedAt, a.ID, b.CreatedAt, b.ID)
	})
	return list
}

func (r Records) list(t *testing.T, owner uuid.UUID, filter sunsource.Filter, page sunsource.Page) []sunsource.SunSource {
	t.Helper()
	list, err := r.SunSources.List(t.Context(), owner, filter, page)
	must(t, err)
	return list
}

func sourcesListed(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	if none := r.list(t, owner, sunsource.Filter{}, sunsource.Page{}); len(none) != 0 {
		t.Errorf("%d sources before the first", len(none))
	}
	r.newSunSource(t, r.newUser(t).ID)
	want := r.newSunSources(t, owner, 3, 1, 2, 1, 1)
	wantSame(t, r.list(t, owner, sunsource.Filter{}, sunsource.Page{}), want)
}

func sourcesFiltered(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	g, empty, foreign := r.newGroup(t, owner), r.newGroup(t, owner), r.newGroup(t, r.newUser(t).ID)
	r.newSunSource(t, owner)
	r.newSunSource(t, foreign.OwnerID, inGroup(foreign.ID))
	want := r.newSunSource(t, owner, inGroup(g.ID))
	want.PowerGroupName = &g.Name
	wantSame(t, r.list(t, owner, sunsource.Filter{PowerGroupID: &g.ID}, sunsource.Page{}), []sunsource.SunSource{want})
	for _, none := range []uuid.UUID{empty.ID, foreign.ID, uuid.New()} {
		if got := r.list(t, owner, sunsource.Filter{PowerGroupID: &none}, sunsource.Page{}); len(got) != 0 {
			t.Errorf("%d sources in group %s", len(got), none)
		}
	}
}

func sourcesPaged(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	r.newSunSources(t, r.newUser(t).ID, 0, 1, 2)
	want := r.newSunSources(t, owner, 1, 1, 1, 2, 3, 3, 4)
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []sunsource.SunSource
		page := sunsource.Page{Limit: limit}
		for len(got) <= len(want) {
			part := r.list(t, owner, sunsource.Filter{}, page)
			if len(part) > limit {
				t.Fatalf("%d sources on a page of %d", len(part), limit)
			}
			got = append(got, part...)
			if len(part) < limit {
				break
			}
			page.After = part[len(part)-1].ID
		}
		wantSame(t, got, want)
	}
	wantSame(t, r.list(t, owner, sunsource.Filter{}, sunsource.Page{After: want[2].ID}), want[3:])
}

func sourcesLostPage(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	g := r.newGroup(t, owner)
	list := r.newSunSources(t, owner, 1, 2)
	foreign := r.newSunSource(t, r.newUser(t).ID)
	must(t, r.SunSources.Delete(t.Context(), owner, list[0].ID))
	for name, c := range map[string]struct {
		after  uuid.UUID
		filter sunsource.Filter
	}{
		"unknown":          {after: uuid.New()},
		"another user's":   {after: foreign.ID},
		"deleted":          {after: list[0].ID},
		"not in the group": {after: list[1].ID, filter: sunsource.Filter{PowerGroupID: &g.ID}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.SunSources.List(t.Context(), owner, c.filter, sunsource.Page{Limit: 5, After: c.after})
			wantField(t, err, "cursor")
		})
	}
}
