package powergroups_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/sunsource"
	"ampra/modules/powergroups"
	"ampra/test/fake"
)

func present() time.Time { return time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC) }

type rig struct {
	*powergroups.Service
	t       *testing.T
	records *fake.Records
	clock   *fake.Clock
	who     actor.Actor
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, records: fake.NewRecords(), clock: fake.NewClock(present()), who: actor.Actor{UserID: uuid.New(), Role: actor.User}}
	r.Service = powergroups.New(powergroups.Deps{Groups: r.records.PowerGroups, Clock: r.clock, Random: rand.Reader})
	return r
}

func (r *rig) make(name string) uuid.UUID {
	r.t.Helper()
	made, err := r.Create(r.t.Context(), r.who, powergroups.Draft{Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	r.clock.Advance(time.Minute)
	return made.ID
}

func (r *rig) names() (names []string) {
	r.t.Helper()
	list, err := r.List(r.t.Context(), r.who)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, g := range list {
		names = append(names, g.Name)
	}
	return names
}

func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Invalid {
		t.Errorf("got %v, want fields %v", err, want)
		return
	}
	if got := slices.Sorted(maps.Keys(f.Fields)); !slices.Equal(got, want) {
		t.Errorf("it names the fields %v, want %v", got, want)
	}
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func TestAGroupIsReadBackAsItWasMade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	about, logo := "The house", "https://example.org/home.png"
	made, err := r.Create(t.Context(), r.who, powergroups.Draft{Name: "Home", Description: &about, LogoURL: &logo})
	if err != nil || made.ID.Version() != 4 || made.OwnerID != r.who.UserID || made.SunSourceCount != 0 ||
		!made.CreatedAt.Equal(present()) || !made.UpdatedAt.Equal(present()) {
		t.Fatalf("made %+v, %v", made, err)
	}
	for range 2 {
		source := sunsource.SunSource{ID: uuid.New(), OwnerID: r.who.UserID, PowerGroupID: &made.ID}
		if err := r.records.SunSources.Create(t.Context(), source); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.Get(t.Context(), r.who, made.ID)
	if err != nil || got.Name != "Home" || text(got.Description) != about || text(got.LogoURL) != logo || got.SunSourceCount != 2 || !got.CreatedAt.Equal(made.CreatedAt) {
		t.Errorf("read back %+v, %v", got, err)
	}
	r.clock.Advance(time.Minute)
	r.make("Barn")
	if names := r.names(); !slices.Equal(names, []string{"Home", "Barn"}) {
		t.Errorf("listed are %q", names)
	}
}

func TestAGroupChangesInWhatIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make("Home")
	for _, c := range []struct { // one after another on one group
		update                  powergroups.Update
		name, description, logo string
	}{
		{powergroups.Update{}, "Home", "", ""},
		{powergroups.Update{Description: patch.Set("South"), LogoURL: patch.Set("http://example.org/x")}, "Home", "South", "http://example.org/x"},
		{powergroups.Update{Name: patch.Set("Barn")}, "Barn", "South", "http://example.org/x"},
		{powergroups.Update{Description: patch.Null[string]()}, "Barn", "", "http://example.org/x"},
		{powergroups.Update{LogoURL: patch.Null[string]()}, "Barn", "", ""},
	} {
		now := r.clock.Advance(time.Minute)
		got, err := r.Update(t.Context(), r.who, id, c.update)
		if err != nil || got.Name != c.name || text(got.Description) != c.description || text(got.LogoURL) != c.logo ||
			!got.UpdatedAt.Equal(now) || !got.CreatedAt.Equal(present()) {
			t.Errorf("%+v: %+v, %v", c.update, got, err)
		}
		if again, err := r.Get(t.Context(), r.who, id); err != nil || again.Name != c.name || !again.UpdatedAt.Equal(now) {
			t.Errorf("read back %+v, %v", again, err)
		}
	}
}

func TestEverythingWrongWithAGroupIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make("Home")
	long, script := strings.Repeat("ü", 501), "javascript:alert(1)"
	var unreadable fault.Fields
	unreadable.Add("colour", "is unknown")
	_, err := r.Create(t.Context(), r.who, powergroups.Draft{Description: &long, LogoURL: &script, Unreadable: unreadable})
	wantFields(t, err, "colour", "description", "logoUrl", "name")
	for name, c := range map[string]struct {
		update powergroups.Update
		want   []string
	}{
		"no name":    {powergroups.Update{Name: patch.Null[string]()}, []string{"name"}},
		"empty name": {powergroups.Update{Name: patch.Set("")}, []string{"name"}},
		"everything": {
			powergroups.Update{Name: patch.Null[string](), Description: patch.Set(long), LogoURL: patch.Set(script), Unreadable: unreadable},
			[]string{"colour", "description", "logoUrl", "name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Update(t.Context(), r.who, id, c.update)
			wantFields(t, err, c.want...)
		})
	}
	got, err := r.Get(t.Context(), r.who, id)
	if err != nil || got.Name != "Home" || got.Description != nil || got.LogoURL != nil || !got.UpdatedAt.Equal(present()) || len(r.names()) != 1 {
		t.Errorf("left is %+v, %v", got, err)
	}
}

func TestAnothersGroupIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make("Home")
	for name, who := range map[string]actor.Actor{"another": {UserID: uuid.New(), Role: actor.Overseer}, "nobody": {}} {
		for _, target := range []uuid.UUID{id, uuid.New()} {
			_, get := r.Get(t.Context(), who, target)
			_, update := r.Update(t.Context(), who, target, powergroups.Update{Name: patch.Set("Mine"), Description: patch.Set(strings.Repeat("x", 501))})
			for act, err := range map[string]error{"get": get, "update": update, "delete": r.Delete(t.Context(), who, target)} {
				if !fault.Is(err, fault.NotFound) {
					t.Errorf("%s by %s: %v", act, name, err)
				}
			}
		}
		if list, err := r.List(t.Context(), who); err != nil || len(list) != 0 {
			t.Errorf("%s sees %d groups, %v", name, len(list), err)
		}
	}
	if names := r.names(); !slices.Equal(names, []string{"Home"}) {
		t.Errorf("left are %q", names)
	}
}

func TestADeletedGroupLeavesItsSources(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, other := r.make("Home"), r.make("Barn")
	source := sunsource.SunSource{ID: uuid.New(), OwnerID: r.who.UserID, PowerGroupID: &id}
	kept := sunsource.SunSource{ID: uuid.New(), OwnerID: r.who.UserID, PowerGroupID: &other}
	if err := errors.Join(r.records.SunSources.Create(t.Context(), source), r.records.SunSources.Create(t.Context(), kept)); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), r.who, id); err != nil {
		t.Fatal(err)
	}
	left, err := r.records.SunSources.Get(t.Context(), r.who.UserID, source.ID)
	if err != nil || left.PowerGroupID != nil {
		t.Errorf("its source is %+v, %v", left, err)
	}
	left, err = r.records.SunSources.Get(t.Context(), r.who.UserID, kept.ID)
	if err != nil || left.PowerGroupID == nil || *left.PowerGroupID != other {
		t.Errorf("the other group's source is %+v, %v", left, err)
	}
	if err := r.Delete(t.Context(), r.who, id); !fault.Is(err, fault.NotFound) {
		t.Errorf("once more: %v", err)
	}
	if names := r.names(); !slices.Equal(names, []string{"Barn"}) {
		t.Errorf("left are %q", names)
	}
}

func TestAGroupThatCouldNotBeStoredIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	away := fault.New(fault.Unavailable, "away")
	r.records.PowerGroups.FailNext(1, away)
	if made, err := r.Create(t.Context(), r.who, powergroups.Draft{Name: "Home"}); !errors.Is(err, away) || made.ID != uuid.Nil {
		t.Errorf("with the records away: %+v, %v", made, err)
	}
	short := powergroups.New(powergroups.Deps{Groups: r.records.PowerGroups, Clock: r.clock, Random: bytes.NewReader(make([]byte, 15))})
	if _, err := short.Create(t.Context(), r.who, powergroups.Draft{Name: "Home"}); err == nil {
		t.Error("a group was made without randomness")
	}
	if names := r.names(); len(names) != 0 {
		t.Errorf("left are %q", names)
	}
}
