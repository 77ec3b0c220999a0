package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.Archive = (*Archive)(nil)

// Archive keeps readings in memory, one for each identity. The zero value is
// ready. Faults govern Write and, by ReadFaults, the rest.
type Archive struct {
	Faults
	// ReadFaults govern Latest, History and Erase.
	ReadFaults Faults

	mu      sync.Mutex
	sources map[uuid.UUID]map[int64]*telemetry.Placed
	writes  int
}

// Write stores readings and answers for each.
func (a *Archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	fate, err := a.begin(ctx)
	if err != nil {
		return all(len(readings), fault.Wrap(fault.Unavailable, err, "The archive did not answer in time."))
	}
	if fate.err != nil && !fate.stored {
		return all(len(readings), fate.err)
	}
	var errs []error
	for i, r := range readings {
		if err := a.judge(r.Reading); err != nil {
			if errs == nil {
				errs = make([]error, len(readings))
			}
			errs[i] = err
			continue
		}
		a.put(r)
	}
	if fate.err != nil {
		return all(len(readings), fate.err)
	}
	return errs
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (a *Archive) put(r telemetry.Placed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes++
	if a.sources == nil {
		a.sources = map[uuid.UUID]map[int64]*telemetry.Placed{}
	}
	rows := a.sources[r.SourceID]
	if rows == nil {
		rows = map[int64]*telemetry.Placed{}
		a.sources[r.SourceID] = rows
	}
	r.Reading = own(r.Reading)
	row := rows[r.Timestamp.UnixMilli()]
	switch {
	case row == nil:
		rows[r.Timestamp.UnixMilli()] = &r
	case r.Position.Partition == telemetry.Direct || r.Later(*row):
		row.Merge(r.Reading)
		row.Position = r.Position
	default:
		// An earlier one: what it brought and the row has stays. For a replay that is
		// everything.
		r.Merge(row.Reading)
		row.Reading = r.Reading
	}
}

// own is a copy that shares nothing that a caller may change.
func own(r telemetry.Reading) telemetry.Reading {
	r.Timestamp, r.ReceivedAt = telemetry.Truncate(r.Timestamp), telemetry.Truncate(r.ReceivedAt)
	r.Strings, r.Phases, r.Extra = slices.Clone(r.Strings), slices.Clone(r.Phases), maps.Clone(r.Extra)
	return r
}

// Latest returns the reading with the newest timestamp, or NotFound.
func (a *Archive) Latest(ctx context.Context, source uuid.UUID) (telemetry.Reading, error) {
	found, err := a.History(ctx, telemetry.Span{SourceID: source, Limit: 1})
	if err != nil {
		return telemetry.Reading{}, err
	}
	if len(found) == 0 {
		return telemetry.Reading{}, fault.New(fault.NotFound, "There is no reading yet.")
	}
	return found[0], nil
}

// Newest returns the newest reading of each source.
func (a *Archive) Newest(ctx context.Context, sources []uuid.UUID, since time.Time) ([]telemetry.Reading, error) {
	if fate, err := a.ReadFaults.begin(ctx); err != nil || fate.err != nil {
		return nil, fmt.Errorf("reading the newest: %w", cmpErr(err, fate.err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []telemetry.Reading
	for _, source := range sources {
		rows := a.sources[source]
		if len(rows) == 0 {
			continue
		}
		if newest := rows[slices.Max(slices.Collect(maps.Keys(rows)))]; !newest.Timestamp.Before(since) {
			found = append(found, own(newest.Reading))
		}
	}
	return found, nil
}

// History returns the readings of a span, merged by identity.
func (a *Archive) History(ctx context.Context, query telemetry.Span) ([]telemetry.Reading, error) {
	if fate, err := a.ReadFaults.begin(ctx); err != nil || fate.err != nil {
		return nil, fmt.Errorf("reading history: %w", cmpErr(err, fate.err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	rows := a.sources[query.SourceID]
	times := slices.Sorted(maps.Keys(rows))
	if query.Order == telemetry.NewestFirst {
		slices.Reverse(times)
	}
	var found []telemetry.Reading
	for _, ms := range times {
		r := rows[ms]
		if len(found) == query.Limit {
			break
		}
		if (query.From.IsZero() || !r.Timestamp.Before(query.From)) && (query.To.IsZero() || r.Timestamp.Before(query.To)) {
			found = append(found, own(r.Reading))
		}
	}
	return found, nil
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// Erase removes all readings of a source.
func (a *Archive) Erase(ctx context.Context, source uuid.UUID) error {
	if fate, err := a.ReadFaults.begin(ctx); err != nil || fate.err != nil {
		return fmt.Errorf("erasing readings: %w", cmpErr(err, fate.err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sources, source)
	return nil
}

// empty deletes a source's readings of a span.
func (a *Archive) empty(source uuid.UUID, from, to int64) (deleted int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for at := range a.sources[source] {
		if at >= from && at < to {
			delete(a.sources[source], at)
			deleted++
		}
	}
	return deleted
}

// Written is how many readings were stored, each delivery counted: more than are
// found when some came twice.
func (a *Archive) Written() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.writes
}

// Len is how many readings are found in all.
func (a *Archive) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, rows := range a.sources {
		n += len(rows)
	}
	return n
}
