package kafka_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"ampra/adapters/kafka"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

// seen notes what readers got, by place in the journal.
type seen struct {
	mu     sync.Mutex
	places map[telemetry.Position]time.Time
	times  map[time.Time]int
	wrong  []string
}

func newSeen() *seen {
	return &seen{places: map[telemetry.Position]time.Time{}, times: map[time.Time]int{}}
}

func (s *seen) add(batch telemetry.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range batch.Readings {
		if at, ok := s.places[r.Position]; ok && !at.Equal(r.Timestamp) {
			s.wrong = append(s.wrong, "a place in the journal holds two readings")
		}
		s.places[r.Position] = r.Timestamp
		s.times[r.Timestamp]++
	}
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// follow reads and commits until ctx ends. Batches of one partition must not go
// back, but for a new generation of the group.
func (s *seen) follow(ctx context.Context, t *testing.T, log telemetry.Log) {
	for {
		batch, err := log.Fetch(ctx, 50, 5*time.Millisecond)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("fetching: %v", err)
			}
			return
		}
		s.add(batch)
		if err := batch.Commit(ctx); err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("committing: %v", err)
		}
	}
}

func TestReadersThatComeAndGoShareThePartitionsAndLeaveNothingOut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, func(cfg *kafka.Config) { cfg.Partitions = 4 })
	journal := c.Journal()
	background(t, journal.Run)
	notes := newSeen()
	start := func() (stop func()) {
		log, stopLog := openLog(t, c)
		stopFollowing := background(t, func(ctx context.Context) error {
			notes.follow(ctx, t, log)
			return nil
		})
		return func() { stopFollowing(); stopLog() }
	}
	first := start()
	sent := 0
	send := func(n int) {
		for range n {
			e := entry(uuid.New(), sent*3, 3)
			if err, _ := answerOf(t, journal, e); err != nil {
				t.Fatalf("appending: %v", err)
			}
			sent++
		}
	}
	all := func(what string) {
		t.Helper()
		eventually(t, 45*time.Second, what, func() bool { return notes.count() == 3*sent })
	}
	send(50)
	all("the first reader has everything")
	start()
	send(100) // while the group rebalances
	all("both have everything")
	first()
	send(100)
	all("the second alone has everything")
	notes.mu.Lock()
	defer notes.mu.Unlock()
	for _, wrong := range notes.wrong {
		t.Error(wrong)
	}
	if len(notes.places) != 3*sent {
		t.Errorf("%d places for %d readings", len(notes.places), 3*sent)
	}
}

// counting counts log messages.
type counting struct {
	slog.Handler
	mu   sync.Mutex
	said map[string]int
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[r.Message]++
	return nil
}

func (c *counting) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *counting) count(message string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said[message]
}

func TestALogOutlivesOutagesAndSaysEachOnce(t *testing.T) {
	t.Parallel()
	var said *counting
	var cfg kafka.Config
	c, wire := impatient(t, func(own *kafka.Config) { cfg = *own })
	said = &counting{Handler: slog.DiscardHandler, said: map[string]int{}}
	behind, err := kafka.New(cfg, kafka.Deps{Log: slog.New(said), Observer: nil})
	if err != nil {
		t.Fatalf("making a cluster: %v", err)
	}
	t.Cleanup(behind.Close)
	journal := c.Journal()
	background(t, journal.Run)
	log, _ := openLog(t, behind)
	notes := newSeen()
	background(t, func(ctx context.Context) error {
		notes.follow(ctx, t, log)
		return nil
	})
	for i, fail := range []func(){wire.Cut, wire.Silence} {
		source := uuid.New()
		sendAll(t, journal, source, 2*i*50, 50)
		eventually(t, 30*time.Second, "everything before the outage is read", func() bool { return notes.count() == (2*i+1)*50 })
		before := said.count("kafka does not answer")
		fail()
		eventually(t, 20*time.Second, "the outage is told", func() bool { return said.count("kafka does not answer") > before })
		wait(t.Context(), time.Second) // it goes on and is not told again
		wire.Heal()
		sendAll(t, journal, source, (2*i+1)*50, 50)
		eventually(t, 45*time.Second, "everything after the outage is read", func() bool { return notes.count() == (2*i+2)*50 })
		// On a busy machine one that heals may stumble once more.
		if told, over := said.count("kafka does not answer"), said.count("kafka answers again"); told != over || told-before > 2 {
			t.Errorf("%d outages and %d ends are told for one more than %d", told, over, before)
		}
	}
}

// sendAll appends single readings until each is durable.
func sendAll(t *testing.T, journal telemetry.Journal, source uuid.UUID, first, n int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for i := first; i < first+n; {
		err, _ := answerOf(t, journal, entry(source, i, 1))
		switch {
		case err == nil:
			i++
		case time.Now().After(deadline):
			t.Fatalf("appending: %v", err)
		}
	}
}

func TestALogStopsWhileKafkaIsSilent(t *testing.T) {
	t.Parallel()
	c, wire := impatient(t, func(cfg *kafka.Config) { cfg.RequestTimeout = time.Minute })
	log, stop := openLog(t, c)
	writer := c.Journal()
	stopWriter := background(t, writer.Run)
	sendAll(t, writer, uuid.New(), 0, 1)
	stopWriter()
	readUntil(t, log, func(found map[time.Time]int) bool { return len(found) == 1 })
	wire.Silence()
	fetched := make(chan error, 1)
	go func() {
		_, err := log.Fetch(context.WithoutCancel(t.Context()), 10, time.Millisecond)
		fetched <- err
	}()
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if err := <-fetched; !fault.Is(err, fault.Unavailable) {
		t.Errorf("a fetch from a log that stopped gives %v", err)
	}
}

func TestABatchOfPartitionsThatWereLostCannotBeCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, func(cfg *kafka.Config) { cfg.Partitions = 1 })
	journal := c.Journal()
	background(t, journal.Run)
	sendAll(t, journal, uuid.New(), 0, 5)
	log, stop := openLog(t, c)
	batch, err := log.Fetch(t.Context(), 5, 50*time.Millisecond)
	if err != nil {
		t.Fatalf("fetching: %v", err)
	}
	stop()
	if err := batch.Commit(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("committing gives %v", err)
	}
	again, _ := openLog(t, c)
	if found := readUntil(t, again, func(found map[time.Time]int) bool { return len(found) == 5 }); len(found) != 5 {
		t.Errorf("%d readings come again", len(found))
	}
}

// A topic that was made anew, or lost its newest records, is shorter than what
// was committed.
func TestALogWhosePositionIsGoneGoesOnAtTheOldestRecord(t *testing.T) {
	t.Parallel()
	var cfg kafka.Config
	c := newCluster(t, func(own *kafka.Config) {
		own.Partitions = 1
		cfg = *own
	})
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(cfg.Brokers...), Transport: transport}
	_, err := client.OffsetCommit(t.Context(), &kafkago.OffsetCommitRequest{
		GroupID: cfg.TopicPrefix + "-writer", GenerationID: -1,
		Topics: map[string][]kafkago.OffsetCommit{cfg.TopicPrefix + ".telemetry": {{Partition: 0, Offset: 1000}}},
	})
	if err != nil {
		t.Fatalf("committing a position: %v", err)
	}
	journal := c.Journal()
	background(t, journal.Run)
	sendAll(t, journal, uuid.New(), 0, 3)
	log, _ := openLog(t, c)
	readUntil(t, log, func(found map[time.Time]int) bool { return len(found) == 3 })
}

func TestWhatIsNoEntryNamesItsPlace(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	cfg := kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 2}
	c := open(t, cfg)
	if err := c.Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	large := strings.Repeat("z", telemetry.MaxRaw+1)
	writeRaw(t, cfg, 1, []byte(large))
	writeRaw(t, cfg, 1, nil)
	var letters []telemetry.DeadLetter
	log, stop := openLog(t, c)
	for len(letters) < 2 {
		batch, err := log.Fetch(t.Context(), 10, time.Millisecond)
		if err != nil {
			t.Fatalf("fetching: %v", err)
		}
		letters = append(letters, batch.Undecodable...)
	}
	first := letters[0]
	if !first.Truncated || len(first.Raw) != telemetry.MaxRaw || first.At.IsZero() || first.SourceID != uuid.Nil ||
		first.Topic != prefix+".telemetry, partition 1, offset 0" {
		t.Errorf("the letter is of %s at %s, %d bytes, cut: %v", first.Topic, first.At, len(first.Raw), first.Truncated)
	}
	stop()
	again, _ := openLog(t, c)
	batch, err := again.Fetch(t.Context(), 10, time.Millisecond)
	if err != nil {
		t.Fatalf("fetching again: %v", err)
	}
	if batch.Undecodable[0].ID != first.ID {
		t.Error("the same record is another letter when it comes again")
	}
}
