package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

var _ telemetry.Log = (*Log)(nil)

// prefetched is how many parts of partitions wait for Fetch, beside the one that
// it is reading and the answer that is being taken apart: with maxFetchBytes it
// bounds the memory.
const prefetched = 8

// Log is the reading end of the journal, a member of the writers' group: each
// partition is read by one member. What a member has fetched and not committed
// comes again to whoever gets the partition next, so that a reading may come
// twice; none is left out. Run must be running for Fetch to return anything.
type Log struct {
	cluster *Cluster
	outage  *outage
	chunks  chan *chunk
	stopped chan struct{} // closed when Run has ended
	// reading is a token that whoever fetches holds.
	reading chan struct{}

	mu      sync.Mutex
	started bool
	current *session // nil between two generations of the group

	// What Fetch has in hand, guarded by the token: the rest of a chunk, and the
	// record that did not fit into the last batch.
	rest *chunk
	kept *decoded
}

// Log returns a reading end.
func (c *Cluster) Log() *Log {
	l := &Log{
		cluster: c, outage: &outage{log: c.log, what: "log"},
		chunks: make(chan *chunk, prefetched), stopped: make(chan struct{}), reading: make(chan struct{}, 1),
	}
	l.reading <- struct{}{}
	return l
}

// chunk is a part of a partition as it was read.
type chunk struct {
	session   *session
	partition int32
	data      []byte
	records   []record
}

// record is one record of a chunk.
type record struct {
	offset   int64
	at       time.Time
	source   uuid.UUID // Nil when the key is none
	from, to int       // its value, in the chunk's data
	trace    string    // of the delivery that it came by, if that is traced
}

// decoded is a record that was read: its readings, or the reason why it can't be.
type decoded struct {
	session   *session
	partition int32
	offset    int64
	readings  []telemetry.Reading
	letter    *telemetry.DeadLetter
	trace     string
}

// Fetch returns the next batch, as telemetry.Log says. It may be called while
// earlier batches are not yet committed; their commits go in the same order. It
// returns a fault Unavailable once Run has ended.
func (l *Log) Fetch(ctx context.Context, max int, linger time.Duration) (telemetry.Batch, error) {
	select {
	case <-l.reading:
		defer func() { l.reading <- struct{}{} }()
	case <-ctx.Done():
		return telemetry.Batch{}, ctx.Err()
	}
	b := gathering{max: max}
	var late <-chan time.Time
	for {
		full := l.fill(&b)
		if full {
			return b.finish(), nil
		}
		if b.some() && late == nil {
			timer := time.NewTimer(linger)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case l.rest = <-l.chunks:
		case <-late:
			return b.finish(), nil
		case <-ctx.Done():
			if b.some() {
				return b.finish(), nil
			}
			return telemetry.Batch{}, ctx.Err()
		case <-l.stopped:
			if b.some() {
				return b.finish(), nil
			}
			return telemetry.Batch{}, stopping()
		}
	}
}

// fill moves records into the batch and reports whether it is full.
func (l *Log) fill(b *gathering) (full bool) {
	for {
		if l.kept == nil {
			l.kept = l.next()
		}
		if l.kept == nil {
			return false
		}
		if l.kept.session != l.session() {
			l.kept = nil // it comes again, perhaps to another member
			continue
		}
		if !b.add(l.kept) {
			return true
		}
		l.kept = nil
		if b.size() >= b.max {
			return true
		}
	}
}

// next decodes the next record in hand, or returns nil.
func (l *Log) next() *decoded {
	if l.rest == nil {
		return nil
	}
	if len(l.rest.records) == 0 || l.rest.session != l.session() {
		l.rest = nil
		return nil
	}
	r := l.rest.records[0]
	l.rest.records = l.rest.records[1:]
	return l.cluster.decode(l.rest, r)
}

func (c *Cluster) decode(from *chunk, r record) *decoded {
	d := &decoded{session: from.session, partition: from.partition, offset: r.offset, trace: r.trace}
	value := from.data[r.from:r.to]
	entry, err := telemetry.DecodeEntry(value)
	if err == nil {
		d.readings = entry.Readings
		return d
	}
	place := fmt.Sprintf("%s, partition %d, offset %d", c.topic(), from.partition, r.offset)
	raw := value[:min(len(value), telemetry.MaxRaw)]
	d.letter = &telemetry.DeadLetter{
		// The same record is the same letter when it comes again.
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(place)), SourceID: r.source, At: r.at, Origin: telemetry.FromJournal,
		Topic: place, Kind: telemetry.LetterUndecodable, Reason: err.Error(), Raw: append([]byte(nil), raw...), Size: len(value),
		Truncated: len(raw) < len(value),
	}
	return d
}

func (l *Log) session() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// gathering is a batch in the making, of one session.
type gathering struct {
	max     int
	session *session
	batch   telemetry.Batch
	until   map[int32]int64 // by partition, the offset behind the last record
}

func (b *gathering) some() bool { return b.until != nil }

func (b *gathering) size() int { return len(b.batch.Readings) + len(b.batch.Undecodable) }

// add puts a record into the batch, or reports that it does not fit.
func (b *gathering) add(d *decoded) bool {
	switch {
	case !b.some():
		b.session, b.until = d.session, map[int32]int64{}
	case d.session != b.session, b.size()+max(len(d.readings), 1) > b.max:
		return false
	}
	for i, r := range d.readings {
		b.batch.Readings = append(b.batch.Readings, telemetry.Placed{
			Reading:  r,
			Position: telemetry.Position{Partition: d.partition, Offset: d.offset, Index: int32(i)},
		})
	}
	if d.letter != nil {
		b.batch.Undecodable = append(b.batch.Undecodable, *d.letter)
	}
	if d.trace != "" && len(b.batch.Traces) < telemetry.MaxTraces {
		b.batch.Traces = append(b.batch.Traces, d.trace)
	}
	b.until[d.partition] = d.offset + 1
	return true
}

func (b *gathering) finish() telemetry.Batch {
	session, until := b.session, b.until
	session.handOut()
	b.batch.Commit = func(ctx context.Context) error {
		if err := session.commit(ctx, until); err != nil {
			return fmt.Errorf("committing the journal's position: %w", err)
		}
		return nil
	}
	return b.batch
}
