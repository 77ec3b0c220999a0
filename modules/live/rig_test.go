package live_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/fault"
	core "ampra/core/live"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records are the sources that there are, with their owner and group.
type records struct {
	sunsource.Repository
	mu  sync.Mutex
	all []sunsource.SunSource
}

func (r *records) add(owner uuid.UUID, group *uuid.UUID) uuid.UUID {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := uuid.New()
	r.all = append(r.all, sunsource.SunSource{ID: id, OwnerID: owner, PowerGroupID: group})
	return id
}

func (r *records) remove(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(s sunsource.SunSource) bool { return s.ID == id })
}

func (r *records) Get(_ context.Context, owner, id uuid.UUID) (sunsource.SunSource, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		if s.ID == id && s.OwnerID == owner {
			return s, nil
		}
	}
	return sunsource.SunSource{}, fault.New(fault.NotFound, "There is no such sun source.")
}

func (r *records) List(_ context.Context, owner uuid.UUID, filter sunsource.Filter, _ sunsource.Page) ([]sunsource.SunSource, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []sunsource.SunSource
	for _, s := range r.all {
		inGroup := filter.PowerGroupID == nil || s.PowerGroupID != nil && *s.PowerGroupID == *filter.PowerGroupID
		if s.OwnerID == owner && inGroup {
			found = append(found, s)
		}
	}
	return found, nil
}

// Owner implements live.Owners.
func (r *records) Owner(_ context.Context, id uuid.UUID) (uuid.UUID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		if s.ID == id {
			return s.OwnerID, nil
		}
	}
	return uuid.Nil, fault.New(fault.NotFound, "There is no such sun source.")
}

// feed gives changes to its subscriber at once.
type feed struct {
	change.Feed
	apply func(context.Context, change.Change)
}

func (f *feed) Subscribe(apply func(context.Context, change.Change)) { f.apply = apply }

// sessions are the keys that have ended.
type sessions struct {
	mu    sync.Mutex
	ended map[live.Key]bool
}

func (s *sessions) end(key live.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[key] = true
}

func (s *sessions) Holds(_ context.Context, key live.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended[key] {
		return fault.New(fault.Unauthenticated, "over")
	}
	return nil
}

// network is what several processes share: a bus and a journal.
type network struct {
	mu       sync.Mutex
	hearing  []func(core.Event)
	journal  []core.Record
	readers  []func(core.Part)
	replays  int
	replayed error
	// lag is how much later than the first the others read what is durable.
	lag time.Duration
}

func (n *network) Send(_ context.Context, events []core.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range events {
		for _, heard := range n.hearing {
			heard(e)
		}
	}
	return nil
}

func (n *network) Listen(ctx context.Context, began func(), heard func(core.Event)) error {
	n.mu.Lock()
	began()
	n.hearing = append(n.hearing, heard)
	n.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (n *network) Follow(ctx context.Context, began func(core.Position), take func(core.Part)) error {
	n.mu.Lock()
	began(core.Position{int64(len(n.journal))})
	n.readers = append(n.readers, take)
	n.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (n *network) Replay(_ context.Context, from, until core.Position, take func(core.Part)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replays++
	if n.replayed != nil {
		return n.replayed
	}
	take(core.Part{Records: n.journal[from[0]:until[0]], Next: until[0]})
	return nil
}

// append makes a reading durable.
func (n *network) append(r telemetry.Reading) {
	n.mu.Lock()
	defer n.mu.Unlock()
	value := telemetry.AppendEntry(nil, telemetry.Entry{SourceID: r.SourceID, Readings: []telemetry.Reading{r}})
	record := core.Record{Offset: int64(len(n.journal)), SourceID: r.SourceID, Value: value}
	n.journal = append(n.journal, record)
	for i, take := range n.readers {
		part := core.Part{Records: []core.Record{record}, Next: record.Offset + 1}
		if i > 0 && n.lag > 0 {
			time.AfterFunc(n.lag+time.Duration(record.Offset), func() { take(part) }) // one after another
			continue
		}
		take(part)
	}
}

// rig is a hub of one process.
type rig struct {
	hub     *live.Hub
	records *records
	feed    *feed
	keys    *sessions
	user    actor.Actor
	failed  func() []error
}

// encode writes what a test reads again.
func encode(e core.Event) ([]byte, error) {
	said := map[string]any{"source": e.SourceID}
	switch {
	case e.Reading != nil:
		said["watts"], _ = e.Reading.Values.Get(telemetry.SolarPowerWatts)
	case e.State != nil:
		said["state"] = e.State.State
	}
	return json.Marshal(said)
}

func newRig(t *testing.T, cfg live.Config, shared *records, n *network) *rig {
	t.Helper()
	r := &rig{records: shared, feed: &feed{}, keys: &sessions{ended: map[live.Key]bool{}}, user: actor.Actor{UserID: uuid.New(), Role: actor.User}}
	var mu sync.Mutex
	var failures []error
	r.failed = func() []error {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(failures)
	}
	d := live.Deps{
		Sources: shared, Owners: shared, Keys: r.keys, Feed: r.feed, Bus: nil, Tail: nil, Encode: encode,
		Clock: clock.Func(time.Now), Random: rand.Reader, Failed: func(err error) {
			mu.Lock()
			failures = append(failures, err)
			mu.Unlock()
		},
	}
	if n != nil {
		d.Bus, d.Tail = n, n
	}
	hub, err := live.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	r.hub = hub
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
	synctest.Wait()
	return r
}

func (r *rig) open(t *testing.T, ask live.Ask) *live.Stream {
	t.Helper()
	s, err := r.hub.Open(t.Context(), r.user, live.Key{}, ask)
	if err != nil {
		t.Fatalf("opening a stream: %v", err)
	}
	return s
}

// heard is what a stream has to tell when all is quiet, as "kind data", and the
// last id.
func heard(s *live.Stream) (said []string, last string, open bool) {
	synctest.Wait()
	for more := true; more; {
		var told []*live.Message
		told, more, open = s.Take(nil, 1<<30)
		for _, m := range told {
			if m.Kind != "" {
				said = append(said, string(m.Kind)+" "+string(m.Data))
			}
			if m.ID != "" {
				last = m.ID
			}
		}
	}
	return said, last, open
}

func reading(source uuid.UUID, watts float64) telemetry.Reading {
	now := time.Now()
	r := telemetry.Reading{SourceID: source, Timestamp: telemetry.Truncate(now), ReceivedAt: telemetry.Truncate(now)}
	r.Values.Set(telemetry.SolarPowerWatts, watts)
	return r
}

// tell makes readings durable and waits until they are told.
func (r *rig) tell(source uuid.UUID, watts ...float64) {
	for _, w := range watts {
		r.hub.Durable([]telemetry.Reading{reading(source, w)})
	}
	synctest.Wait()
}

// watts are the readings among what was heard.
func watts(t *testing.T, said []string) []float64 {
	t.Helper()
	var found []float64
	for _, line := range said {
		kind, data, _ := strings.Cut(line, " ")
		if kind != string(core.ReadingTaken) {
			t.Fatalf("heard %q, want readings only", line)
		}
		var one struct{ Watts float64 }
		if err := json.Unmarshal([]byte(data), &one); err != nil {
			t.Fatal(err)
		}
		found = append(found, one.Watts)
	}
	return found
}

func wantWatts(t *testing.T, s *live.Stream, want ...float64) (last string) {
	t.Helper()
	said, last, open := heard(s)
	if got := watts(t, said); !slices.Equal(got, want) || !open {
		t.Fatalf("heard %v (open: %t), want %v", got, open, want)
	}
	return last
}

func wantResync(t *testing.T, s *live.Stream) {
	t.Helper()
	if said, _, _ := heard(s); len(said) != 1 || said[0] != "resync {}" {
		t.Fatalf("heard %q, want a resync", said)
	}
}
