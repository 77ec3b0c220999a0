package settings

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/payload"
	"ampra/core/telemetry"
)

// Bounds of Notes.
const (
	maxNoted   = 100_000 // sources of which is remembered what was noted: 25 MB at the most
	maxPending = 20_000  // sources with something to write
	maxWritten = 500     // sources in one statement
	// looked is how many readings of a delivery are looked at, the last ones.
	looked = 16
	// freshFor is after how long what still holds is noted again. What was not noted
	// for longer than that, and a while, does not hold any more.
	freshFor = time.Hour
	slack    = 5 * time.Minute
	// pause is the least time between two writes of one source.
	pause     = time.Minute
	writeTime = 10 * time.Second
	every     = 2 * time.Second
)

// NotesDeps are the ports of Notes.
type NotesDeps struct {
	Explanations telemetry.Explanations
	Clock        clock.Clock
	// Failed is told what could not be written; it is tried again.
	Failed func(err error)
}

// Notes keeps by which rule each field of what sources send was last understood,
// for those who ask. It writes what is new of a source at once, though not more
// often than once a minute, and what stays the same once an hour: readings
// themselves carry nothing of it.
type Notes struct {
	d    NotesDeps
	seed maphash.Seed

	mu      sync.RWMutex
	noted   map[uuid.UUID]*noted
	pending map[uuid.UUID]map[string]telemetry.Explained
}

// A slot is a field of which one is remembered: the numeric fields, then time,
// code, text, and all strings and all phases.
const (
	slotTime = payload.NumFields + iota
	slotCode
	slotText
	slotStrings
	slotPhases
	numSlots
)

// noted is what was noted of a source: a digest of each slot, and when, in
// minutes. canonical is that of a field under its own name.
type noted struct {
	digest  [numSlots]uint32
	at      [numSlots]int32
	written time.Time
}

const canonical = 1

// NewNotes returns notes that know nothing yet.
func NewNotes(d NotesDeps) *Notes {
	return &Notes{d: d, seed: maphash.MakeSeed(), noted: map[uuid.UUID]*noted{}, pending: map[uuid.UUID]map[string]telemetry.Explained{}}
}

// Note takes notice of how a delivery of a source was understood. It costs little
// where that is as before, and next to nothing where all came under canonical
// names.
func (n *Notes) Note(source uuid.UUID, report *telemetry.Report) {
	n.mu.RLock()
	_, known := n.noted[source]
	n.mu.RUnlock()
	if !known && report.Given == nil { // nobody knows it by anything else
		return
	}
	now := n.d.Clock.Now()
	for i := max(0, len(report.Readings)-looked); i < len(report.Readings); i++ {
		r, given := &report.Readings[i], givenOf(*report, i)
		digest := n.digest(r, given)
		if changed := n.compare(source, &digest, now); changed != 0 {
			n.add(source, telemetry.Explain(r, given, telemetry.Truncate(now)), changed)
		}
	}
}

// digest is that of each slot of a reading, 0 for what is not known.
func (n *Notes) digest(r *telemetry.Reading, given []payload.Given) (digest [numSlots]uint32) {
	for i := range given {
		g := &given[i]
		one := maphash.String(n.seed, g.Rule)*31 + maphash.String(n.seed, g.From)*37 + uint64(g.To)<<8 + uint64(g.Line)<<16 //nolint:gosec // below 32
		if g.Assumed {
			one = ^one
		}
		slot := slotOf(g.To)
		digest[slot] = (digest[slot]*31 + uint32(one^one>>32)) | 2 //nolint:gosec // a digest
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if _, known := r.Values.Get(f); !known {
			digest[f] = 0 // it was not possible
		} else if digest[f] == 0 {
			digest[f] = canonical
		}
	}
	return digest
}

// compare takes over digests and returns the slots that are to be written.
func (n *Notes) compare(source uuid.UUID, digest *[numSlots]uint32, now time.Time) (changed uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.noted[source]
	if one == nil {
		n.makeRoom()
		one = &noted{}
		n.noted[source] = one
	}
	minute := int32(now.Unix() / 60) //nolint:gosec // until the year 6000
	for slot, d := range digest {
		switch {
		case d == 0, d == canonical && one.digest[slot] == 0:
		case d != one.digest[slot], minute-one.at[slot] >= int32(freshFor/time.Minute) && d != canonical:
			one.digest[slot], one.at[slot] = d, minute
			changed |= 1 << slot
		}
	}
	return changed
}

func slotOf(to payload.Target) int {
	switch {
	case int(to) < payload.NumFields:
		return int(to)
	case to < payload.ToPhase:
		return slotStrings
	case to < payload.ToStatusCode:
		return slotPhases
	case to == payload.ToStatusCode:
		return slotCode
	case to == payload.ToStatusText:
		return slotText
	default:
		return slotTime
	}
}

// slotNamed is the slot of a field.
func slotNamed(field string) int {
	if f, ok := telemetry.FieldNamed(field); ok {
		return int(f)
	}
	switch {
	case field == "status.code":
		return slotCode
	case field == "status.text":
		return slotText
	case field == "timestamp":
		return slotTime
	case field[0] == 's':
		return slotStrings
	default:
		return slotPhases
	}
}

// add keeps what is to be written. Where there is no room the source is forgotten,
// so that its next delivery is tried again.
func (n *Notes) add(source uuid.UUID, list []telemetry.Explained, slots uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fields := n.pending[source]
	if fields == nil {
		if len(n.pending) >= maxPending {
			delete(n.noted, source)
			return
		}
		fields = map[string]telemetry.Explained{}
		n.pending[source] = fields
	}
	for _, e := range list {
		if slots&(1<<slotNamed(e.Field)) != 0 {
			for i := range e.From { // what a payload's names were cut from shall not stay
				e.From[i] = string([]byte(e.From[i]))
			}
			fields[e.Field] = e
		}
	}
}

func (n *Notes) makeRoom() {
	if len(n.noted) < maxNoted {
		return
	}
	drop := maxNoted / 10
	for source := range n.noted {
		if drop--; drop < 0 {
			return
		}
		delete(n.noted, source)
	}
}

// Run writes what is new until ctx ends, and then the rest.
func (n *Notes) Run(ctx context.Context) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.Write(ctx, false)
		case <-ctx.Done():
			n.Write(context.WithoutCancel(ctx), true)
			return nil
		}
	}
}

// Write writes what is new. What could not be written stays for the next time.
// With all it does not wait for the sources' pauses.
func (n *Notes) Write(ctx context.Context, all bool) {
	for {
		list := n.due(all)
		if len(list) == 0 {
			return
		}
		writing, cancel := context.WithTimeout(ctx, writeTime)
		err := n.d.Explanations.Note(writing, list)
		cancel()
		if err != nil {
			n.putBack(list)
			n.d.Failed(fmt.Errorf("noting how payloads are understood: %w", err))
			return
		}
	}
}

// due takes what may be written now.
func (n *Notes) due(all bool) []telemetry.Explanation {
	now := n.d.Clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []telemetry.Explanation
	for source, fields := range n.pending {
		one := n.noted[source]
		if !all && one != nil && now.Sub(one.written) < pause {
			continue
		}
		if one != nil {
			one.written = now
		}
		list = append(list, telemetry.Explanation{SourceID: source, Fields: slices.Collect(maps.Values(fields))})
		delete(n.pending, source)
		if len(list) == maxWritten {
			break
		}
	}
	return list
}

func (n *Notes) putBack(list []telemetry.Explanation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range list {
		fields := n.pending[e.SourceID]
		if fields == nil {
			fields = map[string]telemetry.Explained{}
			n.pending[e.SourceID] = fields
		}
		for _, f := range e.Fields {
			if _, newer := fields[f.Field]; !newer {
				fields[f.Field] = f
			}
		}
	}
}

// latest is what is not written yet of a source.
func (n *Notes) latest(source uuid.UUID) map[string]telemetry.Explained {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.pending[source])
}

// Explain says of each field of a reading of one of the actor's sources by which
// rule it came, as deliveries of its time were understood. Rule is "" for what came
// under its canonical name.
func (s *Service) Explain(ctx context.Context, who actor.Actor, reading telemetry.Reading) ([]telemetry.Explained, error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, reading.SourceID); err != nil {
		return nil, err
	}
	kept, err := s.d.Explanations.Explanation(ctx, reading.SourceID)
	if err != nil {
		return nil, err
	}
	known := make(map[string]telemetry.Explained, len(kept.Fields))
	for _, e := range kept.Fields {
		known[e.Field] = e
	}
	maps.Copy(known, s.d.Notes.latest(reading.SourceID))
	var list []telemetry.Explained
	for _, field := range reading.Fields() {
		e, ok := known[field]
		switch holds := ok && e.Rule != "" && reading.ReceivedAt.Sub(e.At) < freshFor+slack; {
		case holds:
			list = append(list, e)
		case field != "timestamp":
			list = append(list, telemetry.Explained{Field: field})
		}
	}
	return list, nil
}
