// Package job is the domain of work that outlives the request that asked for it:
// how far it is, what it took and refused, and how it ended. What the work is, is
// elsewhere.
package job

import (
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// State is where a job is.
type State string

// The states. The last two are final.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Final reports whether nothing comes after the state.
func (s State) Final() bool { return s == Done || s == Failed }

// Kind says what a job does.
type Kind string

// Import brings a file's readings in.
const Import Kind = "import"

// Lease is how long a job is believed to be alive after its process spoke of it
// last.
const Lease = 30 * time.Second

// Bounds of what is kept of a job, and of how many jobs of an owner.
const (
	MaxFirstProblems = 20
	MaxRefused       = 1000
	MaxWarnings      = 20
	MaxText          = 300
	MaxRow           = 500
	MaxKept          = 100
)

// Lost is what is said of a job whose process ended.
const Lost = "The process that did the work ended before it was done. What it had taken by then is kept; start it again to take the rest: what is there already stays one reading."

// Job is one piece of work for an owner's source.
type Job struct {
	ID, OwnerID, SourceID uuid.UUID
	Kind                  Kind
	State                 State
	// Progress is from 0 to 1.
	Progress float64
	Counts   Counts
	Warnings []Warning
	// FirstProblems are the first of what was refused.
	FirstProblems []Problem
	// Failure is why a failed job failed, in a sentence.
	Failure   string
	CreatedAt time.Time
	// StartedAt and EndedAt are nil until then.
	StartedAt, EndedAt *time.Time
	// LeaseUntil is when a job that is not final is given up, unless it is spoken of
	// before.
	LeaseUntil time.Time
}

// Counts are of rows: Accepted, Rejected and Skipped (those without a value) add
// up to Rows.
type Counts struct{ Rows, Accepted, Rejected, Skipped int64 }

// Warning is something that was done otherwise than one may expect, and how often.
type Warning struct {
	Code  string
	Count int64
}

// Problem is why a row was refused: its line in the file, from 1, and the column
// where that is the matter of one.
type Problem struct {
	Line   int64
	Column string
	Text   string
}

// Refused is a row that was refused, with its text as far as it is kept.
type Refused struct {
	Problem
	Row string
}

// Bounded cuts the texts to what is kept.
func (r Refused) Bounded() Refused {
	r.Column, r.Text, r.Row = cut(r.Column, MaxText), cut(r.Text, MaxText), cut(r.Row, MaxRow)
	return r
}

// cut shortens a text to at most so many bytes of whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// New is a job that waits for its turn.
func New(id, owner, source uuid.UUID, kind Kind, now time.Time) Job {
	return Job{ID: id, OwnerID: owner, SourceID: source, Kind: kind, State: Queued, CreatedAt: now, LeaseUntil: now.Add(Lease)}
}

// Start begins the work. A job that is not queued stays as it is.
func (j *Job) Start(now time.Time) {
	if j.State == Queued {
		j.State, j.StartedAt = Running, &now
		j.Alive(now)
	}
}

// Alive renews the lease of a job that is not final.
func (j *Job) Alive(now time.Time) {
	if !j.State.Final() {
		j.LeaseUntil = now.Add(Lease)
	}
}

// Advance notes how far the work is; it never goes back.
func (j *Job) Advance(progress float64, now time.Time) {
	if !j.State.Final() && progress > j.Progress { // not a number is not more
		j.Progress = min(progress, 1)
	}
	j.Alive(now)
}

// Finish ends a running job well.
func (j *Job) Finish(now time.Time) {
	if j.State == Running {
		j.State, j.Progress, j.EndedAt = Done, 1, &now
	}
}

// Fail ends a job that is not final, with the reason.
func (j *Job) Fail(reason string, now time.Time) {
	if !j.State.Final() {
		j.State, j.Failure, j.EndedAt = Failed, cut(reason, MaxText), &now
	}
}

// Seen is the job as it is shown: one whose lease is over has failed, since its
// process is not there any more.
func (j Job) Seen(now time.Time) Job {
	if !j.State.Final() && now.After(j.LeaseUntil) {
		j.Fail(Lost, j.LeaseUntil)
	}
	return j
}

// Warn counts a warning.
func (j *Job) Warn(code string, count int64) {
	if count <= 0 {
		return
	}
	for i := range j.Warnings {
		if j.Warnings[i].Code == code {
			j.Warnings[i].Count += count
			return
		}
	}
	if len(j.Warnings) < MaxWarnings {
		j.Warnings = append(j.Warnings, Warning{code, count})
	}
}
