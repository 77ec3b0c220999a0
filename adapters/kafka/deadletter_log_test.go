package kafka_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"ampra/adapters/kafka"
	"ampra/core/telemetry"
	"ampra/test/contract"
)

func TestTheLogOfDeadLettersKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.LetterLog(t, func(t *testing.T) contract.LetterLogRig {
		var cfg kafka.Config
		c := newCluster(t, func(own *kafka.Config) { cfg = *own })
		return contract.LetterLogRig{
			Letters: c.DeadLetters(),
			Open: func(t *testing.T) (telemetry.LetterLog, func()) {
				log := c.LetterLog()
				return log, runLetters(t, log)
			},
			Garble: func(t *testing.T, source uuid.UUID, value []byte) {
				garble := func() error {
					conn, err := kafkago.DialLeader(t.Context(), "tcp", cfg.Brokers[0], cfg.TopicPrefix+".telemetry.dead", 0)
					if err != nil {
						return err
					}
					_, err = conn.WriteMessages(kafkago.Message{Key: source[:], Value: value})
					return errors.Join(err, conn.Close())
				}
				// A topic that was just made may have no leader for a moment.
				for err := garble(); err != nil; err = garble() {
					var kafkaErr kafkago.Error
					if !errors.As(err, &kafkaErr) || !kafkaErr.Temporary() || t.Context().Err() != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}

// runLetters runs a log until the returned stop, or the test's end.
func runLetters(t *testing.T, log *kafka.LetterLog) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("the log ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
