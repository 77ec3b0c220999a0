package kafka_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"ampra/adapters/kafka"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/contract"
)

// perSource is how many letters of a source the reader below shows: the topic
// itself is bounded by time and size.
const perSource = 100

func TestDeadLettersKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.DeadLetters(t, func(t *testing.T) contract.DeadLettersRig {
		var cfg kafka.Config
		c := newCluster(t, func(own *kafka.Config) { cfg = *own })
		return contract.DeadLettersRig{
			Letters:   c.DeadLetters(),
			PerSource: perSource,
			List: func(ctx context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error) {
				all, err := readLetters(ctx, cfg)
				return newest(all, source), err
			},
		}
	})
}

// newest is what a reader of the topic makes of it: each id once, the newest of a
// source first.
func newest(all []telemetry.DeadLetter, source uuid.UUID) (found []telemetry.DeadLetter) {
	for _, l := range all {
		known := func(have telemetry.DeadLetter) bool { return have.ID == l.ID }
		if l.SourceID == source && !slices.ContainsFunc(found, known) {
			found = append(found, l)
		}
	}
	slices.SortStableFunc(found, func(a, b telemetry.DeadLetter) int { return b.At.Compare(a.At) })
	return found[:min(len(found), perSource)]
}

func readLetters(ctx context.Context, cfg kafka.Config) ([]telemetry.DeadLetter, error) {
	topic := cfg.TopicPrefix + ".telemetry.dead"
	conn, err := kafkago.DialLeader(ctx, "tcp", cfg.Brokers[0], topic, 0)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	end, err := conn.ReadLastOffset()
	if err != nil {
		return nil, err
	}
	var all []telemetry.DeadLetter
	for next := int64(0); next < end; {
		if _, err := conn.Seek(next, kafkago.SeekAbsolute); err != nil {
			return nil, err
		}
		batch := conn.ReadBatch(1, 1<<20)
		for next < end {
			record, err := batch.ReadMessage()
			if err != nil {
				break
			}
			next = record.Offset + 1
			l, err := kafka.DecodeLetter(record.Value)
			if err != nil {
				return nil, err
			}
			if l.SourceID != uuid.Nil && !bytes.Equal(record.Key, l.SourceID[:]) {
				return nil, fault.New(fault.Internal, "the key %x is not the source %s", record.Key, l.SourceID)
			}
			all = append(all, l)
		}
		if err := batch.Close(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func TestALetterOutlivesAnOutageAndSaysWhenItCannot(t *testing.T) {
	t.Parallel()
	c, wire := impatient(t, func(cfg *kafka.Config) { cfg.DeliveryTimeout = 10 * time.Second })
	letter := telemetry.DeadLetter{ID: uuid.New(), At: time.Now().UTC(), Origin: "mqtt", Reason: "it is broken"}
	if err := c.DeadLetters().Put(t.Context(), letter); err != nil {
		t.Fatalf("putting: %v", err)
	}
	wire.Cut()
	put := make(chan error, 1)
	go func() { put <- c.DeadLetters().Put(t.Context(), letter) }()
	wait(t.Context(), 300*time.Millisecond)
	wire.Heal()
	if err := <-put; err != nil {
		t.Errorf("putting during an outage: %v", err)
	}
	wire.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.DeadLetters().Put(ctx, letter); !fault.Is(err, fault.Unavailable) {
		t.Errorf("putting while Kafka is away: %v", err)
	}
}

func FuzzDecodingALetterNeverPanicsAndIsStable(f *testing.F) {
	good, err := kafka.EncodeLetter(telemetry.DeadLetter{
		ID: uuid.New(), SourceID: uuid.New(), At: time.Unix(1, 5e6), Origin: "mqtt", Topic: "t", Reason: "r", Raw: []byte{0, 255},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"raw":"!"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		first, err := kafka.DecodeLetter(value)
		if err != nil {
			return
		}
		encoded, err := kafka.EncodeLetter(first)
		if err != nil {
			return // a time beyond what JSON says
		}
		second, err := kafka.DecodeLetter(encoded)
		if err != nil || second.ID != first.ID || !second.At.Equal(first.At) || second.SourceID != first.SourceID {
			t.Errorf("%+v became %+v, %v", first, second, err)
		}
	})
}
