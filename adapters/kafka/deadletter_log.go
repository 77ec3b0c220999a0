package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"ampra/core/telemetry"
)

var _ telemetry.LetterLog = (*LetterLog)(nil)

// letterWait is within how much a letter is read when nothing else is.
const letterWait = 250 * time.Millisecond

// LetterLog is the reading end of the dead letters' topic, a member of a group of
// its own: one member reads at a time. Run must be running for Fetch to return
// anything.
type LetterLog struct {
	cluster        *Cluster
	ready, stopped chan struct{}

	mu      sync.Mutex
	started bool
	reader  *kafka.Reader // once ready
}

// LetterLog returns a reading end of the dead letters.
func (c *Cluster) LetterLog() *LetterLog {
	return &LetterLog{cluster: c, ready: make(chan struct{}), stopped: make(chan struct{})}
}

func (c *Cluster) letterGroup() string { return c.cfg.TopicPrefix + "-dead-letters" }

// Run takes part in the group until ctx ends, and leaves it. It can run once.
func (l *LetterLog) Run(ctx context.Context) error {
	l.mu.Lock()
	again := l.started
	l.started = true
	l.mu.Unlock()
	if again {
		return errors.New("the log of dead letters runs already, or has stopped")
	}
	defer close(l.stopped)
	dialer := &groupDialer{dial: l.cluster.cfg.Dial, conns: map[net.Conn]struct{}{}}
	l.reader = kafka.NewReader(kafka.ReaderConfig{
		Brokers: l.cluster.cfg.Brokers, GroupID: l.cluster.letterGroup(), Topic: l.cluster.deadTopic(), StartOffset: kafka.FirstOffset,
		Dialer:   &kafka.Dialer{ClientID: "ampra", DialFunc: dialer.connect, Timeout: l.cluster.cfg.RequestTimeout},
		MinBytes: 1, MaxBytes: maxFetchBytes, MaxWait: letterWait, ReadLagInterval: -1,
		HeartbeatInterval: heartbeatTime, SessionTimeout: sessionTime, RebalanceTimeout: rebalanceTime, JoinGroupBackoff: joinPause,
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) {
			l.cluster.log.DebugContext(ctx, "reading dead letters", "problem", fmt.Sprintf(format, args...))
		}),
	})
	close(l.ready)
	<-ctx.Done()
	impatience := time.AfterFunc(leaveTime, dialer.cut)
	defer impatience.Stop()
	if err := l.reader.Close(); err != nil {
		return fmt.Errorf("leaving the group of dead letters: %w", err)
	}
	return nil
}

// Fetch returns the next letters, as telemetry.LetterLog says. A record that is
// no letter is one that says so.
func (l *LetterLog) Fetch(ctx context.Context, max int, linger time.Duration) (telemetry.LetterBatch, error) {
	select {
	case <-l.ready:
	case <-ctx.Done():
		return telemetry.LetterBatch{}, ctx.Err()
	case <-l.stopped:
		return telemetry.LetterBatch{}, stopping()
	}
	first, err := l.reader.FetchMessage(ctx)
	if err != nil {
		return telemetry.LetterBatch{}, l.failed(ctx, err)
	}
	records := []kafka.Message{first}
	lingering, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	for len(records) < max {
		next, err := l.reader.FetchMessage(lingering)
		if err != nil {
			break // a real problem shows with the next batch
		}
		records = append(records, next)
	}
	batch := telemetry.LetterBatch{Commit: func(ctx context.Context) error { return l.commit(ctx, records) }}
	for _, r := range records {
		batch.Letters = append(batch.Letters, letterOf(r))
	}
	return batch, nil
}

func (l *LetterLog) failed(ctx context.Context, err error) error {
	select {
	case <-l.stopped:
		return stopping()
	default:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("reading dead letters: %w", unavailable(err))
}

// commit waits no longer than a request: between two generations of the group
// nobody takes it, and the letters come again.
func (l *LetterLog) commit(ctx context.Context, records []kafka.Message) error {
	ctx, cancel := context.WithTimeout(ctx, l.cluster.cfg.RequestTimeout)
	defer cancel()
	if err := l.reader.CommitMessages(ctx, records...); err != nil {
		return fmt.Errorf("committing the dead letters' position: %w", unavailable(err))
	}
	return nil
}

// letterOf reads a record. The same record is the same letter when it comes again.
func letterOf(r kafka.Message) telemetry.DeadLetter {
	place := fmt.Sprintf("%s, partition %d, offset %d", r.Topic, r.Partition, r.Offset)
	own := uuid.NewSHA1(uuid.NameSpaceURL, []byte(place))
	l, err := DecodeLetter(r.Value)
	if err != nil {
		l = telemetry.DeadLetter{
			At: r.Time.UTC(), Origin: telemetry.FromJournal, Topic: place,
			Kind: telemetry.LetterUndecodable, Reason: err.Error(), Raw: r.Value,
		}.Bounded()
		if len(r.Key) == len(l.SourceID) {
			copy(l.SourceID[:], r.Key)
		}
	}
	if l.ID == uuid.Nil {
		l.ID = own
	}
	return l
}
