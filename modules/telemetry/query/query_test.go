package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/query"
	"ampra/test/fake"
)

// owned is a repository in which one user owns one source.
type owned struct {
	sunsource.Repository
	owner, source uuid.UUID
}

func (o owned) Get(_ context.Context, owner, id uuid.UUID) (sunsource.SunSource, error) {
	if owner != o.owner || id != o.source {
		return sunsource.SunSource{}, fault.New(fault.NotFound, "There is no such sun source.")
	}
	return sunsource.SunSource{ID: id, OwnerID: owner}, nil
}

type rig struct {
	owned
	archive fake.Archive
	service *query.Service
	who     actor.Actor
}

// newRig has a source with n readings, a second apart.
func newRig(t *testing.T, n int) *rig {
	t.Helper()
	r := &rig{owned: owned{owner: uuid.New(), source: uuid.New()}}
	r.who = actor.Actor{UserID: r.owner, Role: actor.User}
	r.service = query.New(query.Deps{Sources: r.owned, Archive: &r.archive, Days: nil, Zones: nil, Clock: nil, Kept: query.Kept{}})
	for i := range n {
		reading := telemetry.Reading{SourceID: r.source, Timestamp: at(i), ReceivedAt: at(i)}
		reading.Values.Set(telemetry.ACPowerWatts, float64(i))
		errs := r.archive.Write(t.Context(), []telemetry.Placed{{Reading: reading, Position: telemetry.Position{Offset: int64(i)}}})
		if errs != nil {
			t.Fatal(errs)
		}
	}
	return r
}

func at(i int) time.Time { return time.Date(2026, 6, 14, 12, 0, i, 0, time.UTC) }

// walk follows the cursors to the end and returns the seconds that it saw.
func (r *rig) walk(t *testing.T, ask query.Ask) (seconds []int, pages int) {
	t.Helper()
	for {
		page, err := r.service.History(t.Context(), r.who, r.source, ask)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, reading := range page.Readings {
			seconds = append(seconds, reading.Timestamp.Second())
		}
		if page.Next == "" {
			return seconds, pages
		}
		ask.Cursor = page.Next
	}
}

func TestPagesShowEachReadingOnceInEitherOrder(t *testing.T) {
	r := newRig(t, 25)
	for name, c := range map[string]struct {
		ask                query.Ask
		first, last, count int
		pages              int
	}{
		"newest first":               {query.Ask{Limit: 10}, 24, 0, 25, 3},
		"oldest first":               {query.Ask{Limit: 10, Order: telemetry.OldestFirst}, 0, 24, 25, 3},
		"pages that come out even":   {query.Ask{Limit: 5}, 24, 0, 25, 5},
		"within a span":              {query.Ask{Limit: 4, From: at(5), To: at(15)}, 14, 5, 10, 3},
		"within a span, the old way": {query.Ask{Limit: 4, From: at(5), To: at(15), Order: telemetry.OldestFirst}, 5, 14, 10, 3},
		"the default limit":          {query.Ask{}, 24, 0, 25, 1},
	} {
		t.Run(name, func(t *testing.T) {
			seconds, pages := r.walk(t, c.ask)
			if len(seconds) != c.count || pages != c.pages || seconds[0] != c.first || seconds[len(seconds)-1] != c.last {
				t.Errorf("saw %v in %d pages", seconds, pages)
			}
			seen := map[int]bool{}
			for _, s := range seconds {
				if seen[s] {
					t.Errorf("second %d came twice", s)
				}
				seen[s] = true
			}
		})
	}
}

func TestAWrongQuestionIsNamedByField(t *testing.T) {
	r := newRig(t, 1)
	for field, ask := range map[string]query.Ask{
		"limit":  {Limit: 1001},
		"to":     {From: at(2), To: at(1)},
		"cursor": {Cursor: "no cursor"},
	} {
		_, err := r.service.History(t.Context(), r.who, r.source, ask)
		var e *fault.Error
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", field, err)
			continue
		}
		e, _ = err.(*fault.Error) //nolint:errorlint // made just there
		if len(e.Fields[field]) != 1 {
			t.Errorf("%s: fields are %v", field, e.Fields)
		}
	}
}

func TestAnothersSourceIsNotThere(t *testing.T) {
	r := newRig(t, 1)
	stranger := actor.Actor{UserID: uuid.New(), Role: actor.Overseer}
	if _, err := r.service.History(t.Context(), stranger, r.source, query.Ask{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("history: %v", err)
	}
	if _, _, err := r.service.Latest(t.Context(), stranger, r.source); !fault.Is(err, fault.NotFound) {
		t.Errorf("latest: %v", err)
	}
	if _, _, err := r.service.Latest(t.Context(), actor.Actor{}, r.source); !fault.Is(err, fault.NotFound) {
		t.Errorf("latest for nobody: %v", err)
	}
}

func TestLatestIsTheNewestOrNone(t *testing.T) {
	r := newRig(t, 3)
	got, ok, err := r.service.Latest(t.Context(), r.who, r.source)
	if err != nil || !ok || got.Timestamp.Second() != 2 {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	empty := newRig(t, 0)
	if _, ok, err := empty.service.Latest(t.Context(), empty.who, empty.source); ok || err != nil {
		t.Errorf("got %v, %v; expected none", ok, err)
	}
}
