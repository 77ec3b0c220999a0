package contract

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// LetterLogRig is a way in for dead letters with its reading end.
type LetterLogRig struct {
	Letters telemetry.DeadLetters
	// Garble puts something that is no letter, under a source; nil where that is
	// not possible.
	Garble func(t *testing.T, source uuid.UUID, value []byte)
	// Open opens the reading end where the one before had committed; stop ends it.
	Open func(t *testing.T) (log telemetry.LetterLog, stop func())
}

// LetterLog runs what every telemetry.LetterLog promises. open is called for each
// test.
func LetterLog(t *testing.T, open func(t *testing.T) LetterLogRig) {
	t.Helper()
	for name, test := range map[string]func(LetterLogRig, *testing.T){
		"letters come as they were put, in their order":         LetterLogRig.inOrder,
		"what was not committed comes again, the rest does not": LetterLogRig.committing,
		"waiting ends with the context":                         LetterLogRig.waiting,
		"what is no letter is told as one":                      LetterLogRig.garbled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(open(t), t)
		})
	}
}

// fetch fetches until there are n letters.
func fetchLetters(t *testing.T, log telemetry.LetterLog, n int) (letters []telemetry.DeadLetter, batches []telemetry.LetterBatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(letters) < n {
		batch, err := log.Fetch(ctx, n-len(letters), 20*time.Millisecond)
		if err != nil {
			t.Fatalf("after %d of %d letters: %v", len(letters), n, err)
		}
		if len(batch.Letters) == 0 || len(batch.Letters) > n-len(letters) {
			t.Fatalf("a batch of %d letters, at most %d were asked for", len(batch.Letters), n-len(letters))
		}
		letters, batches = append(letters, batch.Letters...), append(batches, batch)
	}
	return letters, batches
}

func (rig LetterLogRig) put(t *testing.T, letters ...telemetry.DeadLetter) {
	t.Helper()
	if err := rig.Letters.Put(t.Context(), letters...); err != nil {
		t.Fatal(err)
	}
}

func (rig LetterLogRig) inOrder(t *testing.T) {
	log, stop := rig.Open(t)
	defer stop()
	source := newSource()
	var sent []telemetry.DeadLetter
	for i := range 30 {
		l := letter(source, i)
		if i%3 == 0 {
			l.Name, l.SignedAt = "power", noon()
		}
		sent = append(sent, l)
	}
	rig.put(t, sent[:10]...)
	rig.put(t, sent[10:]...)
	got, _ := fetchLetters(t, log, len(sent))
	for i := range sent {
		checkLetter(t, got[i], sent[i])
	}
}

func (rig LetterLogRig) committing(t *testing.T) {
	log, stop := rig.Open(t)
	source := newSource()
	one, two := letter(source, 1), letter(source, 2)
	two.ID = uuid.Nil
	rig.put(t, one)
	_, batches := fetchLetters(t, log, 1)
	if err := batches[0].Commit(t.Context()); err != nil {
		t.Fatalf("committing: %v", err)
	}
	rig.put(t, two)
	first, _ := fetchLetters(t, log, 1)
	stop()
	log, stop = rig.Open(t)
	defer stop()
	again, _ := fetchLetters(t, log, 1)
	if first[0].ID == uuid.Nil || first[0].ID != again[0].ID || again[0].Reason != two.Reason {
		t.Errorf("it was %+v and comes again as %+v", first[0], again[0])
	}
}

func (rig LetterLogRig) waiting(t *testing.T) {
	log, stop := rig.Open(t)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := log.Fetch(ctx, 10, time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without letters it gives %v", err)
	}
	rig.put(t, letter(newSource(), 1))
	fetchLetters(t, log, 1)
}

func (rig LetterLogRig) garbled(t *testing.T) {
	if rig.Garble == nil {
		t.Skip("here is nothing that is no letter")
	}
	log, stop := rig.Open(t)
	defer stop()
	source := newSource()
	rig.Garble(t, source, []byte("{no letter"))
	good := letter(source, 1)
	rig.put(t, good)
	got, _ := fetchLetters(t, log, 2)
	bad := got[0]
	if bad.SourceID != source || string(bad.Raw) != "{no letter" || bad.Kind != telemetry.LetterUndecodable || bad.ID == uuid.Nil ||
		bad.Reason == "" || bad.Topic == "" || bad.At.IsZero() || bad.Origin != telemetry.FromJournal {
		t.Errorf("what is no letter is told as %+v", bad)
	}
	checkLetter(t, got[1], good)
}
