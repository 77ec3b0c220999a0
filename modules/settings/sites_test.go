package settings_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/change"
	"ampra/core/payload"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/settings"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// places has one zone east of Greenwich and one west of it.
type places struct{}

func (places) At(_, longitude float64) (string, bool) {
	if longitude > 0 {
		return "East", true
	}
	return "West", true
}

func (places) Load(name string) (*time.Location, error) {
	if name != "East" && name != "West" {
		return nil, errors.New("there is no such zone")
	}
	return time.FixedZone(name, 3600), nil
}

// feed is one that a test drives.
type feed struct {
	cut   atomic.Bool
	apply func(context.Context, change.Change)
}

func (f *feed) Settle(context.Context, int64) error                  { return nil }
func (f *feed) Subscribe(apply func(context.Context, change.Change)) { f.apply = apply }
func (f *feed) Trusted() bool                                        { return !f.cut.Load() }
func (f *feed) tell(t *testing.T, kind change.Kind, source uuid.UUID) {
	f.apply(t.Context(), change.Change{Kind: kind, SourceID: source})
}

// shelf counts how it is read.
type shelf struct {
	mu      sync.Mutex
	sites   map[uuid.UUID]sunsource.Site
	queries atomic.Int64
	hold    chan struct{}
	err     error
}

func (s *shelf) Settings(context.Context, uuid.UUID) (sunsource.Settings, error) {
	return sunsource.Settings{}, nil
}
func (s *shelf) SaveSettings(context.Context, sunsource.Settings) error { return nil }

func (s *shelf) Sites(_ context.Context, ids []uuid.UUID) ([]sunsource.Site, error) {
	s.queries.Add(1)
	s.mu.Lock()
	var list []sunsource.Site
	for _, id := range ids {
		if site, ok := s.sites[id]; ok {
			list = append(list, site)
		}
	}
	hold, err := s.hold, s.err
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return list, err
}

func (s *shelf) put(id uuid.UUID, edit func(*sunsource.Site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	site := s.sites[id]
	site.SourceID = id
	edit(&site)
	s.sites[id] = site
}

type rig struct {
	*settings.Sites
	feed  *feed
	shelf *shelf
}

func newRig() rig {
	r := rig{feed: &feed{}, shelf: &shelf{sites: map[uuid.UUID]sunsource.Site{}}}
	r.Sites = settings.NewSites(settings.SitesDeps{Settings: r.shelf, Zones: places{}, Feed: r.feed})
	return r
}

func (r rig) meter(t *testing.T, id uuid.UUID) payload.Meter {
	t.Helper()
	u, err := r.Understanding(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u.Meter
}

func TestWhatWasReadIsRememberedUntilItChanges(t *testing.T) {
	t.Parallel()
	r, known, unknown := newRig(), uuid.New(), uuid.New()
	r.shelf.put(known, func(s *sunsource.Site) { s.Meter = payload.MeterGrid })
	for range 3 {
		if r.meter(t, known) != payload.MeterGrid || r.meter(t, unknown) != payload.MeterUnknown {
			t.Error("not as it was decided")
		}
	}
	if n := r.shelf.queries.Load(); n != 2 {
		t.Errorf("%d queries for two sources", n)
	}
	r.shelf.put(known, func(s *sunsource.Site) { s.Meter = payload.MeterLoad })
	r.feed.tell(t, change.CredentialsRotated, known)
	if r.meter(t, known) != payload.MeterGrid {
		t.Error("a rotation made it forget")
	}
	r.feed.tell(t, change.SettingsChanged, known)
	if r.meter(t, known) != payload.MeterLoad {
		t.Error("a change of settings is not seen")
	}
	r.shelf.put(known, func(s *sunsource.Site) { s.Meter = payload.MeterOutput })
	r.feed.tell(t, change.Missed, uuid.Nil)
	if r.meter(t, known) != payload.MeterOutput {
		t.Error("what was missed is not seen")
	}
}

func TestAnAnswerFromBeforeAChangeIsNotRemembered(t *testing.T) {
	t.Parallel()
	r, id := newRig(), uuid.New()
	r.shelf.put(id, func(s *sunsource.Site) { s.Meter = payload.MeterGrid })
	r.shelf.hold = make(chan struct{})
	early := make(chan payload.Meter)
	go func() {
		u, _ := r.Understanding(context.WithoutCancel(t.Context()), id)
		early <- u.Meter
	}()
	waitFor(t, func() bool { return r.shelf.queries.Load() == 1 })
	r.shelf.put(id, func(s *sunsource.Site) { s.Meter = payload.MeterLoad })
	r.feed.tell(t, change.SettingsChanged, id)
	close(r.shelf.hold)
	<-early
	if r.meter(t, id) != payload.MeterLoad {
		t.Error("what was on its way when it changed is remembered")
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not within 10 s")
		}
	}
}

func TestManyWhoAskAtOnceCostFewQueries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.shelf.hold = make(chan struct{})
		var asking sync.WaitGroup
		const sources = 500
		for range sources {
			asking.Go(func() { r.meter(t, uuid.New()) })
		}
		synctest.Wait() // the first two queries wait, and all others for them
		close(r.shelf.hold)
		asking.Wait()
		if n := r.shelf.queries.Load(); n > 4 {
			t.Errorf("%d queries for %d sources", n, sources)
		}
	})
}

func TestWhileTheFeedIsCutOffWhatIsKnownStays(t *testing.T) {
	t.Parallel()
	r, known, other := newRig(), uuid.New(), uuid.New()
	r.shelf.put(known, func(s *sunsource.Site) { s.Meter = payload.MeterGrid })
	r.meter(t, known)
	r.feed.cut.Store(true)
	r.shelf.err = errors.New("away")
	if r.meter(t, known) != payload.MeterGrid {
		t.Error("it forgot")
	}
	if _, err := r.Understanding(t.Context(), other); err == nil {
		t.Error("what nobody can tell is told")
	}
	r.shelf.err = nil
	r.meter(t, other)
	r.feed.cut.Store(false)
	r.shelf.put(other, func(s *sunsource.Site) { s.Meter = payload.MeterLoad })
	if r.meter(t, other) != payload.MeterLoad {
		t.Error("what was read without the feed is remembered")
	}
}

func TestTheZoneIsTheOwnersOrThePlacesOrNone(t *testing.T) {
	t.Parallel()
	r := newRig()
	for name, c := range map[string]struct {
		edit func(*sunsource.Site)
		want string
	}{
		"the owner's":           {func(s *sunsource.Site) { s.TimeZone, s.Latitude, s.Longitude = new("East"), new(1.0), new(-1.0) }, "East"},
		"the place's":           {func(s *sunsource.Site) { s.Latitude, s.Longitude = new(1.0), new(-1.0) }, "West"},
		"one that is no longer": {func(s *sunsource.Site) { s.TimeZone, s.Latitude, s.Longitude = new("Gone"), new(1.0), new(1.0) }, "East"},
		"half a place":          {func(s *sunsource.Site) { s.Latitude = new(1.0) }, "none"},
		"nothing":               {func(*sunsource.Site) {}, "none"},
	} {
		id := uuid.New()
		r.shelf.put(id, c.edit)
		u, err := r.Understanding(t.Context(), id)
		got := "none"
		if u.Zone != nil {
			got = u.Zone.String()
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// kept keeps what is noted, and may be away.
type kept struct {
	mu    sync.Mutex
	notes []telemetry.Explanation
	err   error
}

func (k *kept) Note(_ context.Context, list []telemetry.Explanation) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.notes = append(k.notes, list...)
	return nil
}

func (k *kept) Explanation(context.Context, uuid.UUID) (telemetry.Explanation, error) {
	return telemetry.Explanation{}, nil
}

func understood(t *testing.T, text string) *telemetry.Report {
	t.Helper()
	report, err := telemetry.Decode([]byte(text), telemetry.Intake{ReceivedAt: time.Date(2026, time.June, 14, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return &report
}

func TestOnlyWhatIsNewIsWritten(t *testing.T) {
	t.Parallel()
	store, clock, source, failures := &kept{}, fake.NewClock(time.Date(2026, time.June, 14, 10, 0, 0, 0, time.UTC)), uuid.New(), 0
	notes := settings.NewNotes(settings.NotesDeps{Explanations: store, Clock: clock, Failed: func(error) { failures++ }})
	step := func(what string, advance time.Duration, text string, want int) {
		t.Helper()
		clock.Advance(advance)
		notes.Note(source, understood(t, text))
		notes.Write(t.Context(), false)
		total := 0
		for _, n := range store.notes {
			total += len(n.Fields)
		}
		if store.notes = nil; total != want {
			t.Errorf("%s: %d fields written, want %d", what, total, want)
		}
	}
	step("canonical names", 0, `{"acPowerWatts":1}`, 0)
	step("rules", 0, `{"pv_power":1,"load_power":2}`, 2)
	step("the same", time.Minute, `{"pv_power":3,"load_power":4}`, 0)
	step("a part of it", time.Minute, `{"pv_power":3}`, 0)
	step("another rule of one field", time.Minute, `{"solar_power_kw":3,"load_power":4}`, 1)
	step("again another, too soon", time.Second, `{"pv_power":3}`, 0)
	step("and now", time.Minute, `{"pv_power":3}`, 1)
	step("a canonical name of a field that had a rule", time.Minute, `{"loadPowerWatts":3}`, 1)
	step("after an hour", time.Hour, `{"pv_power":3}`, 1)
	store.err = errors.New("away")
	step("while the store is away", time.Hour, `{"pv_power":3}`, 0)
	store.err = nil
	step("and after", time.Minute, `{"pv_power":3}`, 1)
	if failures != 1 {
		t.Errorf("%d failures told", failures)
	}
}

func BenchmarkNote(b *testing.B) {
	notes := settings.NewNotes(settings.NotesDeps{Explanations: &kept{}, Clock: fake.NewClock(time.Now()), Failed: func(error) {}})
	for name, text := range map[string]string{
		"canonical": `{"acPowerWatts":1,"solarPowerWatts":2}`, "rules": `{"pv_power":1,"load_power":2,"grid_power":3,"battery_soc":4,"energy_total_kwh":5}`,
	} {
		report, err := telemetry.Decode([]byte(text), telemetry.Intake{ReceivedAt: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			source := uuid.New()
			for b.Loop() {
				notes.Note(source, &report)
			}
		})
	}
}

func BenchmarkUnderstanding(b *testing.B) {
	r, id := newRig(), uuid.New()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Understanding(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}
