package sqldb

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/live"
	"ampra/test/contract"
	"ampra/test/stack"
)

func TestTheLiveBusKeepsItsContract(t *testing.T) {
	t.Parallel()
	url := stack.Postgres(t)
	contract.LiveBus(t, func(t *testing.T) live.Bus {
		t.Helper()
		db, err := OpenPostgres(url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return NewLiveBus(db, LiveBusDeps{Log: quiet().Log})
	})
}

func TestListeningBeginsAnewAfterTheConnectionWasCut(t *testing.T) {
	t.Parallel()
	db, err := OpenPostgres(stack.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	bus := NewLiveBus(db, LiveBusDeps{Log: quiet().Log})
	began, heard := make(chan struct{}, 10), make(chan live.Event, 10)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { ended <- bus.Listen(ctx, func() { began <- struct{}{} }, func(e live.Event) { heard <- e }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-began
	if _, err := db.write.ExecContext(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ampra live' and datname = current_database()"); err != nil {
		t.Fatal(err)
	}
	<-began
	e := live.Event{Kind: live.JobMoved, SourceID: uuid.New(), Job: &live.JobProgress{JobID: uuid.New(), State: "done", Progress: 1}}
	if err := bus.Send(t.Context(), []live.Event{e}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got.SourceID != e.SourceID {
		t.Errorf("heard %+v, want %+v", got, e)
	}
}

func FuzzReadingANoticeNeverPanicsAndIsStable(f *testing.F) {
	sample, err := encodeNotice(live.Event{Kind: live.StateChanged, SourceID: uuid.New(), State: &device.Change{Since: time.Unix(5, 0)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	f.Add(`{"k":"attempt","a":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := decodeNotice(text)
		if err != nil || strings.ContainsRune(text, '\uFFFD') {
			return
		}
		again, err := encodeNotice(e)
		if err != nil {
			return // a time beyond what RFC 3339 can say
		}
		if _, err := decodeNotice(string(again)); err != nil {
			t.Errorf("%q becomes %q, which can't be read: %v", text, again, err)
		}
	})
}
