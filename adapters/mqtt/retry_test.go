package mqtt

import (
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// trial is a message of QoS 1 under a name.
func trial(name string) *message {
	return &message{Publish: &paho.Publish{QoS: 1, Topic: name}}
}

func TestOneFailureHoldsUpItsOwnMessageAlone(t *testing.T) {
	t.Parallel()
	r, now, bad := retries{least: time.Second, most: time.Minute}, time.Now(), trial("bad")
	for attempt, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		want := time.Duration(want) * time.Second
		if r.failed(bad, now) {
			t.Fatalf("failure %d makes a pause, though others are stored", attempt+1)
		}
		m, wait, fresh := r.next(now, true)
		if m != nil || !fresh || wait != want {
			t.Fatalf("after failure %d: %v, wait %s, fresh %t; want to wait %s", attempt+1, m, wait, fresh, want)
		}
		if r.succeeded() {
			t.Error("a success ends a pause that never was")
		}
		now = now.Add(want)
		if m, _, _ := r.next(now, true); m != bad {
			t.Fatalf("after %s it is not tried again", want)
		}
	}
}

func TestFailuresWithoutASuccessPauseEverything(t *testing.T) {
	t.Parallel()
	r, now := retries{least: time.Second, most: 5 * time.Second}, time.Now()
	if r.failed(trial("a"), now) {
		t.Error("the first failure makes a pause")
	}
	if !r.failed(trial("b"), now) {
		t.Error("the second makes none")
	}
	for _, want := range []int{1, 2, 4, 5, 5} {
		want := time.Duration(want) * time.Second
		for range 3 { // what fails together makes one pause
			if r.failed(trial("together"), now.Add(want/2)) {
				t.Error("a pause begins in a pause")
			}
		}
		if m, wait, fresh := r.next(now, true); m != nil || fresh || wait != want {
			t.Fatalf("%v, %s, %t; want a pause of %s", m, wait, fresh, want)
		}
		now = now.Add(want)
		m, _, _ := r.next(now, false)
		if m == nil && want > 2*time.Second {
			t.Errorf("after a pause of %s nothing is tried", want)
		}
		if r.failed(trial("later"), now) {
			t.Error("the same outage begins twice")
		}
	}
	left := len(r.waiting)
	if !r.succeeded() {
		t.Error("a success ends no pause")
	}
	for i := range left {
		if m, _, _ := r.next(now, false); m == nil {
			t.Fatalf("after the outage %d of %d are tried at once", i, left)
		}
	}
	if m, wait, fresh := r.next(now, false); m != nil || wait != 0 || !fresh {
		t.Errorf("with nothing left: %v, %s, %t", m, wait, fresh)
	}
}

func TestNewMessagesHaveTheirTurnBetweenThoseThatFailed(t *testing.T) {
	t.Parallel()
	r, now := retries{least: time.Second, most: time.Second}, time.Now()
	for range 4 {
		r.failed(trial("old"), now)
	}
	now = now.Add(time.Second)
	order := ""
	for range 6 {
		m, _, fresh := r.next(now, true)
		switch {
		case m != nil:
			order += "o"
		case fresh:
			order += "n"
		}
	}
	if order != "ononon" {
		t.Errorf("old and new take turns as %s", order)
	}
}

func TestWhatWasPromisedToNobodyIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	r, now := retries{least: time.Second, most: time.Second}, time.Now()
	for range 3 {
		r.failed(&message{Publish: &paho.Publish{}}, now)
	}
	if len(r.waiting) != 0 {
		t.Errorf("%d messages of QoS 0 wait", len(r.waiting))
	}
	if _, wait, fresh := r.next(now, true); wait == 0 || fresh {
		t.Error("their failures make no pause")
	}
}
