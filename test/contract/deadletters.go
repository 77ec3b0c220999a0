package contract

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// DeadLettersRig is a store of dead letters under test.
type DeadLettersRig struct {
	Letters telemetry.DeadLetters
	// List returns the letters of a source, the newest first.
	List func(ctx context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error)
	// PerSource is how many letters of one source are kept.
	PerSource int
}

// DeadLetters runs what every telemetry.DeadLetters promises. open is called
// once.
func DeadLetters(t *testing.T, open func(t *testing.T) DeadLettersRig) {
	t.Helper()
	rig := open(t)
	t.Run("a letter comes back as it was put", rig.roundTrip)
	t.Run("a letter that is put again is there once", rig.again)
	t.Run("a payload is cut at its bound", rig.cut)
	t.Run("texts that are no text are kept readable", rig.garbled)
	t.Run("over the bound of a source the oldest go, those of others stay", rig.bound)
}

func letter(source uuid.UUID, i int) telemetry.DeadLetter {
	return telemetry.DeadLetter{
		ID: uuid.New(), SourceID: source, At: noon().Add(time.Duration(i) * time.Millisecond),
		Origin: "mqtt", Topic: "sunsource/" + source.String() + "/data",
		Kind: telemetry.LetterMalformed, Reason: fmt.Sprintf("malformed JSON at byte %d", i),
		Raw: fmt.Appendf([]byte{0, 0xff}, "%05d{", i), Size: 8,
	}
}

func (rig DeadLettersRig) put(t *testing.T, letters ...telemetry.DeadLetter) {
	t.Helper()
	if err := rig.Letters.Put(t.Context(), letters...); err != nil {
		t.Fatalf("putting %d letters: %v", len(letters), err)
	}
}

func (rig DeadLettersRig) list(t *testing.T, source uuid.UUID) []telemetry.DeadLetter {
	t.Helper()
	found, err := rig.List(t.Context(), source)
	if err != nil {
		t.Fatalf("listing letters: %v", err)
	}
	return found
}

func checkLetter(t *testing.T, got, want telemetry.DeadLetter) {
	t.Helper()
	same := got.ID == want.ID && got.SourceID == want.SourceID && got.At.Equal(want.At) && got.Origin == want.Origin &&
		got.Topic == want.Topic && got.Name == want.Name && got.SignedAt.Equal(want.SignedAt) && got.Kind == want.Kind &&
		got.Reason == want.Reason && bytes.Equal(got.Raw, want.Raw) && got.Size == want.Size && got.Truncated == want.Truncated
	if !same {
		got.Raw, want.Raw = got.Raw[:min(len(got.Raw), 100)], want.Raw[:min(len(want.Raw), 100)]
		t.Errorf("letter is %+v, want %+v", got, want)
	}
}

func (rig DeadLettersRig) roundTrip(t *testing.T) {
	source := newSource()
	one, two := letter(source, 1), letter(source, 2)
	two.Origin, two.Raw, two.Size, two.Truncated = "webhook", nil, 70_000, true
	two.SignedAt, two.Kind = noon().Add(-time.Minute), telemetry.LetterTooLarge
	one.Topic += "/power"
	one.Name = "power"
	nobody := letter(uuid.Nil, 3)
	rig.put(t)
	rig.put(t, one, two, nobody)
	found := rig.list(t, source)
	if len(found) != 2 {
		t.Fatalf("%d letters, want 2", len(found))
	}
	checkLetter(t, found[0], two)
	checkLetter(t, found[1], one)
	if found = rig.list(t, uuid.Nil); len(found) == 0 {
		t.Fatal("the letter that belongs to no source is lost")
	}
}

func (rig DeadLettersRig) again(t *testing.T) {
	source := newSource()
	one := letter(source, 1)
	rig.put(t, one)
	rig.put(t, one, letter(source, 2), one)
	if found := rig.list(t, source); len(found) != 2 {
		t.Errorf("%d letters, want 2", len(found))
	}
}

func (rig DeadLettersRig) cut(t *testing.T) {
	source := newSource()
	exact, over := letter(source, 2), letter(source, 1)
	exact.Raw, exact.Size = bytes.Repeat([]byte{7}, telemetry.MaxRaw), telemetry.MaxRaw
	over.Raw, over.Size = bytes.Repeat([]byte{8}, telemetry.MaxRaw+1), telemetry.MaxRaw+1
	rig.put(t, exact, over)
	over.Raw, over.Truncated = over.Raw[:telemetry.MaxRaw], true
	found := rig.list(t, source)
	if len(found) != 2 {
		t.Fatalf("%d letters, want 2", len(found))
	}
	checkLetter(t, found[0], exact)
	checkLetter(t, found[1], over)
}

func (rig DeadLettersRig) garbled(t *testing.T) {
	source := newSource()
	l := letter(source, 1)
	l.Topic, l.Reason = "sunsource/\x00/\xff", "it holds \xc3\x28 and \x00"
	rig.put(t, l)
	found := rig.list(t, source)
	if len(found) != 1 || found[0].Reason == "" || !bytes.Equal(found[0].Raw, l.Raw) {
		t.Errorf("found %+v", found)
	}
}

func (rig DeadLettersRig) bound(t *testing.T) {
	source, other := newSource(), newSource()
	rig.put(t, letter(other, 0))
	var letters []telemetry.DeadLetter
	for i := range rig.PerSource + 20 {
		letters = append(letters, letter(source, i))
	}
	rig.put(t, letters[:50]...)
	rig.put(t, letters[50:]...)
	found := rig.list(t, source)
	if len(found) != rig.PerSource {
		t.Fatalf("%d letters are kept, want %d", len(found), rig.PerSource)
	}
	checkLetter(t, found[0], letters[len(letters)-1])
	checkLetter(t, found[len(found)-1], letters[20])
	if found = rig.list(t, other); len(found) != 1 {
		t.Errorf("%d letters of the other source are kept, want 1", len(found))
	}
}
