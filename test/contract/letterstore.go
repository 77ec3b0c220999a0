package contract

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// LetterStore runs what every telemetry.LetterStore promises. open is called
// once.
func LetterStore(t *testing.T, open func(t *testing.T) telemetry.LetterStore) {
	t.Helper()
	store := open(t)
	rig := letterStoreRig{store, DeadLettersRig{
		Letters: store, PerSource: telemetry.MaxLetters,
		List: func(ctx context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error) {
			return store.List(ctx, telemetry.LetterSpan{SourceID: source, Limit: 2 * telemetry.MaxLetters})
		},
	}}
	DeadLetters(t, func(*testing.T) DeadLettersRig { return rig.DeadLettersRig })
	t.Run("pages show each letter once in either order", rig.pages)
	t.Run("a letter is found by its source and its id alone", rig.get)
	t.Run("a letter gets another reason and nothing else", rig.amend)
	t.Run("letters are removed from their own source only", rig.remove)
	t.Run("erasing leaves the letters of others", rig.erase)
	t.Run("over the bytes of a source the oldest go", rig.bytesBound)
	t.Run("the bounds hold for those who put at once", rig.crowd)
}

type letterStoreRig struct {
	store telemetry.LetterStore
	DeadLettersRig
}

func (rig letterStoreRig) count(t *testing.T, source uuid.UUID, want int) {
	t.Helper()
	got, err := rig.store.Count(t.Context(), source)
	if err != nil || got != want {
		t.Errorf("the source has %d letters, %v, want %d", got, err, want)
	}
}

func (rig letterStoreRig) pages(t *testing.T) {
	source := newSource()
	var all []telemetry.DeadLetter
	for i := range 23 {
		all = append(all, letter(source, i/3)) // three of each moment
	}
	rig.put(t, append(slices.Clone(all), letter(newSource(), 1))...)
	slices.SortFunc(all, func(a, b telemetry.DeadLetter) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	for name, order := range map[string]telemetry.Order{"newest first": telemetry.NewestFirst, "oldest first": telemetry.OldestFirst} {
		want := slices.Clone(all)
		if order == telemetry.NewestFirst {
			slices.Reverse(want)
		}
		for _, limit := range []int{1, 4, 23, 30} {
			span := telemetry.LetterSpan{SourceID: source, Order: order, Limit: limit}
			var seen []telemetry.DeadLetter
			for {
				page, err := rig.store.List(t.Context(), span)
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, page...)
				if len(page) < limit || len(seen) > len(all) {
					break
				}
				place := page[len(page)-1].Place()
				span.After = &place
			}
			if len(seen) != len(want) {
				t.Fatalf("%s by %d: %d letters, want %d", name, limit, len(seen), len(want))
			}
			for i := range want {
				checkLetter(t, seen[i], want[i])
			}
		}
	}
	rig.count(t, source, 23)
}

func (rig letterStoreRig) get(t *testing.T) {
	one := letter(newSource(), 1)
	other := letter(newSource(), 1)
	rig.put(t, one, other)
	found, err := rig.store.Get(t.Context(), one.SourceID, one.ID)
	if err != nil {
		t.Fatal(err)
	}
	checkLetter(t, found, one)
	for name, ask := range map[string][2]uuid.UUID{
		"an unknown letter": {one.SourceID, uuid.New()}, "another's letter": {one.SourceID, other.ID}, "an unknown source": {uuid.New(), one.ID},
	} {
		if _, err := rig.store.Get(t.Context(), ask[0], ask[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s gives %v, want NotFound", name, err)
		}
	}
}

func (rig letterStoreRig) amend(t *testing.T) {
	source := newSource()
	one, two := letter(source, 1), letter(source, 2)
	rig.put(t, one, two)
	if err := rig.store.Amend(t.Context(), source, one.ID, telemetry.LetterRefused, "a reason of \x00\xff"); err != nil {
		t.Fatal(err)
	}
	one.Kind, one.Reason = telemetry.LetterRefused, "a reason of \ufffd\ufffd"
	if err := rig.store.Amend(t.Context(), newSource(), two.ID, telemetry.LetterRefused, "not its source"); err != nil {
		t.Errorf("a letter that is not there: %v", err)
	}
	found := rig.list(t, source)
	if len(found) != 2 {
		t.Fatalf("%d letters, want 2", len(found))
	}
	checkLetter(t, found[0], two)
	checkLetter(t, found[1], one)
	rig.put(t, letter(source, 3), one)
	if found = rig.list(t, source); len(found) != 3 || found[2].Reason != one.Reason {
		t.Errorf("a letter that was put again has the reason %q of %d", found[2].Reason, len(found))
	}
}

func (rig letterStoreRig) remove(t *testing.T) {
	one, two, three := newSource(), newSource(), letter(newSource(), 3)
	letters := []telemetry.DeadLetter{letter(one, 1), letter(one, 2), letter(one, 3), letter(two, 1), three}
	rig.put(t, letters...)
	removed, err := rig.store.Remove(t.Context(), one, letters[0].ID, letters[1].ID, letters[3].ID, uuid.New())
	if err != nil || removed != 2 {
		t.Errorf("%d letters are removed, %v, want 2", removed, err)
	}
	if removed, err = rig.store.Remove(t.Context(), one); err != nil || removed != 0 {
		t.Errorf("none: %d letters are removed, %v", removed, err)
	}
	rig.count(t, one, 1)
	rig.count(t, two, 1)
}

func (rig letterStoreRig) erase(t *testing.T) {
	one, two := newSource(), newSource()
	rig.put(t, letter(one, 1), letter(one, 2), letter(two, 1))
	for range 2 {
		if err := rig.store.Erase(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	rig.count(t, one, 0)
	rig.count(t, two, 1)
}

func (rig letterStoreRig) bytesBound(t *testing.T) {
	source := newSource()
	const fit = telemetry.MaxLetterBytes / telemetry.MaxRaw
	var letters []telemetry.DeadLetter
	for i := range fit + 9 {
		l := letter(source, i)
		l.Raw, l.Size = bytes.Repeat([]byte{byte(i)}, telemetry.MaxRaw), telemetry.MaxRaw
		letters = append(letters, l)
	}
	for batch := range slices.Chunk(letters, 50) {
		rig.put(t, batch...)
	}
	rig.count(t, source, fit)
	oldest, err := rig.store.List(t.Context(), telemetry.LetterSpan{SourceID: source, Order: telemetry.OldestFirst, Limit: 1})
	if err != nil || len(oldest) != 1 {
		t.Fatalf("%d letters, %v", len(oldest), err)
	}
	checkLetter(t, oldest[0], letters[9])
}

func (rig letterStoreRig) crowd(t *testing.T) {
	source := newSource()
	var all sync.WaitGroup
	for p := range 4 {
		all.Go(func() {
			for batch := range 3 {
				var letters []telemetry.DeadLetter
				for i := range 100 {
					l := letter(source, 100*batch+i)
					l.At = l.At.Add(time.Duration(p) * time.Second)
					letters = append(letters, l)
				}
				if err := rig.store.Put(t.Context(), letters...); err != nil {
					t.Errorf("putting: %v", err)
				}
			}
		})
	}
	all.Wait()
	rig.put(t, letter(source, 10_000))
	found := rig.list(t, source)
	if len(found) != telemetry.MaxLetters || !found[0].At.Equal(noon().Add(10*time.Second)) {
		t.Errorf("%d letters are kept, the newest of %s", len(found), found[0].At)
	}
}
