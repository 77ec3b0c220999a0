package job_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/job"
)

func begin() time.Time { return time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC) }

func newJob() job.Job { return job.New(uuid.New(), uuid.New(), uuid.New(), job.Import, begin()) }

func TestAJobGoesFromQueuedOverRunningToItsEndAndStaysThere(t *testing.T) {
	t.Parallel()
	j := newJob()
	if j.State != job.Queued || j.State.Final() {
		t.Fatalf("a new job is %s", j.State)
	}
	j.Finish(begin())
	if j.State != job.Queued {
		t.Fatal("a job that did not start was finished")
	}
	j.Start(begin().Add(time.Second))
	j.Advance(0.5, begin().Add(2*time.Second))
	j.Advance(0.2, begin().Add(3*time.Second))
	j.Advance(math.NaN(), begin().Add(3*time.Second))
	if j.State != job.Running || j.Progress != 0.5 || j.StartedAt == nil || !j.StartedAt.Equal(begin().Add(time.Second)) {
		t.Fatalf("got %+v", j)
	}
	j.Finish(begin().Add(4 * time.Second))
	j.Fail("too late", begin().Add(5*time.Second))
	j.Advance(0.1, begin().Add(5*time.Second))
	if j.State != job.Done || j.Progress != 1 || j.Failure != "" || !j.EndedAt.Equal(begin().Add(4*time.Second)) {
		t.Errorf("got %+v", j)
	}
}

func TestAJobOfWhichNothingIsHeardIsShownAsFailed(t *testing.T) {
	t.Parallel()
	j := newJob()
	j.Start(begin())
	j.Advance(0.3, begin().Add(10*time.Second))
	at := begin().Add(10*time.Second + job.Lease)
	if got := j.Seen(at); got.State != job.Running {
		t.Errorf("at the end of its lease it is %s", got.State)
	}
	got := j.Seen(at.Add(time.Millisecond))
	if got.State != job.Failed || got.Failure != job.Lost || got.EndedAt == nil || !got.EndedAt.Equal(at) || got.Progress != 0.3 {
		t.Errorf("after its lease it is %+v", got)
	}
	if j.State != job.Running {
		t.Error("looking at a job changed it")
	}
	j.Finish(begin())
	if got := j.Seen(at.Add(time.Hour)); got.State != job.Done {
		t.Errorf("a job that is done is %s an hour later", got.State)
	}
}

func TestWarningsAreCountedByTheirCode(t *testing.T) {
	t.Parallel()
	j := newJob()
	j.Warn("a", 2)
	j.Warn("b", 0)
	j.Warn("c", 1)
	j.Warn("a", 3)
	if len(j.Warnings) != 2 || j.Warnings[0] != (job.Warning{Code: "a", Count: 5}) || j.Warnings[1] != (job.Warning{Code: "c", Count: 1}) {
		t.Errorf("got %v", j.Warnings)
	}
}

func TestWhatIsKeptOfARowIsBoundedAndWholeCharacters(t *testing.T) {
	t.Parallel()
	r := job.Refused{Problem: job.Problem{Line: 7, Column: strings.Repeat("é", 400), Text: "short"}, Row: strings.Repeat("☀", 400)}.Bounded()
	if len(r.Column) != job.MaxText || len(r.Row) > job.MaxRow || len(r.Row) < job.MaxRow-3 || r.Text != "short" || r.Line != 7 {
		t.Errorf("got %d, %d, %q", len(r.Column), len(r.Row), r.Text)
	}
	if !utf8.ValidString(r.Column) || !utf8.ValidString(r.Row) {
		t.Error("a character was cut")
	}
}
