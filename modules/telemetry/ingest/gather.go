package ingest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/payload"
	"ampra/core/telemetry"
)

// GatherConfig bounds how values that come on topics of their own become readings.
type GatherConfig struct {
	// Window is how long after its first value a reading may still grow, 10 s by
	// default.
	Window time.Duration
	// Quiet is after which pause what came without a wish for an answer (QoS 0) is
	// stored, 1 s by default.
	Quiet time.Duration
	// Sources is for how many sources values are held at once, 20,000 by default.
	// Those of any further are stored one by one.
	Sources int
}

// Bounds of what is gathered into one reading.
const (
	maxGathered      = 256      // values
	maxGatheredBytes = 16 << 10 // of topics and values
	gatherTick       = 250 * time.Millisecond
	gatherFlush      = 5 * time.Second
	gatherPatience   = time.Minute
)

// Gatherer holds the values that devices publish on topics of their own, until
// they are one reading: for its window, or until a topic comes again. A value whose
// device wants an answer is durable before it is answered: it is stored at once,
// with all that came before it in the window and under the same time, so that what
// is found is one reading that grew. Nothing waits for the window's end but values
// without an answer.
//
// Each process gathers for itself: where an outside broker spreads the values of
// one source over several, they make several readings.
type Gatherer struct {
	cfg   GatherConfig
	clock clock.Clock

	mu      sync.Mutex
	sources map[uuid.UUID]*gathering

	dropped atomic.Int64
}

// gathering is the reading of one source that is growing.
type gathering struct {
	source, owner uuid.UUID
	// opened is when the first value came, latest when the last did.
	opened, latest time.Time
	values         []payload.Value
	size           int
	// at is the time under which it is stored, in unix milliseconds, 0 while it is
	// not.
	at *atomic.Int64
	// pending is set while values are not handed to the journal.
	pending bool
}

// NewGatherer returns a gatherer that holds nothing.
func NewGatherer(cfg GatherConfig, c clock.Clock) *Gatherer {
	if cfg.Window == 0 {
		cfg.Window = 10 * time.Second
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = time.Second
	}
	if cfg.Sources == 0 {
		cfg.Sources = 20_000
	}
	return &Gatherer{cfg: cfg, clock: c, sources: make(map[uuid.UUID]*gathering)}
}

// Holds is for how many sources values are held, Dropped how many values without a
// wish for an answer were lost since the journal was away for too long.
func (g *Gatherer) Holds() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sources)
}

// Dropped is described at Holds.
func (g *Gatherer) Dropped() int64 { return g.dropped.Load() }

// add takes a value. It returns the gathering as it stands with it, and the one
// before, if that ended by it and is not stored.
func (g *Gatherer) add(d Delivery, now time.Time) (grown gathering, before *gathering) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.sources[d.SourceID]
	if one != nil && one.full(d, now, g.cfg.Window) {
		if one.pending {
			before = one
		}
		one = nil
	}
	if one == nil {
		one = &gathering{source: d.SourceID, owner: d.OwnerID, opened: now, at: &atomic.Int64{}}
		if len(g.sources) < g.cfg.Sources || g.sources[d.SourceID] != nil {
			g.sources[d.SourceID] = one
		}
	}
	one.values = append(one.values, payload.Value{Topic: d.Name, Payload: bytes.Clone(d.Payload)})
	one.size += len(d.Name) + len(d.Payload)
	one.latest = now
	one.pending = d.Unanswered && g.sources[d.SourceID] == one
	grown = *one
	grown.values = slices.Clip(one.values)
	return grown, before
}

// full reports whether a value does not belong to the reading any more.
func (o *gathering) full(d Delivery, now time.Time, window time.Duration) bool {
	age := now.Sub(o.opened)
	return age < 0 || age >= window || len(o.values) == maxGathered || o.size+len(d.Name)+len(d.Payload) > maxGatheredBytes ||
		slices.ContainsFunc(o.values, func(v payload.Value) bool { return v.Topic == d.Name })
}

// due takes what is to be stored now, and forgets what can't grow any more.
func (g *Gatherer) due(now time.Time, all bool) []gathering {
	g.mu.Lock()
	defer g.mu.Unlock()
	var due []gathering
	for source, one := range g.sources {
		old := now.Sub(one.opened) >= g.cfg.Window
		if one.pending && (all || old || now.Sub(one.latest) >= g.cfg.Quiet) {
			one.pending = false
			taken := *one
			taken.values = slices.Clip(one.values)
			due = append(due, taken)
		}
		if old {
			delete(g.sources, source)
		}
	}
	return due
}

// gathers reports whether a delivery is for the gatherer, and, when it is told so
// little that it can be answered without it, settled. A value under one of our own
// names that is none is for the reader of our names to refuse.
func (s *Service) gathers(d Delivery, in telemetry.Intake) bool {
	if s.d.Gather == nil || !lone(d) {
		return false
	}
	if !ours(d.Name) || blank(d.Payload) {
		return true
	}
	report, err := s.decoders.decode(d.Payload, in)
	return err == nil && len(report.Readings) > 0
}

// blank reports whether a payload says that there is no value.
func blank(data []byte) bool {
	switch string(bytes.TrimSpace(data)) {
	case "", "null", "nan", "NaN", "None":
		return true
	}
	return false
}

// lone reports whether a delivery is one value of a device that publishes each on
// a topic of its own.
func lone(d Delivery) bool {
	return d.Name != "" && payload.IsValue(d.Payload) && (bytes.IndexByte(d.Payload, '=') <= 0 || ours(d.Name))
}

// ours reports whether a topic's last level is a name of the canonical form.
func ours(name string) bool {
	last := lastLevel(name)
	_, ok := telemetry.FieldNamed(last)
	return ok || last == "status"
}

func lastLevel(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// submitValue is Submit for one value. What tells nothing (the name of a device,
// its address, an empty payload) is no error: such devices publish it with the
// rest.
func (s *Service) submitValue(ctx context.Context, d Delivery, now time.Time, done func(Receipt, error)) error {
	if blank(d.Payload) {
		done(Receipt{}, nil)
		return nil
	}
	grown, before := s.d.Gather.add(d, now)
	if before != nil {
		if err := s.store(ctx, *before, now, func(Receipt, error) {}); err != nil {
			s.d.Gather.lose([]gathering{*before})
		}
	}
	if grown.pending {
		done(Receipt{Accepted: 1}, nil)
		return nil
	}
	return s.store(ctx, grown, now, done)
}

// store hands a gathering to the journal, as one reading of its first value's
// time, or of the time that one of its topics tells.
func (s *Service) store(ctx context.Context, g gathering, now time.Time, done func(Receipt, error)) error {
	in, err := s.intake(ctx, g.source, "", now, g.opened)
	if err != nil {
		return err
	}
	report := s.decoders.topics(g.values, in)
	receipt := Receipt{Warnings: report.Warnings, DroppedExtra: report.DroppedExtra}
	if len(report.Readings) == 0 {
		done(receipt, nil)
		return nil
	}
	g.settle(&report, s.d.Gather.cfg.Window)
	s.note(g.source, &report)
	entry := telemetry.Entry{SourceID: g.source, Readings: report.Readings}
	return s.hand(ctx, g.owner, entry, g.size, func(err error, errs []error) {
		done(settle(receipt, len(entry.Readings), err, errs))
	})
}

// settle keeps a reading that grows under the time under which a part of it is
// stored already: where a device tells its time with the last of its values, and
// that is now, they are one reading still. A time further away is another one's,
// of what the device had kept and sends again.
func (g *gathering) settle(report *telemetry.Report, window time.Duration) {
	r := &report.Readings[0]
	stored, told := g.at.Load(), r.Timestamp.UnixMilli()
	if stored == 0 {
		g.at.Store(told)
		return
	}
	if time.Duration(abs(told-stored))*time.Millisecond > window {
		return
	}
	if r.Timestamp = time.UnixMilli(stored).UTC(); told != stored && len(report.Given) > 0 {
		report.Given[0] = slices.DeleteFunc(report.Given[0], func(g payload.Given) bool { return g.To == payload.ToTime })
	}
}

func abs(n int64) int64 { return max(n, -n) }

// Gathering stores what was gathered without a wish for an answer, until ctx ends
// and then the rest.
func (s *Service) Gathering(ctx context.Context) error {
	var waiting []gathering
	ticker := time.NewTicker(gatherTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			waiting = s.storeDue(ctx, append(waiting, s.d.Gather.due(s.d.Clock.Now(), false)...))
		case <-ctx.Done():
			last := s.storeDue(context.WithoutCancel(ctx), append(waiting, s.d.Gather.due(s.d.Clock.Now(), true)...))
			s.d.Gather.lose(last)
			return nil
		}
	}
}

// storeDue stores what is due and returns what could not be handed over and is
// worth another try. The journal's own refusals of what was handed over are not
// repeated: nobody waits for the answer.
func (s *Service) storeDue(ctx context.Context, due []gathering) (again []gathering) {
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, gatherFlush)
	defer cancel()
	for i, one := range due {
		now := telemetry.Truncate(s.d.Clock.Now())
		size := len(one.values)
		err := s.store(ctx, one, now, func(_ Receipt, err error) {
			if err != nil && !fault.Is(err, fault.Invalid) {
				s.d.Gather.dropped.Add(int64(size))
			}
		})
		switch {
		case err == nil:
		case now.Sub(one.opened) > gatherPatience:
			s.d.Gather.lose(due[i : i+1])
		default:
			again = append(again, one)
		}
	}
	return again
}

func (g *Gatherer) lose(lost []gathering) {
	for _, one := range lost {
		g.dropped.Add(int64(len(one.values)))
	}
}
