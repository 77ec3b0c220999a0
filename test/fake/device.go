package fake

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/sunsource"
)

var (
	_ device.Book     = (*Devices)(nil)
	_ device.Watch    = (*Devices)(nil)
	_ device.Statuses = (*Devices)(nil)
	_ device.Fleet    = (*Devices)(nil)
)

// Devices keeps the states of devices in memory.
type Devices struct {
	Faults
	r *Records
}

// known is a device's row.
type knownDevice struct {
	device.Status
	checkAt time.Time
	powers  device.Powers
}

// deviceTables are the tables of devices.
type deviceTables struct {
	known     map[uuid.UUID]knownDevice
	changes   map[uuid.UUID][]device.Change // in order
	listeners map[uuid.UUID]device.Listener
}

func (t deviceTables) clone() deviceTables {
	return deviceTables{maps.Clone(t.known), maps.Clone(t.changes), maps.Clone(t.listeners)}
}

func (t *tables) changed(c device.Change) {
	t.devices.changes[c.SourceID] = append(slices.Clone(t.devices.changes[c.SourceID]), c)
}

// Hear stores what was heard.
func (s *Devices) Hear(ctx context.Context, heard []device.Heard) ([]device.Change, error) {
	var changes []device.Change
	err := s.r.write(ctx, &s.Faults, func(t *tables) error {
		for _, h := range heard {
			had, ok := t.devices.known[h.SourceID]
			if _, alive := t.sources[h.SourceID]; !alive || ok && !h.LastSeenAt.After(had.LastSeenAt) {
				continue
			}
			now := knownDevice{Status: had.Status, checkAt: instant(h.CheckAt), powers: h.Powers}
			now.SourceID, now.LastSeenAt, now.Pulse = h.SourceID, instant(h.LastSeenAt), h.Pulse
			if !ok || h.Online && had.State != device.Online {
				now.State, now.Since = device.Online, instant(h.FirstAt)
				if next := had.Since.Add(time.Millisecond); ok && next.After(now.Since) {
					now.Since = next
				}
				c := device.Change{SourceID: h.SourceID, State: device.Online, Since: now.Since, Was: cmp.Or(had.State, device.Unknown)}
				changes = append(changes, c)
				t.changed(c)
			}
			t.devices.known[h.SourceID] = now
		}
		return nil
	})
	return changes, err
}

// Load returns the statuses of those that were heard before.
func (s *Devices) Load(ctx context.Context, sources []uuid.UUID) ([]device.Status, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]device.Status, error) {
		var list []device.Status
		for _, id := range sources {
			if known, ok := t.devices.known[id]; ok {
				list = append(list, known.Status)
			}
		}
		return list, nil
	})
}

// Listening notes what a process hears.
func (s *Devices) Listening(ctx context.Context, l device.Listener) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		t.devices.listeners[l.Process] = device.Listener{Process: l.Process, Since: instant(l.Since), HeardAt: instant(l.HeardAt)}
		return nil
	})
}

// Sweep has judge decide about devices whose state time may have changed.
func (s *Devices) Sweep(ctx context.Context, now time.Time, limit int, judge func(device.Due) device.Verdict) ([]device.Change, int, error) {
	var changes []device.Change
	judged := 0
	err := s.r.write(ctx, &s.Faults, func(t *tables) error {
		var asOf, listening time.Time
		for _, l := range t.devices.listeners {
			if !l.HeardAt.After(now.Add(-device.MaxPause)) {
				continue
			}
			if asOf.IsZero() || l.HeardAt.Before(asOf) {
				asOf = l.HeardAt
			}
			if listening.IsZero() || l.Since.Before(listening) {
				listening = l.Since
			}
		}
		if asOf.IsZero() {
			return nil
		}
		if asOf.After(now) {
			asOf = instant(now)
		}
		due := slices.SortedFunc(maps.Values(t.devices.known), func(a, b knownDevice) int { return a.checkAt.Compare(b.checkAt) })
		for _, d := range due {
			if d.checkAt.IsZero() || d.checkAt.After(asOf) || judged == limit {
				continue
			}
			judged++
			source := t.sources[d.SourceID]
			one := device.Due{Status: d.Status, AsOf: asOf, Listening: listening}
			if source.Latitude != nil && source.Longitude != nil {
				one.Site = device.Site{Latitude: *source.Latitude, Longitude: *source.Longitude, Known: true}
			}
			verdict := judge(one)
			if verdict.State != d.State {
				since := asOf
				if next := d.Since.Add(time.Millisecond); next.After(since) {
					since = next
				}
				c := device.Change{SourceID: d.SourceID, State: verdict.State, Since: since, Was: d.State}
				changes = append(changes, c)
				t.changed(c)
				d.Since = since
			}
			d.State, d.checkAt = verdict.State, verdict.CheckAt
			if !d.checkAt.IsZero() {
				d.checkAt = instant(d.checkAt)
			}
			t.devices.known[d.SourceID] = d
		}
		return nil
	})
	return changes, judged, err
}

// Prune shortens the history.
func (s *Devices) Prune(ctx context.Context, now time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		for id, list := range t.devices.changes {
			list = slices.DeleteFunc(slices.Clone(list), func(c device.Change) bool { return c.Since.Before(now.Add(-device.MaxAge)) })
			t.devices.changes[id] = list[max(0, len(list)-device.MaxChanges):]
		}
		return nil
	})
}

// state is a source's.
func (t *tables) state(source uuid.UUID) device.Status {
	if known, ok := t.devices.known[source]; ok {
		return known.Status
	}
	return device.Status{SourceID: source, State: device.Unknown}
}

// Counts returns how many sources there are in each state.
func (s *Devices) Counts(ctx context.Context) (map[device.State]int, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (map[device.State]int, error) {
		counts := map[device.State]int{}
		for id := range t.sources {
			counts[t.state(id).State]++
		}
		return counts, nil
	})
}

// Status returns a source's.
func (s *Devices) Status(ctx context.Context, source uuid.UUID) (device.Status, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (device.Status, error) { return t.state(source), nil })
}

// Changes returns a part of the history, the newest first.
func (s *Devices) Changes(ctx context.Context, source uuid.UUID, stretch device.Stretch) ([]device.Change, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]device.Change, error) {
		list := t.devices.changes[source]
		var part []device.Change
		for i, c := range list {
			over := i+1 < len(list) && !list[i+1].Since.After(stretch.From)
			if over || !stretch.To.IsZero() && !c.Since.Before(stretch.To) {
				continue
			}
			part = append(part, c)
		}
		slices.Reverse(part)
		return part[:min(len(part), stretch.Limit)], nil
	})
}

// Search returns those of the owner's sources that a query asks for.
func (s *Devices) Search(ctx context.Context, owner uuid.UUID, query device.Query) ([]device.Listed, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]device.Listed, error) {
		list := []device.Listed{}
		for id := range t.sources {
			source, err := t.source(owner, id)
			if err != nil {
				continue
			}
			status := t.state(id)
			status.Pulse = device.Pulse{}
			one := device.Listed{SunSource: source, Status: status}
			if !query.Matches(source, status.State) || query.After != nil && inQueryOrder(query, query.PlaceOf(one), *query.After) <= 0 {
				continue
			}
			list = append(list, one)
		}
		slices.SortFunc(list, func(a, b device.Listed) int { return inQueryOrder(query, query.PlaceOf(a), query.PlaceOf(b)) })
		if query.Limit > 0 {
			list = list[:min(query.Limit, len(list))]
		}
		return list, nil
	})
}

func inQueryOrder(query device.Query, a, b device.Place) int {
	order := cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Text, b.Text), bytes.Compare(a.ID[:], b.ID[:]))
	if query.Descending {
		return -order
	}
	return order
}

// Overview sums up all of the owner's sources.
func (s *Devices) Overview(ctx context.Context, owner uuid.UUID) (device.Overview, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (device.Overview, error) {
		o := device.Overview{States: map[device.State]int{}}
		for id, source := range t.sources {
			if source.OwnerID != owner {
				continue
			}
			state := t.state(id).State
			o.Sources++
			o.States[state]++
			for f, watts := range t.devices.known[id].powers {
				if state == device.Online && watts != nil {
					o.Powers[f] += *watts
					o.PowerSources[f]++
				}
			}
		}
		return o, nil
	})
}

// forget drops what is known of a source that is gone.
func (t deviceTables) forget(s sunsource.SunSource) {
	delete(t.known, s.ID)
	delete(t.changes, s.ID)
}
