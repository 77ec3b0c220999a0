package bootstrap

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/sqldb"
	"ampra/core/device"
	"ampra/core/live"
	"ampra/core/telemetry"
	"ampra/modules/devices"
)

// How often it is written down who was heard, and silence is looked for.
const (
	heardInterval   = 2 * time.Second // of new ones; all at every fifteenth
	silenceInterval = 10 * time.Second
)

// wireTracker has a process that makes readings durable note who is heard. It
// returns what the writers write to.
func (a *App) wireTracker(ctx context.Context, h *house) error {
	h.knocks = devices.NewAttempts()
	if !a.cfg.Has(RoleWriter) {
		return nil
	}
	process, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	flushes := a.metrics.HeardDevices()
	tracker := devices.NewTracker(devices.TrackerDeps{
		Book: sqldb.NewDevices(h.db), Live: latePublisher{h}, Clock: systemClock(), Process: process,
		Failed: func(err error) {
			a.log.WarnContext(ctx, "noting which devices are heard failed, it will be tried again", "error", err)
		},
		Flushed: flushes.Flushed,
	})
	a.metrics.Gauge("ampra_devices_tracked", "Sources that this process hears.", func() float64 { return float64(tracker.Tracked()) })
	a.metrics.Counter("ampra_devices_untracked_total", "How often a source was heard and not noted, for want of room.",
		func() float64 { return float64(tracker.Missed()) })
	h.tracker = tracker
	a.parts.add("heard devices", 10*time.Second, ticking(heardInterval, tracker.Run))
	return nil
}

// heard is an archive that tells the tracker what became durable.
type heard struct {
	telemetry.Archive
	tracker *devices.Tracker
}

// Write implements telemetry.Archive.
func (a heard) Write(ctx context.Context, readings []telemetry.Placed) []error {
	errs := a.Archive.Write(ctx, readings)
	a.tracker.Stored(readings, errs)
	return errs
}

// written is where the writers of this process write to.
func (h *house) written() telemetry.Archive {
	if h.tracker == nil {
		return h.archive
	}
	return heard{h.archive, h.tracker}
}

// latePublisher publishes by what is made after the tracker.
type latePublisher struct{ h *house }

var _ live.Publisher = latePublisher{}

// Publish implements live.Publisher.
func (p latePublisher) Publish(ctx context.Context, e live.Event) {
	if p.h.live != nil {
		p.h.live.Publish(ctx, e)
	}
}

// wireDevices makes what judges silence, in the processes that write, and what
// notices those who knock in vain.
func (a *App) wireDevices(ctx context.Context, h *house) error {
	store := sqldb.NewDevices(h.db)
	h.noticer = devices.NewNoticer(devices.NoticerDeps{Names: h.registry, Live: h.live, Clock: systemClock()})
	a.parts.add("devices' attempts", 3*time.Second, h.noticer.Run)
	a.metrics.Counter("ampra_device_attempts_dropped_total", "Attempts of devices that came too fast to be noted.",
		func() float64 { return float64(h.noticer.Dropped()) })
	if a.cfg.Has(RoleAPI) {
		h.devices = devices.New(devices.Deps{
			Sources: sqldb.NewSunSources(h.db), Statuses: store, Fleet: store, Attempts: h.knocks, Clock: systemClock(),
		})
	}
	if !a.cfg.Has(RoleWriter) {
		return nil
	}
	if err := a.untilReady(ctx, "the names of sun sources", store.FoldNames); err != nil {
		return err
	}
	sweeper := devices.NewSweeper(devices.SweeperDeps{
		Watch: store, Live: h.live, Clock: systemClock(),
		Failed: func(err error) {
			a.log.WarnContext(ctx, "looking for silent devices failed, it will be tried again", "error", err)
		},
	})
	for _, state := range device.States() {
		a.metrics.GaugeOf("ampra_devices", "Sources by the state of their device, as counted within the last minute.",
			map[string]string{"state": string(state)}, func() float64 { return float64(sweeper.Counts()[state]) })
	}
	a.parts.add("silent devices", 10*time.Second, ticking(silenceInterval, sweeper.Run))
	return nil
}

// hearing is a bus on which this process keeps the attempts that it hears of.
type hearing struct {
	live.Bus
	knocks *devices.Attempts
}

// Listen implements live.Bus.
func (b hearing) Listen(ctx context.Context, began func(), heard func(live.Event)) error {
	return b.Bus.Listen(ctx, began, keeping(b.knocks, heard))
}

// keeping keeps attempts and passes all events on.
func keeping(knocks *devices.Attempts, next func(live.Event)) func(live.Event) {
	return func(e live.Event) {
		if e.Kind == live.Attempted && e.Attempt != nil {
			knocks.Note(*e.Attempt)
		}
		next(e)
	}
}

// hubBus is the bus as the hub listens to it, nil where there is only this process.
func (h *house) hubBus(a *App) live.Bus {
	bus := h.bus(a)
	if bus == nil {
		return nil
	}
	return hearing{bus, h.knocks}
}
