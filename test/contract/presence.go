package contract

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
)

// Presence runs what every credential.Presence promises. open is called once.
func Presence(t *testing.T, open func(t *testing.T) credential.Presence) {
	t.Helper()
	p := open(t)
	now := noon()
	report := func(t *testing.T, process uuid.UUID, sessions map[uuid.UUID]int, now time.Time) {
		t.Helper()
		if err := p.Report(t.Context(), process, sessions, now); err != nil {
			t.Fatalf("reporting: %v", err)
		}
	}
	check := func(t *testing.T, source uuid.UUID, now time.Time, want int) {
		t.Helper()
		if n, err := p.Connected(t.Context(), source, now); err != nil || n != want {
			t.Errorf("%d connected (%v), want %d", n, err, want)
		}
	}
	t.Run("a source that nobody named has none", func(t *testing.T) { check(t, newSource(), now, 0) })
	t.Run("the processes add up", func(t *testing.T) {
		source, other := newSource(), newSource()
		report(t, uuid.New(), map[uuid.UUID]int{source: 1, other: 3}, now)
		report(t, uuid.New(), map[uuid.UUID]int{source: 2}, now)
		check(t, source, now, 3)
		check(t, other, now, 3)
	})
	t.Run("a later report stands, for the sources that it names", func(t *testing.T) {
		process, source, other := uuid.New(), newSource(), newSource()
		report(t, process, map[uuid.UUID]int{source: 1, other: 1}, now)
		report(t, process, map[uuid.UUID]int{source: 2}, now)
		check(t, source, now, 2)
		check(t, other, now, 1)
		report(t, process, map[uuid.UUID]int{source: 0}, now)
		check(t, source, now, 0)
		check(t, other, now, 1)
	})
	t.Run("a process that says nothing for the lease is gone", func(t *testing.T) {
		silent, alive, source := uuid.New(), uuid.New(), newSource()
		report(t, silent, map[uuid.UUID]int{source: 1}, now)
		report(t, alive, map[uuid.UUID]int{source: 1}, now)
		check(t, source, now.Add(credential.PresenceLease-time.Millisecond), 2)
		report(t, alive, nil, now.Add(credential.PresenceLease))
		check(t, source, now.Add(credential.PresenceLease+time.Millisecond), 1)
		check(t, source, now.Add(2*credential.PresenceLease+time.Millisecond), 0)
		// Once it speaks again, what it said before still stands.
		report(t, silent, nil, now.Add(3*credential.PresenceLease))
		check(t, source, now.Add(3*credential.PresenceLease), 1)
	})
	t.Run("a report of many sources fits", func(t *testing.T) {
		process, sessions := uuid.New(), map[uuid.UUID]int{}
		var last uuid.UUID
		for range 3000 {
			last = newSource()
			sessions[last] = 1
		}
		report(t, process, sessions, now)
		check(t, last, now, 1)
		for source := range sessions {
			sessions[source] = 0
		}
		report(t, process, sessions, now)
		check(t, last, now, 0)
	})
}
