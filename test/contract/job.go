package contract

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/job"
)

// JobsRig is a job.Repository with what its jobs hang on.
type JobsRig struct {
	Jobs job.Repository
	// NewSource makes an owner with a source.
	NewSource func(t *testing.T) (owner, source uuid.UUID)
	// Delete deletes a source.
	Delete func(t *testing.T, owner, source uuid.UUID)
}

// Jobs runs what every job.Repository promises. open is called once.
func Jobs(t *testing.T, open func(t *testing.T) JobsRig) {
	t.Helper()
	rig := open(t)
	t.Run("a job comes back as it was saved", rig.comesBack)
	t.Run("another's job is not found by any way", rig.foreign)
	t.Run("pages show each job once, the newest first", rig.pages)
	t.Run("of an owner the newest are kept", rig.kept)
	t.Run("refused rows are added in order, and bounded", rig.refusals)
	t.Run("a source's jobs go with it", rig.gone)
}

func jobAt(owner, source uuid.UUID, second int) job.Job {
	return job.New(uuid.New(), owner, source, job.Import, instantOf(0).Add(time.Duration(second)*time.Second))
}

func (rig JobsRig) create(t *testing.T, j job.Job) {
	t.Helper()
	if err := rig.Jobs.Create(t.Context(), j); err != nil {
		t.Fatalf("creating a job: %v", err)
	}
}

func (rig JobsRig) comesBack(t *testing.T) {
	owner, source := rig.NewSource(t)
	j := jobAt(owner, source, 1)
	rig.create(t, j)
	got, err := rig.Jobs.Get(t.Context(), owner, j.ID)
	if err != nil || got.State != job.Queued || !got.CreatedAt.Equal(j.CreatedAt) || !got.LeaseUntil.Equal(j.LeaseUntil) || got.StartedAt != nil {
		t.Fatalf("a new job is %+v, %v", got, err)
	}
	j.Start(instantOf(1))
	j.Advance(0.25, instantOf(2))
	j.Counts = job.Counts{Rows: 10, Accepted: 6, Rejected: 3, Skipped: 1}
	j.Warn("nonexistentTime", 2)
	j.FirstProblems = []job.Problem{{Line: 7, Column: "power", Text: "is no number: \"ä\x00\""}}
	j.Fail("the disk is full", instantOf(3))
	if err := rig.Jobs.Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got, err = rig.Jobs.Get(t.Context(), owner, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != j.ID || got.SourceID != source || got.OwnerID != owner || got.Kind != job.Import || got.State != job.Failed ||
		got.Progress != 0.25 || got.Counts != j.Counts || got.Failure != j.Failure || !reflect.DeepEqual(got.Warnings, j.Warnings) ||
		len(got.FirstProblems) != 1 || got.FirstProblems[0].Line != 7 || !got.StartedAt.Equal(*j.StartedAt) || !got.EndedAt.Equal(*j.EndedAt) {
		t.Errorf("got %+v, want %+v", got, j)
	}
}

func (rig JobsRig) foreign(t *testing.T) {
	owner, source := rig.NewSource(t)
	other, _ := rig.NewSource(t)
	j := jobAt(owner, source, 1)
	rig.create(t, j)
	if _, err := rig.Jobs.Get(t.Context(), other, j.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another gets the job: %v", err)
	}
	if _, err := rig.Jobs.Refused(t.Context(), other, j.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another gets its refused rows: %v", err)
	}
	if list, err := rig.Jobs.List(t.Context(), other, 10, nil); err != nil || len(list) != 0 {
		t.Errorf("another's list has %v, %v", list, err)
	}
	if err := rig.Jobs.Save(t.Context(), jobAt(owner, source, 2)); !fault.Is(err, fault.NotFound) {
		t.Errorf("saving a job that was not created: %v", err)
	}
}

func (rig JobsRig) pages(t *testing.T) {
	owner, source := rig.NewSource(t)
	for i := range 11 {
		rig.create(t, jobAt(owner, source, i/2)) // two of a moment
	}
	all, err := rig.Jobs.List(t.Context(), owner, 100, nil)
	if err != nil || len(all) != 11 {
		t.Fatalf("the list has %d, %v", len(all), err)
	}
	for _, limit := range []int{1, 3, 11} {
		var seen []job.Job
		var after *job.Place
		for len(seen) <= len(all) {
			page, err := rig.Jobs.List(t.Context(), owner, limit, after)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			seen = append(seen, page...)
			after = &job.Place{CreatedAt: seen[len(seen)-1].CreatedAt, ID: seen[len(seen)-1].ID}
		}
		if len(seen) != len(all) {
			t.Fatalf("pages of %d show %d", limit, len(seen))
		}
		for i := range seen {
			if seen[i].ID != all[i].ID || i > 0 && seen[i].CreatedAt.After(seen[i-1].CreatedAt) {
				t.Errorf("pages of %d: %d is another, or not in order", limit, i)
			}
		}
	}
}

func (rig JobsRig) kept(t *testing.T) {
	owner, source := rig.NewSource(t)
	other, theirs := rig.NewSource(t)
	rig.create(t, jobAt(other, theirs, -5))
	oldest := jobAt(owner, source, -1)
	rig.create(t, oldest)
	for i := range job.MaxKept {
		rig.create(t, jobAt(owner, source, i))
	}
	list, err := rig.Jobs.List(t.Context(), owner, 2*job.MaxKept, nil)
	if err != nil || len(list) != job.MaxKept {
		t.Errorf("%d are kept, %v", len(list), err)
	}
	if _, err := rig.Jobs.Get(t.Context(), owner, oldest.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the oldest is still there: %v", err)
	}
	if list, err := rig.Jobs.List(t.Context(), other, 10, nil); err != nil || len(list) != 1 {
		t.Errorf("of another %d are kept, %v", len(list), err)
	}
}

func (rig JobsRig) refusals(t *testing.T) {
	owner, source := rig.NewSource(t)
	j := jobAt(owner, source, 1)
	rig.create(t, j)
	if got, err := rig.Jobs.Refused(t.Context(), owner, j.ID); err != nil || len(got) != 0 {
		t.Fatalf("a new job refused %v, %v", got, err)
	}
	line := int64(0)
	for _, n := range []int{1, 250, 0, job.MaxRefused} {
		rows := make([]job.Refused, n)
		for i := range rows {
			line++
			rows[i] = job.Refused{Problem: job.Problem{Line: line, Column: "power", Text: "is no number"}, Row: fmt.Sprint("row,", line)}
		}
		if err := rig.Jobs.Save(t.Context(), j, rows...); err != nil {
			t.Fatal(err)
		}
	}
	got, err := rig.Jobs.Refused(t.Context(), owner, j.ID)
	if err != nil || len(got) != job.MaxRefused {
		t.Fatalf("%d refused rows, %v", len(got), err)
	}
	for i, r := range got {
		want := job.Refused{Problem: job.Problem{Line: int64(i) + 1, Column: "power", Text: "is no number"}, Row: fmt.Sprint("row,", i+1)}
		if r != want {
			t.Fatalf("row %d is %+v", i, r)
		}
	}
}

func (rig JobsRig) gone(t *testing.T) {
	owner, source := rig.NewSource(t)
	j := jobAt(owner, source, 1)
	rig.create(t, j)
	if err := rig.Jobs.Save(t.Context(), j, job.Refused{Row: "x"}); err != nil {
		t.Fatal(err)
	}
	rig.Delete(t, owner, source)
	if _, err := rig.Jobs.Get(t.Context(), owner, j.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the job is still there: %v", err)
	}
	if err := rig.Jobs.Save(t.Context(), j); !fault.Is(err, fault.NotFound) {
		t.Errorf("a job that is gone was saved: %v", err)
	}
}
