package devices_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/actor"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/core/live"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/devices"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told keeps what is published.
type told struct {
	mu     sync.Mutex
	events []live.Event
}

func (t *told) Publish(_ context.Context, e live.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

// states are the states that were published, in order.
func (t *told) states() []device.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []device.State
	for _, e := range t.events {
		if e.Kind == live.StateChanged {
			list = append(list, e.State.State)
		}
	}
	return list
}

type rig struct {
	t       *testing.T
	records *fake.Records
	clock   *fake.Clock
	told    *told
	tracker *devices.Tracker
	sweeper *devices.Sweeper
	flushed []int
	owner   uuid.UUID
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, records: fake.NewRecords(), clock: fake.NewClock(time.Date(2026, 6, 14, 9, 0, 0, 0, time.UTC)), told: &told{}, owner: uuid.New()}
	r.restart()
	r.sweeper = devices.NewSweeper(devices.SweeperDeps{Watch: r.records.Devices, Live: r.told, Clock: r.clock, Failed: func(err error) { t.Error(err) }})
	return r
}

// restart is another process that begins now.
func (r *rig) restart() {
	r.tracker = devices.NewTracker(devices.TrackerDeps{
		Book: r.records.Devices, Live: r.told, Clock: r.clock, Process: uuid.New(), Failed: func(err error) { r.t.Error(err) },
		Flushed: func(n int, _ time.Duration) { r.flushed = append(r.flushed, n) },
	})
}

func (r *rig) source() uuid.UUID {
	r.t.Helper()
	s := sunsource.SunSource{ID: uuid.New(), OwnerID: r.owner, Name: "Roof", ConnectionType: sunsource.MQTT, Currency: "EUR", CreatedAt: r.clock.Now()}
	if err := r.records.SunSources.Create(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
	return s.ID
}

func reading(source uuid.UUID, received, stamp time.Time) telemetry.Placed {
	p := telemetry.Placed{Reading: telemetry.Reading{SourceID: source, Timestamp: stamp, ReceivedAt: received}}
	p.Values.Set(telemetry.ACPowerWatts, 1000)
	return p
}

// live has sources send a reading a minute, all flushed and swept.
func (r *rig) live(minutes int, sources ...uuid.UUID) {
	r.t.Helper()
	for range minutes {
		r.clock.Advance(time.Minute)
		now := r.clock.Now()
		var batch []telemetry.Placed
		for _, s := range sources {
			batch = append(batch, reading(s, now, now))
		}
		r.tracker.Stored(batch, nil)
		r.flush()
	}
}

func (r *rig) flush() {
	r.t.Helper()
	if err := r.tracker.Flush(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if err := r.sweeper.Sweep(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) status(source uuid.UUID) device.Status {
	r.t.Helper()
	s, err := r.records.Devices.Status(r.t.Context(), source)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) want(source uuid.UUID, want device.State) {
	r.t.Helper()
	if got := r.status(source); got.State != want {
		r.t.Fatalf("at %s it is %s, want %s", r.clock.Now(), got.State, want)
	}
}

func TestADeviceIsOnlineThenLateThenOfflineThenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.want(source, device.Unknown)
	r.live(20, source)
	r.want(source, device.Online)
	if got := r.status(source); !got.LastSeenAt.Equal(r.clock.Now()) || got.Pulse.Rhythm() != time.Minute {
		t.Errorf("it was seen at %s, with the rhythm %s", got.LastSeenAt, got.Pulse.Rhythm())
	}
	r.live(4)
	r.want(source, device.Late)
	r.live(10)
	r.want(source, device.Offline)
	r.live(1, source)
	r.want(source, device.Online)
	want := []device.State{device.Online, device.Late, device.Offline, device.Online}
	if got := r.told.states(); !slices.Equal(got, want) {
		t.Errorf("told was %v, want %v", got, want)
	}
}

func TestADeviceThatStuttersChangesItsStateFewTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(30, source)
	for range 60 { // five hours: a minute on, four off
		r.live(1, source)
		r.live(4)
	}
	if got := r.told.states(); len(got) > 8 {
		t.Errorf("it changed %d times: %v", len(got), got)
	}
}

func TestARestartMakesNobodyLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(20, source)
	r.clock.Advance(5 * time.Hour) // nobody was there
	r.restart()
	r.flush()
	r.want(source, device.Online)
	r.live(2)
	r.want(source, device.Online)
	r.live(3)
	r.want(source, device.Late)
}

func TestAWriterThatIsBehindMakesNobodyLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(20, source)
	for range 30 { // what comes now was received ten minutes ago
		r.clock.Advance(time.Minute)
		then := r.clock.Now().Add(-10 * time.Minute)
		r.tracker.Stored([]telemetry.Placed{reading(r.source(), then, then)}, nil)
		r.flush()
		r.want(source, device.Online)
	}
}

func TestAnArchiveThatIsAwayMakesNobodyLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(20, source)
	for range 30 {
		r.clock.Advance(time.Minute)
		now := r.clock.Now()
		r.tracker.Stored([]telemetry.Placed{reading(source, now, now)}, []error{errors.New("away")})
		r.flush()
		r.want(source, device.Online)
	}
}

func TestWhatCouldNotBeWrittenIsWrittenTheNextTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	at := r.clock.Now()
	r.tracker.Stored([]telemetry.Placed{reading(source, at, at)}, nil)
	away := fault.New(fault.Unavailable, "away")
	for range 3 {
		r.records.Devices.FailNext(1, away)
		if err := r.tracker.Flush(t.Context()); !errors.Is(err, away) {
			t.Fatalf("got %v", err)
		}
		r.clock.Advance(time.Second)
	}
	r.flush()
	if got := r.status(source); !got.LastSeenAt.Equal(at) || !got.Since.Equal(at) {
		t.Errorf("got %+v", got)
	}
}

func TestOldReadingsAreNotHeardAndAnImportMakesNobodyOnline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	now := r.clock.Now()
	var batch []telemetry.Placed
	for i := range 1000 {
		batch = append(batch, reading(source, now, now.Add(-time.Duration(i+1)*time.Hour)))
	}
	r.tracker.Stored(batch, nil)
	r.flush()
	r.want(source, device.Unknown)
	if r.tracker.Tracked() != 0 {
		t.Error("it is held")
	}
}

func TestANewDeviceIsSeenBeforeTheOthersAreWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := r.source()
	r.live(3, old)
	r.flushed = nil
	now := r.clock.Now().Add(time.Second)
	fresh := r.source()
	r.tracker.Stored([]telemetry.Placed{reading(old, now, now), reading(fresh, now, now)}, nil)
	if err := r.tracker.FlushNew(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want(fresh, device.Online)
	if !slices.Equal(r.flushed, []int{1}) || r.status(old).LastSeenAt.Equal(now) {
		t.Errorf("flushed %v", r.flushed)
	}
}

func TestAnotherProcessGoesOnWithWhatWasLearnt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(20, source)
	r.restart()
	r.live(1, source)
	if got := r.status(source); got.Pulse.Rhythm() != time.Minute {
		t.Errorf("the rhythm is %s", got.Pulse.Rhythm())
	}
}

func TestWhoIsSilentIsNotHeldForLong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source, other := r.source(), r.source()
	r.live(3, source, other)
	r.live(12, other)
	if n := r.tracker.Tracked(); n != 1 {
		t.Errorf("%d are held", n)
	}
}

func TestManyWritersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sources := make([]uuid.UUID, 40)
	for i := range sources {
		sources[i] = r.source()
	}
	start := r.clock.Now()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				at := start.Add(time.Duration(i) * time.Second)
				r.tracker.Stored([]telemetry.Placed{reading(sources[(i*7+w)%len(sources)], at, at)}, nil)
				if i%20 == 0 {
					if err := r.tracker.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	r.flush()
	for i, s := range sources {
		if got := r.status(s); got.State == device.Unknown {
			t.Errorf("source %d is %s", i, got.State)
		}
	}
}

// names are the sources that a noticer finds.
type names struct{ source uuid.UUID }

func (n names) Access(_ context.Context, id uuid.UUID) (credential.Access, error) {
	if id != n.source {
		return credential.Access{}, fault.New(fault.NotFound, "no")
	}
	return credential.Access{SourceID: id}, nil
}

func (n names) AccessByClient(ctx context.Context, client string) (credential.Access, error) {
	if client != sunsource.ClientID(n.source) {
		return credential.Access{}, fault.New(fault.NotFound, "no")
	}
	return n.Access(ctx, n.source)
}

func TestAnAttemptIsToldOfTheSourceThatItNamedAndOfNoOther(t *testing.T) {
	t.Parallel()
	source, heard := uuid.New(), &told{}
	n := devices.NewNoticer(devices.NoticerDeps{Names: names{source}, Live: heard, Clock: fake.NewClock(time.Now())})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = n.Run(ctx); close(ended) }()
	knock := func(id uuid.UUID, name, reason string) devices.Knock {
		return devices.Knock{Attempt: device.Attempt{SourceID: id, Reason: reason, Detail: name}, Name: name}
	}
	for _, k := range []devices.Knock{
		knock(uuid.Nil, "stranger", device.UnknownClient), knock(uuid.Nil, uuid.NewString(), device.UnknownClient), knock(uuid.New(), "other", device.BadSignature),
		knock(source, "", ""), knock(uuid.Nil, "", device.UnknownClient),
		knock(uuid.Nil, source.String(), device.UnknownClient), knock(uuid.Nil, sunsource.ClientID(source), device.WrongKey), knock(source, "its id", device.Inactive),
	} {
		n.Note(k)
	}
	deadline := time.After(10 * time.Second)
	for count := 0; count < 3; {
		select {
		case <-deadline:
			t.Fatalf("%d attempts were told", count)
		case <-time.After(time.Millisecond):
		}
		heard.mu.Lock()
		count = len(heard.events)
		heard.mu.Unlock()
	}
	cancel()
	<-ended
	var reasons []string
	for _, e := range heard.events {
		if e.SourceID != source || e.Attempt.SourceID != source || e.Attempt.At.IsZero() {
			t.Errorf("told was %+v", e)
		}
		reasons = append(reasons, e.Attempt.Reason)
	}
	if want := []string{device.UnknownClient, device.WrongKey, device.Inactive}; !slices.Equal(reasons, want) {
		t.Errorf("told were %v, want %v", reasons, want)
	}
}

func TestAttemptsAreBoundedByNumberAndSources(t *testing.T) {
	t.Parallel()
	a := devices.NewAttempts()
	first := uuid.New()
	for i := range 30 {
		a.Note(device.Attempt{SourceID: first, Detail: fmt.Sprint(i)})
	}
	got := a.List(first)
	if len(got) != 20 || got[0].Detail != "29" || got[19].Detail != "10" {
		t.Errorf("kept are %v", got)
	}
	for range 10_000 {
		a.Note(device.Attempt{SourceID: uuid.New()})
	}
	if left := a.List(first); len(left) != 0 {
		t.Errorf("of the one that was quiet for longest %d are left", len(left))
	}
}

func TestAHistoryIsToldWithHowLongEachStateLasted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source := r.source()
	r.live(20, source)
	r.live(30)
	r.live(1, source)
	s := devices.New(devices.Deps{
		Sources: r.records.SunSources, Statuses: r.records.Devices, Fleet: r.records.Devices, Attempts: devices.NewAttempts(), Clock: r.clock,
	})
	who := actor.Actor{UserID: r.owner}
	whole, err := s.Status(t.Context(), who, source, device.Stretch{Limit: 10})
	if err != nil || len(whole.Changes) != 4 || !whole.Changes[0].Until.IsZero() || !whole.Next.IsZero() {
		t.Fatalf("got %+v, %v", whole, err)
	}
	for i := 1; i < 4; i++ {
		if whole.Changes[i].Until != whole.Changes[i-1].Since {
			t.Errorf("change %d lasts until %s", i, whole.Changes[i].Until)
		}
	}
	var paged []devices.Period
	stretch := device.Stretch{Limit: 1}
	for range 10 {
		page, err := s.Status(t.Context(), who, source, stretch)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, page.Changes...)
		if stretch.To = page.Next; stretch.To.IsZero() {
			break
		}
	}
	if !slices.Equal(paged, whole.Changes) {
		t.Errorf("in pages it is %v, want %v", paged, whole.Changes)
	}
	if _, err := s.Status(t.Context(), actor.Actor{UserID: uuid.New()}, source, stretch); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stranger gets %v", err)
	}
	if _, err := s.AttemptsOf(t.Context(), actor.Actor{UserID: uuid.New()}, source); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stranger gets %v", err)
	}
}
