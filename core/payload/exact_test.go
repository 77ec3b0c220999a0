package payload

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestTheShortWayToAFloatAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers each time
	short := 0
	for range 200_000 {
		text := strconv.FormatUint(random.Uint64()>>random.IntN(64), 10)
		if at := random.IntN(len(text)); random.IntN(3) > 0 && at > 0 {
			text = text[:at] + "." + text[at:]
		}
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := exactFloat([]byte(text)); ok {
			short++
			if value != want {
				t.Fatalf("%s is %v, want %v", text, value, want)
			}
		}
	}
	if short < 100_000 {
		t.Errorf("only %d numbers went the short way", short)
	}
	for _, text := range []string{"", "-", "1e3", "1.2.3", "+1", "12345678901234567", "0x1"} {
		if value, ok := exactFloat([]byte(text)); ok {
			t.Errorf("%q is taken as %v", text, value)
		}
	}
}

func TestAScannerThatIsResetKnowsNothingOfTheLastText(t *testing.T) {
	t.Parallel()
	read := func(s *Scanner) error {
		s.Skip()
		return s.End()
	}
	var s Scanner
	for _, text := range []string{`{"a":{"b":1},"c":[1]}`, `{"a":{"b":`, `{"a":1,"a":2}`, `{"a":{"b":1},"c":[1]}`} {
		s.Reset([]byte(text))
		fresh := NewScanner([]byte(text))
		got, want := read(&s), read(&fresh)
		if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
			t.Errorf("%s is read as %v, want %v", text, got, want)
		}
	}
}

func TestNamesThatShareAMarkAreToldApart(t *testing.T) {
	t.Parallel()
	// First, middle, last and length are equal.
	if markOf([]byte("axbya")) != markOf([]byte("azbwa")) {
		t.Fatal("the names do not share a mark")
	}
	for text, good := range map[string]bool{`{"axbya":1,"azbwa":2}`: true, `{"axbya":1,"azbwa":2,"axbya":3}`: false, `{"":1,"":2}`: false} {
		s := NewScanner([]byte(text))
		s.Skip()
		if err := s.End(); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
