package imports

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/core/job"
	"ampra/core/live"
	"ampra/core/telemetry"
)

// batch is how many readings are given to the journal at a time: few, so that
// nobody waits long behind them.
const batch = 250

// saveEvery is how often a job's progress is written down and told.
const saveEvery = time.Second

// task is a job with what it works on.
type task struct {
	s       *Service
	upload  *Upload
	file    File
	size    int64
	options csvimport.Options

	// mu guards the job and what it refused since it was saved last.
	mu      sync.Mutex
	job     job.Job
	refused []job.Refused
	// kept is how many refused rows were saved, gone is set when the job is not
	// there any more.
	kept int
	gone bool

	read    int64 // bytes of the file
	savedAt time.Time
	// pending are readings for the journal, with the lines of their rows; 0 for those
	// of intervals.
	pending []telemetry.Reading
	lines   []int64
}

// errGone says that the job, and with it its source, was deleted.
var errGone = errors.New("the source was deleted")

// work does the job.
func (t *task) work(ctx context.Context) {
	t.save(ctx, func(j *job.Job, now time.Time) { j.Start(now) })
	err := t.bringIn(ctx)
	t.close(ctx, func(j *job.Job, now time.Time) {
		switch {
		case err == nil:
			j.Finish(now)
		case ctx.Err() != nil:
			j.Fail(stoppedText, now)
		default:
			j.Fail(shown(err), now)
		}
	})
	if err != nil && ctx.Err() == nil && fault.CodeOf(err) == fault.Internal && !errors.Is(err, errGone) {
		t.s.d.Failed(fmt.Errorf("import %s: %w", t.job.ID, err))
	}
}

// shown is what an owner is told of an error.
func shown(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code != fault.Internal {
		if len(e.Fields) > 0 {
			return (&fault.Error{Code: e.Code, Message: e.Message, Fields: e.Fields}).Error()
		}
		return e.Message
	}
	return "Something went wrong on the server."
}

// close ends the job and gives back what it held.
func (t *task) close(ctx context.Context, end func(*job.Job, time.Time)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	t.save(ctx, end)
	t.upload.Close()
	if err := t.file.Close(); err != nil {
		t.s.d.Failed(fmt.Errorf("closing an upload: %w", err))
	}
}

// save changes the job, writes it down and tells who listens.
func (t *task) save(ctx context.Context, change func(*job.Job, time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.s.d.Clock.Now()
	change(&t.job, now)
	err := t.s.d.Jobs.Save(ctx, t.job, t.refused...)
	switch {
	case err == nil:
		t.refused = nil
	case fault.Is(err, fault.NotFound):
		t.gone = true
		return
	default: // it is tried again with the next
		if ctx.Err() == nil {
			t.s.d.Failed(fmt.Errorf("import %s: %w", t.job.ID, err))
		}
		return
	}
	if t.s.d.Events != nil {
		t.s.d.Events.Publish(ctx, live.Event{
			Kind: live.JobMoved, SourceID: t.job.SourceID, At: now,
			Job: &live.JobProgress{JobID: t.job.ID, State: string(t.job.State), Progress: t.job.Progress},
		})
	}
}

// Read counts what was read of the file.
func (t *task) Read(p []byte) (int, error) {
	n, err := t.file.Read(p)
	t.read += int64(n)
	return n, err
}

// Seek goes to a place in the file.
func (t *task) Seek(offset int64, whence int) (int64, error) { return t.file.Seek(offset, whence) }

// bringIn reads the file and stores its readings.
func (t *task) bringIn(ctx context.Context) error {
	t.savedAt = t.s.d.Clock.Now()
	table, err := t.upload.table(ctx, t, t.options, t.job.CreatedAt)
	if err != nil {
		return err
	}
	if err := t.rows(ctx, table); err != nil {
		return err
	}
	if err := t.hand(ctx); err != nil {
		return err
	}
	err = t.intervals(ctx, table.Intervals())
	t.mu.Lock()
	t.job.Warnings = warn(t.job.Warnings, table)
	t.mu.Unlock()
	return err
}

// rows stores what stands at the rows' own times.
func (t *task) rows(ctx context.Context, table *csvimport.Table) error {
	for {
		row, more, err := next(table)
		if err != nil || !more {
			return err
		}
		t.note(row)
		if row.Problem != "" || row.Empty || row.Reading.IsEmpty() {
			if t.due() {
				if err := t.progress(ctx, 0); err != nil {
					return err
				}
			}
			continue
		}
		line := row.Line
		if row.Interval {
			line = 0 // it is counted with its interval
		}
		t.pending, t.lines = append(t.pending, row.Reading), append(t.lines, line)
		if len(t.pending) == batch {
			if err := t.hand(ctx); err != nil {
				return err
			}
		}
	}
}

// note counts a row and keeps it if it is refused.
func (t *task) note(row csvimport.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	count(&t.job, row)
	if row.Problem != "" {
		t.refuse(job.Refused{Problem: job.Problem{Line: row.Line, Column: row.Column, Text: row.Problem}, Row: string(row.Text[:min(len(row.Text), job.MaxRow)])})
	}
}

func (t *task) refuse(r job.Refused) {
	if t.kept < job.MaxRefused {
		t.kept++
		t.refused = append(t.refused, r.Bounded())
	}
}

// hand gives the pending readings to the journal and waits until they are
// durable.
func (t *task) hand(ctx context.Context) error {
	n := len(t.pending)
	if n == 0 {
		return nil
	}
	errs, err := t.store(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	for i, line := range t.lines {
		switch {
		case errs != nil && errs[i] != nil && line > 0:
			t.job.Counts.Rejected++
			t.refuse(job.Refused{Problem: job.Problem{Line: line, Text: "it can't be stored"}})
		case line > 0:
			t.job.Counts.Accepted++
		}
	}
	t.mu.Unlock()
	t.s.stored.Add(int64(n))
	// The journal may hold on to what it has: it gets memory of its own.
	t.pending, t.lines = make([]telemetry.Reading, 0, batch), t.lines[:0]
	if t.due() {
		if err := t.progress(ctx, 0); err != nil {
			return err
		}
	}
	return t.s.pace.after(ctx, n)
}

// store stores the pending readings, again as long as the journal is away.
func (t *task) store(ctx context.Context) ([]error, error) {
	began := t.s.d.Clock.Now()
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		errs, err := t.s.d.Ingest.Store(ctx, t.upload.owner, t.upload.source.ID, t.pending)
		if err == nil || !fault.Passing(err) || ctx.Err() != nil {
			return errs, err
		}
		if t.s.d.Clock.Now().Sub(began) > t.s.cfg.Patience {
			return nil, fault.Wrap(fault.Unavailable, err, "The store was away for too long. What was taken by then is kept; start it again to take the rest.")
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (t *task) due() bool { return t.s.d.Clock.Now().Sub(t.savedAt) >= saveEvery }

// progress writes down how far the job is; of the intervals so many of all are
// stored.
func (t *task) progress(ctx context.Context, share float64) error {
	t.savedAt = t.s.d.Clock.Now()
	whole := float64(t.read) / float64(max(1, t.size))
	if t.options.Interval != "" { // reading is quick, storing is not
		whole *= 0.2
	}
	t.save(ctx, func(j *job.Job, now time.Time) { j.Advance(min(0.99, whole+0.8*share), now) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return errGone
	}
	return ctx.Err()
}
