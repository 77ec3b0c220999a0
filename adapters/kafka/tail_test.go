package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/kafka"
	"ampra/core/live"
	"ampra/test/contract"
)

func TestATailKeepsItsContract(t *testing.T) {
	t.Parallel()
	c := newCluster(t, func(cfg *kafka.Config) { cfg.Partitions = 4 })
	journal := c.Journal()
	background(t, journal.Run)
	contract.LiveTail(t, journal, c.Tail())
}

func TestATailGoesOnWhereItWasAfterAnOutage(t *testing.T) {
	t.Parallel()
	c, wire := impatient(t, nil)
	journal := c.Journal()
	background(t, journal.Run)
	began, offsets := make(chan struct{}), make(chan int64, 1000)
	background(t, func(ctx context.Context) error {
		return c.Tail().Follow(ctx, func(live.Position) { close(began) }, func(p live.Part) {
			for _, r := range p.Records {
				offsets <- r.Offset
			}
		})
	})
	<-began
	source := uuid.New()
	sendAll(t, journal, source, 0, 10)
	wire.Cut()
	wait(t.Context(), time.Second)
	wire.Heal()
	sendAll(t, journal, source, 10, 10)
	for want := range int64(20) {
		if got := <-offsets; got != want {
			t.Fatalf("read offset %d, want %d", got, want)
		}
	}
}
