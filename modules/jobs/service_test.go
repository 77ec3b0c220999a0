package jobs_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/job"
	"ampra/modules/jobs"
	"ampra/test/fake"
)

func begin() time.Time { return time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC) }

func somebody() actor.Actor { return actor.Actor{UserID: uuid.New(), Role: actor.User} }

func TestAJobWhoseProcessIsGoneIsShownAsFailedAfterItsLease(t *testing.T) {
	t.Parallel()
	kept, clock, who := &fake.Jobs{}, fake.NewClock(begin()), somebody()
	service := jobs.New(jobs.Deps{Jobs: kept, Clock: clock})
	j := job.New(uuid.New(), who.UserID, uuid.New(), job.Import, begin())
	j.Start(begin())
	if err := kept.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  job.State
	}{{0, job.Running}, {job.Lease, job.Running}, {time.Millisecond, job.Failed}} {
		clock.Advance(c.after)
		got, err := service.Get(t.Context(), who, j.ID)
		if err != nil || got.State != c.want || (got.Failure == job.Lost) != (c.want == job.Failed) {
			t.Errorf("at %s it is %+v, %v", clock.Now(), got, err)
		}
		page, err := service.List(t.Context(), who, jobs.Ask{Limit: 10})
		if err != nil || len(page.Jobs) != 1 || page.Jobs[0].State != c.want {
			t.Errorf("at %s the list is %+v, %v", clock.Now(), page, err)
		}
	}
	if _, err := service.Get(t.Context(), somebody(), j.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another sees it: %v", err)
	}
	if _, err := service.Refused(t.Context(), somebody(), j.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another sees what it refused: %v", err)
	}
}

func TestWrongParametersAreNamed(t *testing.T) {
	t.Parallel()
	service := jobs.New(jobs.Deps{Jobs: &fake.Jobs{}, Clock: fake.NewClock(begin())})
	for _, ask := range []jobs.Ask{{Limit: 0}, {Limit: jobs.MaxLimit + 1}, {Limit: 1, Cursor: "x"}, {Limit: 1, Cursor: "AAAAAAAAAAA"}} {
		if _, err := service.List(t.Context(), somebody(), ask); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}
