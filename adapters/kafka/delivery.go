package kafka

import (
	"bytes"
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Bounds of a record, and of what one request brings to a partition. A batch,
// compressed or not, is at most 1 MiB to a broker that is set up as it comes.
const (
	maxRecordReadings = 500
	maxRecordBytes    = 512 << 10
	maxBatchRecords   = 10_000
	maxBatchBytes     = 900 << 10
)

// delivery is an entry on its way, as one record or several.
type delivery struct {
	source uuid.UUID
	done   telemetry.Done
	parts  []part
	// left counts the parts without an answer. It and errs are guarded by the
	// journal's lock.
	left  int
	total int // readings
	errs  []error
	bytes int
}

// part is a record of a delivery.
type part struct {
	message
	delivery *delivery
	// from and to are the readings of the entry that the record holds.
	from, to int
	since    time.Time
}

// encoder makes deliveries, and keeps the buffer that it encodes in: a record is
// copied out of it once its size is known.
type encoder struct{ buffer []byte }

// delivery encodes an entry. What fits into no record has its answer already.
func (e *encoder) delivery(entry telemetry.Entry, done telemetry.Done, now time.Time) *delivery {
	d := &delivery{source: entry.SourceID, done: done, total: len(entry.Readings)}
	e.encode(d, entry, 0, len(entry.Readings), now)
	if cap(e.buffer) > 2*maxRecordBytes {
		e.buffer = nil
	}
	d.left = len(d.parts)
	return d
}

// encode makes records of the readings from, to, halving what is too large.
func (e *encoder) encode(d *delivery, entry telemetry.Entry, from, to int, now time.Time) {
	for to-from > maxRecordReadings {
		e.encode(d, entry, from, from+maxRecordReadings, now)
		from += maxRecordReadings
	}
	e.buffer = telemetry.AppendEntry(e.buffer[:0], telemetry.Entry{SourceID: d.source, Readings: entry.Readings[from:to]})
	size := len(e.buffer)
	switch {
	case size <= maxRecordBytes:
		m := message{key: d.source[:], value: bytes.Clone(e.buffer), trace: entry.Trace}
		d.parts = append(d.parts, part{message: m, delivery: d, from: from, to: to, since: now})
		d.bytes += m.size()
	case to-from == 1:
		d.refuse(from, to, fault.New(fault.TooLarge, "The reading takes %d bytes, %d are the most.", size, maxRecordBytes))
	default:
		half := from + (to-from)/2
		e.encode(d, entry, from, half, now)
		e.encode(d, entry, half, to, now)
	}
}

// refuse notes the error of some readings.
func (d *delivery) refuse(from, to int, err error) {
	if d.errs == nil {
		d.errs = make([]error, d.total)
	}
	for i := from; i < to; i++ {
		d.errs[i] = err
	}
}

// answer calls done. To be called when no part is left, without a lock.
func (d *delivery) answer() {
	for _, err := range d.errs {
		if err != nil {
			d.done(err, d.errs)
			return
		}
	}
	d.done(nil, nil)
}

// partitionOf is the partition of a source: FNV-1a of its id. Another way would
// move every source.
func partitionOf(source uuid.UUID, partitions int) int32 {
	hash := fnv.New32a()
	_, _ = hash.Write(source[:])                    // it never fails
	return int32(hash.Sum32() % uint32(partitions)) //nolint:gosec // below partitions
}
