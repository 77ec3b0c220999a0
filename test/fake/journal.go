package fake

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var (
	_ telemetry.Journal = (*Journal)(nil)
	_ telemetry.Log     = (*Log)(nil)
)

// Journal is a journal in memory with a few partitions. What it holds passes
// through the journal's encoding. Faults govern Append: a planned error is what
// done gets, a refused reading is answered one by one.
type Journal struct {
	Faults

	partitions int
	mu         sync.Mutex
	records    [][][]byte // by partition and offset
	committed  []int64    // by partition, what a new Log begins with
	grown      chan struct{}
	away       error
}

// NewJournal returns an empty journal of so many partitions.
func NewJournal(partitions int) *Journal {
	return &Journal{
		partitions: partitions,
		records:    make([][][]byte, partitions),
		committed:  make([]int64, partitions),
		grown:      make(chan struct{}),
	}
}

// GoAway makes every Append return err at once; nil brings the journal back.
func (j *Journal) GoAway(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.away = err
}

// Append stores the entry and calls done from another goroutine.
func (j *Journal) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	away := j.away
	j.mu.Unlock()
	if away != nil {
		return away
	}
	go func() {
		fate, err := j.begin(context.WithoutCancel(ctx))
		if err == nil && (fate.err == nil || fate.stored) {
			errs, err := j.store(entry)
			if fate.err == nil {
				done(err, errs)
				return
			}
		}
		done(cmpErr(err, fate.err), nil)
	}()
	return nil
}

// store keeps the readings that are not refused.
func (j *Journal) store(entry telemetry.Entry) (errs []error, first error) {
	kept := telemetry.Entry{SourceID: entry.SourceID}
	for i, r := range entry.Readings {
		err := j.judge(r)
		if err == nil {
			kept.Readings = append(kept.Readings, r)
			continue
		}
		if errs == nil {
			errs = make([]error, len(entry.Readings))
			first = err
		}
		errs[i] = err
	}
	if len(kept.Readings) > 0 {
		partition := int(binary.BigEndian.Uint16(entry.SourceID[:])) % j.partitions
		j.AppendRaw(partition, telemetry.AppendEntry(nil, kept))
	}
	return errs, first
}

// AppendRaw puts a record of any bytes into a partition.
func (j *Journal) AppendRaw(partition int, record []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records[partition] = append(j.records[partition], record)
	close(j.grown)
	j.grown = make(chan struct{})
}

// OpenLog returns a reader that begins where the last Commit ended, as a process
// does that starts.
func (j *Journal) OpenLog() *Log {
	j.mu.Lock()
	defer j.mu.Unlock()
	next := make([]int64, j.partitions)
	copy(next, j.committed)
	return &Log{journal: j, next: next}
}

// Log reads a Journal. Faults govern Fetch, CommitFaults the batches' Commit.
type Log struct {
	Faults
	CommitFaults Faults

	journal *Journal
	next    []int64 // guarded by journal.mu
}

// Fetch returns the next batch, and fails as planned.
func (l *Log) Fetch(ctx context.Context, max int, linger time.Duration) (telemetry.Batch, error) {
	fate, err := l.begin(ctx)
	if err != nil {
		return telemetry.Batch{}, err
	}
	if fate.err != nil {
		return telemetry.Batch{}, fate.err
	}
	var batch telemetry.Batch
	var late <-chan time.Time
	for {
		grown := l.take(&batch, max)
		some := len(batch.Readings)+len(batch.Undecodable) > 0
		if len(batch.Readings) >= max {
			break
		}
		if some && late == nil {
			timer := time.NewTimer(linger)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-grown:
			continue
		case <-late:
		case <-ctx.Done():
			if !some {
				return telemetry.Batch{}, ctx.Err()
			}
		}
		break
	}
	until := l.position()
	batch.Commit = func(ctx context.Context) error { return l.commit(ctx, until) }
	return batch, nil
}

// take moves records into the batch and returns what says that there are more.
func (l *Log) take(batch *telemetry.Batch, max int) <-chan struct{} {
	j := l.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	for p := range j.partitions {
		for l.next[p] < int64(len(j.records[p])) && len(batch.Readings) < max {
			offset := l.next[p]
			l.next[p]++
			place(batch, int32(p), offset, j.records[p][offset])
		}
	}
	return j.grown
}

func place(batch *telemetry.Batch, partition int32, offset int64, record []byte) {
	entry, err := telemetry.DecodeEntry(record)
	if err != nil {
		batch.Undecodable = append(batch.Undecodable, telemetry.DeadLetter{
			ID:     uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "journal/%d/%d", partition, offset)),
			At:     time.Unix(0, 0).UTC(),
			Origin: "journal", Topic: fmt.Sprintf("partition %d, offset %d", partition, offset),
			Reason: err.Error(), Raw: record,
		})
		return
	}
	for i, r := range entry.Readings {
		batch.Readings = append(batch.Readings, telemetry.Placed{
			Reading:  r,
			Position: telemetry.Position{Partition: partition, Offset: offset, Index: int32(i)},
		})
	}
}

func (l *Log) position() []int64 {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	return append([]int64(nil), l.next...)
}

func (l *Log) commit(ctx context.Context, until []int64) error {
	fate, err := l.CommitFaults.begin(ctx)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The journal did not answer in time.")
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	for p, offset := range until {
		l.journal.committed[p] = max(l.journal.committed[p], offset)
	}
	return fate.err
}
