package contract

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
)

// PowerGroups runs what every powergroup.Repository promises. open is called
// once.
func PowerGroups(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a group comes back as it was stored":                       groupRoundTrip,
		"groups are listed by creation time, then id, with counts":  groupsListed,
		"an update saves what the change decides":                   groupUpdated,
		"an error of the change saves nothing":                      groupNotUpdated,
		"another user's group is not found by any way":              groupForeign,
		"deleting a group unassigns its sources and no other's":     groupDeleted,
		"a group that is deleted while it is assigned harms nobody": groupDeletedMeanwhile,
	})
}

func groupRoundTrip(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	full := r.newGroup(t, owner, func(g *powergroup.PowerGroup) { g.SunSourceCount = 7 }) // which is not stored
	full.SunSourceCount = 0
	sparse := r.newGroup(t, owner, func(g *powergroup.PowerGroup) { g.Description, g.LogoURL = nil, nil })
	blank := r.newGroup(t, owner, func(g *powergroup.PowerGroup) { g.Description = new("") })
	for _, want := range []powergroup.PowerGroup{full, sparse, blank} {
		got, err := r.PowerGroups.Get(t.Context(), owner, want.ID)
		must(t, err)
		wantSame(t, got, want)
	}
	for _, text := range nastyTexts() {
		want := r.newGroup(t, owner, func(g *powergroup.PowerGroup) { g.Name, g.Description = text, &text })
		got, err := r.PowerGroups.Get(t.Context(), owner, want.ID)
		must(t, err)
		wantSame(t, got, want)
	}
	wantCode(t, r.PowerGroups.Create(t.Context(), full), fault.Conflict)
}

func groupsListed(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	none, err := r.PowerGroups.List(t.Context(), owner)
	must(t, err)
	if len(none) != 0 {
		t.Errorf("%d groups before the first", len(none))
	}
	r.newGroup(t, r.newUser(t).ID)
	var want []powergroup.PowerGroup
	for _, minute := range []int{3, 1, 2, 1, 1} {
		want = append(want, r.newGroup(t, owner, func(g *powergroup.PowerGroup) { g.CreatedAt = instantOf(minute) }))
	}
	slices.SortFunc(want, func(a, b powergroup.PowerGroup) int {
		return byCreation(a.CreatedAt, a.ID, b.CreatedAt, b.ID)
	})
	for range 2 {
		r.newSunSource(t, owner, inGroup(want[1].ID))
	}
	r.newSunSource(t, owner, inGroup(want[2].ID))
	want[1].SunSourceCount, want[2].SunSourceCount = 2, 1
	got, err := r.PowerGroups.List(t.Context(), owner)
	must(t, err)
	wantSame(t, got, want)
}

func inGroup(id uuid.UUID) func(*sunsource.SunSource) {
	return func(s *sunsource.SunSource) { s.PowerGroupID = &id }
}

func groupUpdated(t *testing.T, r Records) {
	want := r.newGroup(t, r.newUser(t).ID)
	r.newSunSource(t, want.OwnerID, inGroup(want.ID))
	want.SunSourceCount = 1
	got, err := r.PowerGroups.Update(t.Context(), want.OwnerID, want.ID, func(g *powergroup.PowerGroup) error {
		wantSame(t, *g, want)
		g.Name, g.Description, g.LogoURL, g.UpdatedAt = "Barn", nil, new("http://other.example"), instantOf(9)
		return nil
	})
	must(t, err)
	want.Name, want.Description, want.LogoURL, want.UpdatedAt = "Barn", nil, new("http://other.example"), instantOf(9)
	wantSame(t, got, want)
	got, err = r.PowerGroups.Get(t.Context(), want.OwnerID, want.ID)
	must(t, err)
	wantSame(t, got, want)
}

func groupNotUpdated(t *testing.T, r Records) {
	want := r.newGroup(t, r.newUser(t).ID)
	_, err := r.PowerGroups.Update(t.Context(), want.OwnerID, want.ID, func(g *powergroup.PowerGroup) error {
		g.Name = "Barn"
		return actError{}
	})
	if err != (actError{}) { //nolint:errorlint // it is returned as it is
		t.Errorf("Update returned %v", err)
	}
	got, err := r.PowerGroups.Get(t.Context(), want.OwnerID, want.ID)
	must(t, err)
	wantSame(t, got, want)
}

func groupForeign(t *testing.T, r Records) {
	g, stranger := r.newGroup(t, r.newUser(t).ID), r.newUser(t).ID
	for _, key := range [][2]uuid.UUID{{stranger, g.ID}, {g.OwnerID, uuid.New()}, {uuid.Nil, g.ID}} {
		_, err := r.PowerGroups.Get(t.Context(), key[0], key[1])
		wantCode(t, err, fault.NotFound)
		_, err = r.PowerGroups.Update(t.Context(), key[0], key[1], func(*powergroup.PowerGroup) error {
			t.Error("the change was asked")
			return nil
		})
		wantCode(t, err, fault.NotFound)
		wantCode(t, r.PowerGroups.Delete(t.Context(), key[0], key[1]), fault.NotFound)
	}
	_, err := r.PowerGroups.Get(t.Context(), g.OwnerID, g.ID)
	must(t, err)
}

func groupDeleted(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	gone, kept := r.newGroup(t, owner), r.newGroup(t, owner)
	assigned := []sunsource.SunSource{r.newSunSource(t, owner, inGroup(gone.ID)), r.newSunSource(t, owner, inGroup(gone.ID))}
	other := r.newSunSource(t, owner, inGroup(kept.ID))
	must(t, r.PowerGroups.Delete(t.Context(), owner, gone.ID))
	_, err := r.PowerGroups.Get(t.Context(), owner, gone.ID)
	wantCode(t, err, fault.NotFound)
	for _, want := range assigned {
		want.PowerGroupID = nil
		got, err := r.SunSources.Get(t.Context(), owner, want.ID)
		must(t, err)
		wantSame(t, got, want)
	}
	got, err := r.SunSources.Get(t.Context(), owner, other.ID)
	must(t, err)
	other.PowerGroupName = &kept.Name
	wantSame(t, got, other)
	wantCode(t, r.PowerGroups.Delete(t.Context(), owner, gone.ID), fault.NotFound)
}

// groupDeletedMeanwhile deletes a group while sources are made in it: each is
// made and unassigned, or refused, and the deletion always succeeds.
func groupDeletedMeanwhile(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	for range 5 {
		g := r.newGroup(t, owner)
		for i, err := range atOnce(9, func(i int) error {
			if i == 4 {
				return r.PowerGroups.Delete(t.Context(), owner, g.ID)
			}
			s := sunSourceOf(owner)
			s.PowerGroupID = &g.ID
			err := r.SunSources.Create(t.Context(), s)
			if fault.Is(err, fault.Invalid) {
				return nil
			}
			return err
		}) {
			if err != nil {
				t.Errorf("act %d: %v", i, err)
			}
		}
		left, err := r.SunSources.List(t.Context(), owner, sunsource.Filter{PowerGroupID: &g.ID}, sunsource.Page{})
		must(t, err)
		if len(left) != 0 {
			t.Errorf("%d sources are in a group that is gone", len(left))
		}
	}
}
