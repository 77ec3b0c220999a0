package kafka_test

import (
	"context"
	"errors"
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

func TestAJournalThatIsCutOffAnswersEverythingAndHeals(t *testing.T) {
	t.Parallel()
	c, wire := impatient(t, nil)
	journal := c.Journal()
	background(t, journal.Run)
	log, _ := openLog(t, c)

	notes, source := newBook(), uuid.New()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	over := make(chan struct{})
	go func() { // faults of every kind, while entries come
		defer close(over)
		for i := range 6 {
			if i%2 == 0 {
				wire.Cut()
			} else {
				wire.Silence()
			}
			wait(ctx, time.Duration(100+i*50)*time.Millisecond)
			wire.Heal()
			wait(ctx, 300*time.Millisecond)
		}
		wire.Silence() // longer than a delivery may take
		wait(ctx, 2*time.Second)
		wire.Heal()
	}()
	for i, more := 0, true; more; i++ {
		if err := notes.append(ctx, journal, entry(source, i, 1)); err != nil {
			t.Fatalf("appending %d: %v", i, err)
		}
		select {
		case <-over:
			more = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	durable, failed := notes.settled(t, 10*time.Second)
	if durable == 0 || failed == 0 {
		t.Errorf("%d entries became durable between the faults, %d failed, want some of both", durable, failed)
	}
	checkHealed(t, journal, source)
	found := readUntil(t, log, func(found map[time.Time]int) bool {
		for at := range notes.durable {
			if found[at] == 0 {
				return false
			}
		}
		return true
	})
	for at := range found {
		if notes.durable[at]+notes.failed[at] == 0 && at.Before(afterAll) {
			t.Errorf("the reading of %s was found and never answered", at)
		}
	}
}

func TestAnOutageOfTheJournalIsToldOnce(t *testing.T) {
	t.Parallel()
	var cfg kafka.Config
	_, wire := impatient(t, func(own *kafka.Config) { cfg = *own })
	said := &counting{Handler: slog.DiscardHandler, said: map[string]int{}}
	c, err := kafka.New(cfg, kafka.Deps{Log: slog.New(said), Observer: nil})
	if err != nil {
		t.Fatalf("making a cluster: %v", err)
	}
	t.Cleanup(c.Close)
	journal := c.Journal()
	background(t, journal.Run)
	notes := newBook()
	send := func(n int) { // to all partitions
		for i := range n {
			if err := notes.append(t.Context(), journal, entry(uuid.New(), i, 1)); err != nil {
				t.Fatalf("appending: %v", err)
			}
		}
	}
	send(20)
	notes.settled(t, 20*time.Second)
	wire.Cut()
	send(20)
	eventually(t, 20*time.Second, "the outage is told", func() bool { return said.count("kafka does not answer") == 1 })
	send(20)
	eventually(t, 20*time.Second, "some are given up", func() bool {
		notes.mu.Lock()
		defer notes.mu.Unlock()
		return len(notes.failed) > 0
	})
	wire.Heal()
	checkHealed(t, journal, uuid.New())
	eventually(t, 20*time.Second, "its end is told", func() bool { return said.count("kafka answers again") == 1 })
	if n := said.count("kafka does not answer"); n != 1 {
		t.Errorf("the outage is told %d times", n)
	}
}

// afterAll is later than any reading but that of checkHealed.
var afterAll = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

func checkHealed(t *testing.T, journal telemetry.Journal, source uuid.UUID) {
	t.Helper()
	e := entry(source, 0, 1)
	e.Readings[0].Timestamp = afterAll
	deadline := time.Now().Add(20 * time.Second)
	for {
		answer := make(chan error, 1)
		if err := journal.Append(t.Context(), e, func(err error, _ []error) { answer <- err }); err != nil {
			t.Fatalf("appending after the fault: %v", err)
		}
		err := <-answer
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the journal does not heal: %v", err)
		}
	}
}

// readUntil reads batches, and commits them, until there is enough.
func readUntil(t *testing.T, log telemetry.Log, enough func(map[time.Time]int) bool) map[time.Time]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	found := map[time.Time]int{}
	for !enough(found) {
		batch, err := log.Fetch(ctx, 1000, time.Millisecond)
		if err != nil {
			t.Fatalf("fetching, after %d readings: %v", len(found), err)
		}
		for _, r := range batch.Readings {
			found[r.Timestamp]++
		}
		if err := batch.Commit(ctx); err != nil && !fault.Passing(err) {
			t.Fatalf("committing: %v", err)
		}
	}
	return found
}

func TestAFullQueueHoldsUpItsSenders(t *testing.T) {
	t.Parallel()
	for name, bound := range map[string]func(*kafka.Config){
		"by records": func(cfg *kafka.Config) { cfg.QueueRecords = 10 },
		"by bytes":   func(cfg *kafka.Config) { cfg.QueueBytes = 10 * 100 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, wire := impatient(t, func(cfg *kafka.Config) {
				bound(cfg)
				cfg.DeliveryTimeout = 2 * time.Second
			})
			journal := c.Journal()
			background(t, journal.Run)
			notes, source := newBook(), uuid.New()
			if err := notes.append(t.Context(), journal, entry(source, 0, 1)); err != nil {
				t.Fatalf("appending: %v", err)
			}
			notes.settled(t, 10*time.Second)
			wire.Silence()

			taken := 0
			for i := 1; i < 100; i++ {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				err := notes.append(ctx, journal, entry(source, i, 1))
				cancel()
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("a full queue answers %v", err)
					}
					break
				}
				taken++
			}
			if taken == 0 || taken > 30 {
				t.Errorf("%d entries were taken while Kafka is silent", taken)
			}
			if records, bytes := journal.Queued(); records == 0 || records > 30 || bytes > 3000 {
				t.Errorf("%d records, %d bytes are queued", records, bytes)
			}
			durable, failed := notes.settled(t, 20*time.Second)
			if durable+failed != taken+1 {
				t.Errorf("%d durable and %d failed of %d", durable, failed, taken+1)
			}
			wire.Heal()
			checkHealed(t, journal, source)
			if records, bytes := journal.Queued(); records != 0 || bytes != 0 {
				t.Errorf("%d records, %d bytes are queued at the end", records, bytes)
			}
		})
	}
}

func TestAJournalWaitsForItsTopic(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	c := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 2})
	journal := c.Journal()
	background(t, journal.Run)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := journal.Append(ctx, entry(uuid.New(), 0, 1), func(error, []error) { t.Error("done was called") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("appending without a topic gives %v", err)
	}
	if err := c.Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	checkHealed(t, journal, uuid.New())
}

func TestAJournalThatNeverReachedKafkaStopsAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t, kafka.Config{Brokers: []string{"127.0.0.1:1"}, TopicPrefix: "nowhere"})
	journal := c.Journal()
	stop := background(t, journal.Run)
	refused := make(chan error, 1)
	go func() {
		refused <- journal.Append(t.Context(), entry(uuid.New(), 0, 1), func(error, []error) { t.Error("done was called") })
	}()
	stop()
	if err := <-refused; !fault.Is(err, fault.Unavailable) {
		t.Errorf("an entry that waited got %v", err)
	}
	if err := journal.Append(t.Context(), entry(uuid.New(), 0, 1), nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a stopped journal answers %v", err)
	}
	if err := journal.Run(t.Context()); err == nil {
		t.Error("a journal ran twice")
	}
}

func TestAStopWhileKafkaIsSilentEndsAndAnswersEverything(t *testing.T) {
	t.Parallel()
	c, wire := impatient(t, func(cfg *kafka.Config) {
		cfg.DeliveryTimeout, cfg.RequestTimeout, cfg.FlushTimeout = time.Minute, time.Minute, 300*time.Millisecond
	})
	journal := c.Journal()
	stop := background(t, journal.Run)
	checkHealed(t, journal, uuid.New())
	wire.Silence()
	notes := newBook()
	for i := range 50 {
		if err := notes.append(t.Context(), journal, entry(uuid.New(), i, 1)); err != nil {
			t.Fatalf("appending: %v", err)
		}
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
	notes.mu.Lock()
	defer notes.mu.Unlock()
	if notes.open != 0 || len(notes.durable)+len(notes.failed) != 50 {
		t.Errorf("when Run returned, %d entries had no answer, %d were durable, %d failed", notes.open, len(notes.durable), len(notes.failed))
	}
}

func TestAReadingThatFitsIntoNoRecordIsRefusedAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	journal := c.Journal()
	background(t, journal.Run)
	source := uuid.New()
	e := entry(source, 0, 5)
	e.Readings[2].Extra = map[string]float64{strings.Repeat("x", 600<<10): 1}
	err, errs := answerOf(t, journal, e)
	if !fault.Is(err, fault.TooLarge) || len(errs) != 5 {
		t.Fatalf("answered with %v and %d errors", err, len(errs))
	}
	for i, one := range errs {
		if refused := i == 2; refused != fault.Is(one, fault.TooLarge) || !refused && one != nil {
			t.Errorf("reading %d is answered with %v", i, one)
		}
	}
	err, errs = answerOf(t, journal, telemetry.Entry{SourceID: source, Readings: e.Readings[2:3]})
	if !fault.Is(err, fault.TooLarge) || len(errs) != 1 {
		t.Errorf("alone, it is answered with %v and %v", err, errs)
	}
	if err := journal.Append(t.Context(), telemetry.Entry{SourceID: source}, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("an entry without readings is answered with %v", err)
	}
	log, _ := openLog(t, c)
	found := readUntil(t, log, func(found map[time.Time]int) bool { return len(found) == 4 })
	if found[e.Readings[2].Timestamp] != 0 {
		t.Error("the refused reading is found")
	}
}

func answerOf(t *testing.T, journal telemetry.Journal, e telemetry.Entry) (first error, errs []error) { //nolint:staticcheck // as telemetry.Done has it
	t.Helper()
	type answer struct {
		err  error
		errs []error
	}
	answers := make(chan answer, 1)
	if err := journal.Append(t.Context(), e, func(err error, errs []error) { answers <- answer{err, errs} }); err != nil {
		t.Fatalf("appending: %v", err)
	}
	a := <-answers
	return a.err, a.errs
}

// A topic may take smaller batches than we make.
func TestARecordThatKafkaRefusesDoesNotFailItsNeighbours(t *testing.T) {
	t.Parallel()
	var own kafka.Config
	c := newCluster(t, func(cfg *kafka.Config) {
		cfg.Partitions, cfg.Linger = 1, 200*time.Millisecond // one batch
		own = *cfg
	})
	limitMessages(t, own, 10_000)
	journal := c.Journal()
	background(t, journal.Run)
	checkHealed(t, journal, uuid.New())

	var answers sync.WaitGroup
	got := make([]error, 60)
	for i := range got {
		e := entry(uuid.New(), i, 1)
		if i%20 == 7 {
			e.Readings[0].Extra = map[string]float64{noise(20_000): 1} // does not compress
		}
		answers.Add(1)
		err := journal.Append(t.Context(), e, func(err error, _ []error) {
			got[i] = err
			answers.Done()
		})
		if err != nil {
			t.Fatalf("appending: %v", err)
		}
	}
	answers.Wait()
	for i, err := range got {
		if refused := i%20 == 7; refused && !fault.Is(err, fault.TooLarge) || !refused && err != nil {
			t.Errorf("reading %d is answered with %v", i, err)
		}
	}
}

func noise(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(uuid.NewString())
	}
	return b.String()
}

func limitMessages(t *testing.T, cfg kafka.Config, bytes int) {
	t.Helper()
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(cfg.Brokers...), Transport: transport}
	answer, err := client.IncrementalAlterConfigs(t.Context(), &kafkago.IncrementalAlterConfigsRequest{
		Resources: []kafkago.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: cfg.TopicPrefix + ".telemetry",
			Configs: []kafkago.IncrementalAlterConfigsRequestConfig{{
				Name: "max.message.bytes", Value: itoa(bytes), ConfigOperation: kafkago.ConfigOperationSet,
			}},
		}},
	})
	if err == nil && len(answer.Resources) > 0 {
		err = answer.Resources[0].Error
	}
	if err != nil {
		t.Fatalf("limiting messages: %v", err)
	}
}
