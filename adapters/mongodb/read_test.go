package mongodb_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/adapters/mongodb"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

func TestALimitBelowOneIsRefused(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	if _, err := archive.History(t.Context(), telemetry.Span{SourceID: uuid.New()}); !fault.Is(err, fault.Invalid) {
		t.Errorf("answered with %v", err)
	}
}

func TestAnArchiveIsBlankUntilItsFirstReading(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	if blank, err := archive.Blank(t.Context()); err != nil || !blank {
		t.Errorf("a new archive is blank: %v, %v", blank, err)
	}
	write(t, archive, place(uuid.New(), 0, 1))
	if blank, err := archive.Blank(t.Context()); err != nil || blank {
		t.Errorf("an archive with a reading is blank: %v, %v", blank, err)
	}
}

// A device that sends thousands of readings within a slot, or one moment without
// end, must not cost more memory than what is asked for.
func TestASlotOfManyReadingsIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	crowded, stuck := uuid.New(), uuid.New()
	var batch []telemetry.Placed
	for i := range 9000 {
		p := place(crowded, 0, float64(i))
		p.Timestamp = p.Timestamp.Add(time.Duration(i*7919%9000) * time.Millisecond)
		p.Position.Offset = int64(i)
		batch = append(batch, p)
		if i < 1000 {
			p = place(stuck, 0, float64(i))
			p.Values.Set(telemetry.Field(i%telemetry.NumFields), float64(i))
			p.Position.Offset = int64(i)
			batch = append(batch, p)
		}
	}
	write(t, archive, batch...)
	for order, first := range map[telemetry.Order]time.Time{
		telemetry.NewestFirst: noon().Add(8999 * time.Millisecond), telemetry.OldestFirst: noon(),
	} {
		found, err := archive.History(t.Context(), telemetry.Span{SourceID: crowded, Order: order, Limit: 10})
		if err != nil {
			t.Fatalf("reading history: %v", err)
		}
		if len(found) != 10 || !found[0].Timestamp.Equal(first) {
			t.Errorf("%d readings, the first of %s, want 10 from %s on", len(found), found[0].Timestamp, first)
		}
	}
	latest, err := archive.Latest(t.Context(), stuck)
	if err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		want := float64(999 - (999-int(f))%telemetry.NumFields)
		if f == telemetry.SolarPowerWatts {
			want = 999 // set by each
		}
		if got, ok := latest.Values.Get(f); !ok || got != want {
			t.Errorf("%s is %v, want %v", f, got, want)
		}
	}
}

// profile is what the server notes of a query.
type profile struct {
	Keys int    `bson:"keysExamined"`
	Docs int    `bson:"docsExamined"`
	Plan string `bson:"planSummary"`
	Sort bool   `bson:"hasSortStage"`
}

// With years of readings the latest costs what a day's readings do.
func TestTheLatestOfALiveSourceReadsADayAtMost(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	archive := onDatabase(t, url, name, nil)
	source := uuid.New()
	now := time.Now()
	var batch []telemetry.Placed
	for i := range 4 * 365 {
		p := place(source, 0, float64(i))
		p.Timestamp = telemetry.Truncate(now.Add(-time.Duration(i) * 6 * time.Hour))
		batch = append(batch, p)
	}
	write(t, archive, batch...)
	moveAll(t, archive)
	db := database(t, url, name)
	if err := db.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 2}}).Err(); err != nil {
		t.Skipf("the server does not profile: %v", err)
	}
	latest, err := archive.Latest(t.Context(), source)
	if err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	if watts, _ := latest.Values.Get(telemetry.SolarPowerWatts); watts != 0 {
		t.Errorf("it is the reading number %v", watts)
	}
	cursor, err := db.Collection("system.profile").Find(t.Context(), bson.D{{Key: "ns", Value: bson.D{{Key: "$regex", Value: "readings$"}}}})
	if err != nil {
		t.Fatalf("reading the profile: %v", err)
	}
	var profiled []profile
	if err := cursor.All(t.Context(), &profiled); err != nil {
		t.Fatalf("reading the profile: %v", err)
	}
	profiled = slices.DeleteFunc(profiled, func(p profile) bool { return p.Plan == "" }) // the cursor's end
	if len(profiled) != 1 {
		t.Fatalf("%d queries were made, want 1: %+v", len(profiled), profiled)
	}
	if p := profiled[0]; p.Keys > 8 || p.Docs > 8 || p.Sort || p.Plan != "IXSCAN { meta.source: 1, meta.slot: -1 }" {
		t.Errorf("it was %+v", p)
	}
}

func TestASourceThatIsSilentForYearsHasALatest(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, func(cfg *mongodb.Config) { cfg.Timeout = 5 * time.Second })
	source := uuid.New()
	old := place(source, 0, 7)
	old.Timestamp = time.Date(2003, time.July, 1, 3, 4, 5, 6e6, time.UTC)
	write(t, archive, old)
	moveAll(t, archive)
	latest, err := archive.Latest(t.Context(), source)
	if err != nil || !latest.Timestamp.Equal(old.Timestamp) {
		t.Errorf("the latest is of %s, %v", latest.Timestamp, err)
	}
}

// moveAll runs a mover until everything is in the series.
func moveAll(t testing.TB, archive *mongodb.Archive) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- archive.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the mover ended with %v", err)
		}
	}()
	for {
		if err := archive.MoveSoon(ctx); err != nil {
			t.Fatalf("asking for a move: %v", err)
		}
		waiting, err := archive.Waiting(ctx)
		if err != nil {
			t.Fatalf("counting what waits: %v", err)
		}
		if waiting == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d readings are not moved", waiting)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
