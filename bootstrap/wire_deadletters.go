package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/kafka"
	"ampra/adapters/sqldb"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/deadletters"
	"ampra/modules/telemetry/ingest"
)

// letterSweep is how often old dead letters are deleted where the store does not
// do so by itself.
const letterSweep = time.Hour

// wireDeadLetters makes where dead letters are kept and the ways in to it. With
// Kafka it is a topic, which takes letters while their store is away; the writers
// drain it.
func (a *App) wireDeadLetters(ctx context.Context, h *house, cluster *kafka.Cluster) error {
	if err := a.openLetters(ctx, h, cluster != nil); err != nil {
		return err
	}
	lost := func(letter telemetry.DeadLetter, err error) { // never what is in it
		a.log.ErrorContext(ctx, "a dead letter is refused for good and lost",
			"source", letter.SourceID, "origin", letter.Origin, "kind", letter.Kind, "bytes", letter.Size, "error", err)
	}
	h.deadLetters = a.metrics.DeadLetters(h.letters)
	if cluster != nil {
		h.deadLetters = a.metrics.DeadLetters(cluster.DeadLetters())
		if a.cfg.Has(RoleWriter) {
			a.drainLetters(ctx, h, cluster, lost)
		}
	}
	door := deadletters.NewDoor(deadletters.DoorDeps{Next: h.deadLetters, Clock: systemClock(), Lost: lost})
	h.door = door
	a.metrics.Counter("ampra_dead_letters_flooding_total", "Dead letters that came too fast from their source to be kept.",
		func() float64 { return float64(door.Dropped()) })
	a.metrics.Counter("ampra_dead_letters_refused_total", "Dead letters that were refused for good.",
		func() float64 { return float64(door.Refused()) })
	return nil
}

// openLetters opens where letters are kept, in a process that shows or drains
// them.
func (a *App) openLetters(ctx context.Context, h *house, drained bool) error {
	if drained && !a.cfg.Has(RoleAPI) && !a.cfg.Has(RoleWriter) {
		return nil
	}
	var dropped func() int64
	if h.mongo != nil && drained {
		letters := h.mongo.DeadLetters(a.cfg.DeadLetterRetention)
		if err := a.untilReady(ctx, "MongoDB", letters.Setup); err != nil {
			return err
		}
		h.letters, dropped = letters, letters.Dropped
	} else {
		letters := sqldb.NewDeadLetters(h.db)
		if a.cfg.DeadLetterRetention > 0 {
			a.parts.add("dead letters' retention", 5*time.Second, every(letterSweep, a.log, "deleting old dead letters", func(ctx context.Context) error {
				return letters.Expire(ctx, time.Now().Add(-a.cfg.DeadLetterRetention))
			}))
		}
		h.letters, dropped = letters, letters.Dropped
	}
	a.metrics.Counter("ampra_dead_letters_dropped_total", "Dead letters that newer ones pushed out.", func() float64 { return float64(dropped()) })
	return nil
}

// drainLetters brings letters from Kafka to where they are kept.
func (a *App) drainLetters(ctx context.Context, h *house, cluster *kafka.Cluster, lost func(telemetry.DeadLetter, error)) {
	log := cluster.LetterLog()
	a.parts.add("dead letters' reader", 15*time.Second, log.Run)
	drain := deadletters.NewDrain(deadletters.DrainConfig{
		Batch: 200, Linger: 50 * time.Millisecond, RetryMin: 100 * time.Millisecond, RetryMax: 5 * time.Second,
	}, deadletters.DrainDeps{
		Log: log, Letters: h.letters, Sources: h.registry, Lost: lost,
		Failed: func(err error) {
			a.log.WarnContext(ctx, "keeping dead letters failed, it will be tried again", "error", err)
		},
	})
	a.parts.add("dead letters", 10*time.Second, drain.Run)
}

// letterUseCases are what owners do with dead letters.
func letterUseCases(h *house, again *ingest.Service) *deadletters.Service {
	return deadletters.New(deadletters.Deps{Sources: sqldb.NewSunSources(h.db), Letters: h.letters, Ingest: again})
}

// eraser erases all that a source has sent.
type eraser struct {
	archive telemetry.Archive
	letters telemetry.LetterStore
}

// Erase removes the readings and the dead letters of a source.
func (e eraser) Erase(ctx context.Context, source uuid.UUID) error {
	err := e.archive.Erase(ctx, source)
	if e.letters != nil {
		if failed := e.letters.Erase(ctx, source); failed != nil {
			err = errors.Join(err, fmt.Errorf("dead letters: %w", failed))
		}
	}
	return err
}
