package kafka

import (
	"hash/fnv"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"

	"github.com/google/uuid"
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

// newDelivery encodes an entry. What fits into no record has its answer already.
func newDelivery(entry telemetry.Entry, done telemetry.Done, now time.Time) *delivery {
	d := &delivery{source: entry.SourceID, done: done, total: len(entry.Readings)}
	d.encode(entry, d.source[:], 0, len(entry.Readings), now)
	d.left = len(d.parts)
	return d
}

// encode makes records of the readings from, to, halving what is too large.
func (d *delivery) encode(entry telemetry.Entry, key []byte, from, to int, now time.Time) {
	for to-from > maxRecordReadings {
		d.encode(entry, key, from, from+maxRecordReadings, now)
		from += maxRecordReadings
	}
	value := telemetry.AppendEntry(nil, telemetry.Entry{SourceID: entry.SourceID, Readings: entry.Readings[from:to]})
	if len(value) <= maxRecordBytes {
		m := message{key: key, value: value}
		d.parts = append(d.parts, part{message: m, delivery: d, from: from, to: to, since: now})
		d.bytes += m.size()
		return
	}
	if to-from == 1 {
		d.refuse(from, to, fault.New(fault.TooLarge, "The reading takes %d bytes, %d are the most.", len(value), maxRecordBytes))
		return
	}
	half := from + (to-from)/2
	d.encode(entry, key, from, half, now)
	d.encode(entry, key, half, to, now)
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
