package contract

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Ledger notes what was sent through a journal and what was answered, and checks
// what is found against it: sent = stored + rightly refused, nothing twice. A
// reading may be sent several times, with the same content; identities that merge
// different contents are not for it.
type Ledger struct {
	mu       sync.Mutex
	notes    map[readingID]*note
	open     int // entries that were taken and not yet answered
	answered chan struct{}
	broken   []error // promises of Append and Done that were not kept
}

type readingID struct {
	source uuid.UUID
	ms     int64
}

type note struct {
	reading telemetry.Reading
	stored  bool  // one delivery was answered as durable
	refused error // the last lasting error
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{notes: map[readingID]*note{}, answered: make(chan struct{})}
}

// Send appends an entry and notes its answers as they come. answer, when it is
// not nil, gets what Done gets. The error is Append's.
func (l *Ledger) Send(ctx context.Context, j telemetry.Journal, entry telemetry.Entry, answer telemetry.Done) error {
	l.mu.Lock()
	l.open++
	for _, r := range entry.Readings {
		id := readingID{r.SourceID, r.Timestamp.UnixMilli()}
		if l.notes[id] == nil {
			l.notes[id] = &note{reading: r}
		}
	}
	l.mu.Unlock()
	calls := 0 // of done, guarded by l.mu; -1: Append has failed
	err := j.Append(ctx, entry, func(err error, errs []error) {
		l.mu.Lock()
		calls++
		if calls != 1 {
			l.broken = append(l.broken, fmt.Errorf("done was called once more, after %d calls (-1: Append had failed)", calls-1))
		} else {
			l.note(entry, err, errs)
		}
		l.mu.Unlock()
		if answer != nil {
			answer(err, errs)
		}
	})
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if calls > 0 {
			l.broken = append(l.broken, fmt.Errorf("done was called and Append returned %w", err))
			return err
		}
		calls = -1
		l.close()
	}
	return err
}

// note keeps the answers for an entry. Called with the lock.
func (l *Ledger) note(entry telemetry.Entry, err error, errs []error) {
	defer l.close()
	if errs != nil && len(errs) != len(entry.Readings) {
		l.broken = append(l.broken, fmt.Errorf("%d answers for %d readings", len(errs), len(entry.Readings)))
		return
	}
	var first error
	for i, r := range entry.Readings {
		answer := err
		if errs != nil {
			answer = errs[i]
		}
		if first == nil {
			first = answer
		}
		n := l.notes[readingID{r.SourceID, r.Timestamp.UnixMilli()}]
		switch {
		case answer == nil:
			n.stored = true
		case !fault.Passing(answer):
			n.refused = answer
		}
	}
	if errs != nil && !errors.Is(err, first) {
		l.broken = append(l.broken, fmt.Errorf("done got %w, which is not the first of its errors: %w", err, first))
	}
}

// close ends the wait for one entry. Called with the lock.
func (l *Ledger) close() {
	l.open--
	if l.open == 0 {
		close(l.answered)
		l.answered = make(chan struct{})
	}
}

// Wait returns when every entry that was taken is answered, or fails the test
// after the time.
func (l *Ledger) Wait(t *testing.T, within time.Duration) {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		l.mu.Lock()
		open, answered := l.open, l.answered
		l.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-answered:
		case <-timer.C:
			t.Fatalf("%d entries were not answered within %s", open, within)
		}
	}
}

// Counts says how many identities were sent, answered as durable, and refused
// for good.
func (l *Ledger) Counts() (sent, stored, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.notes {
		sent++
		switch {
		case n.stored:
			stored++
		case n.refused != nil:
			refused++
		}
	}
	return sent, stored, refused
}

// Verify waits until everything that was acknowledged is found, at most for the
// time, and fails the test for each of the Problems that are left then.
func (l *Ledger) Verify(t *testing.T, archive telemetry.Archive, rightly func(telemetry.Reading) bool, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		problems := l.Problems(t.Context(), archive, rightly)
		if len(problems) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, problem := range problems[:min(len(problems), 20)] {
				t.Error(problem)
			}
			t.Fatalf("%d problems in all", len(problems))
		}
		pause(t.Context(), 20*time.Millisecond)
	}
}

// Problems names every reading that is lost, found twice, found with another
// content, found though it was refused, refused without a reason, or found and
// never sent, and every promise of Append and Done that was broken. rightly, when
// it is not nil, says which readings the archive has to refuse, whatever the
// journal answers; else a refusal counts as right.
func (l *Ledger) Problems(ctx context.Context, archive telemetry.Archive, rightly func(telemetry.Reading) bool) []string {
	var problems []string
	sources := map[uuid.UUID]map[int64]note{}
	l.mu.Lock()
	for _, err := range l.broken {
		problems = append(problems, "the journal broke a promise: "+err.Error())
	}
	for id, n := range l.notes {
		if sources[id.source] == nil {
			sources[id.source] = map[int64]note{}
		}
		sources[id.source][id.ms] = *n
	}
	l.mu.Unlock()
	for source, notes := range sources {
		for _, problem := range compare(ctx, archive, source, notes, rightly) {
			problems = append(problems, fmt.Sprintf("source %s: %s", source, problem))
		}
	}
	return problems
}

func compare(ctx context.Context, archive telemetry.Archive, source uuid.UUID, notes map[int64]note,
	rightly func(telemetry.Reading) bool,
) (problems []string) {
	found, err := archive.History(ctx, telemetry.Span{SourceID: source, Limit: 2*len(notes) + 10})
	if err != nil {
		return []string{err.Error()}
	}
	seen := map[int64]bool{}
	for _, r := range found {
		ms := r.Timestamp.UnixMilli()
		n, sent := notes[ms]
		switch {
		case !sent:
			problems = append(problems, fmt.Sprintf("%s is found and was never sent", r.Timestamp))
			continue
		case seen[ms]:
			problems = append(problems, fmt.Sprintf("%s is found twice", r.Timestamp))
		case refusedRightly(n, rightly):
			problems = append(problems, fmt.Sprintf("%s is found and was refused", r.Timestamp))
		}
		seen[ms] = true
		if d := Difference(r, n.reading); d != "" {
			problems = append(problems, fmt.Sprintf("%s: %s", r.Timestamp, d))
		}
	}
	for ms, n := range notes {
		switch {
		case seen[ms] || refusedRightly(n, rightly):
		case n.stored:
			problems = append(problems, fmt.Sprintf("%s was acknowledged and is lost", n.reading.Timestamp))
		case n.refused != nil:
			problems = append(problems, fmt.Sprintf("%s was refused without a reason: %v", n.reading.Timestamp, n.refused))
		}
	}
	return problems
}

// refusedRightly: with a judge the judge decides, else the answer.
func refusedRightly(n note, rightly func(telemetry.Reading) bool) bool {
	if rightly != nil {
		return rightly(n.reading)
	}
	return n.refused != nil && !n.stored
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
