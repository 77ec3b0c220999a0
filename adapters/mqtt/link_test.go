package mqtt

import (
	"sync/atomic"
	"testing"
)

func TestAConnectionCountsFromItsSubscriptionToItsEnd(t *testing.T) {
	t.Parallel()
	var connected atomic.Int64
	l := link{connected: &connected}
	want := func(n int64, when string) {
		t.Helper()
		if got := connected.Load(); got != n {
			t.Errorf("%s: %d connections count, want %d", when, got, n)
		}
	}
	first := l.begin(t.Context())
	want(0, "before the subscription is granted")
	l.granted(first)
	l.granted(first)
	want(1, "subscribed")
	l.end()
	l.end()
	want(0, "after the end")
	if first.Err() == nil {
		t.Error("the connection is over and its context is not")
	}
	l.granted(first)
	want(0, "a grant that comes after the end")

	second := l.begin(t.Context())
	l.granted(second)
	third := l.begin(t.Context())
	if second.Err() == nil {
		t.Error("a new connection has begun and the context of the one before is not over")
	}
	want(0, "a new connection before its subscription")
	l.granted(third)
	want(1, "the new one subscribed")
	l.end()
}
