package payload_test

import (
	"math"
	"strings"
	"testing"

	"ampra/core/payload"
)

func TestTextIsUnescaped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`""`:                             "",
		`"plain ä€😀"`:                    "plain ä€😀",
		`"\"\\\/\b\f\n\r\t"`:             "\"\\/\b\f\n\r\t",
		`"\u0000\u007f\u00e4\u20AC"`:     "\x00\x7fä€",
		`"\uD83D\uDE00\ud83d\ude00 end"`: "😀😀 end",
		`"\uffff\ue000\ud7ff"`:           "\uffff\ue000\ud7ff",
	} {
		s := payload.NewScanner([]byte(text))
		got, ok := s.Text()
		if err := s.End(); err != nil || !ok || string(got) != want {
			t.Errorf("%s: got %q, %t, %v, want %q", text, got, ok, err, want)
		}
	}
}

func TestALongStringIsReadWhole(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`ä\n`, 32<<10)
	s := payload.NewScanner([]byte(`["` + long + `"]`))
	s.Open()
	s.More()
	got, ok := s.Text()
	if !ok || string(got) != strings.Repeat("ä\n", 32<<10) {
		t.Errorf("got %d bytes, %t", len(got), ok)
	}
	if s.More() {
		t.Error("there is more")
	}
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

func TestNamesStayWhenMoreAreRead(t *testing.T) {
	t.Parallel()
	s := payload.NewScanner([]byte(`{"\u0061":1,"\u0062":2,"c":3,"\u0064` + strings.Repeat("x", 1000) + `":4}`))
	s.Open()
	var names [][]byte
	for s.More() {
		names = append(names, s.Name())
		s.Skip()
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "b", "c", "dx"} {
		if got := string(names[i]); !strings.HasPrefix(got, want) {
			t.Errorf("name %d: got %.10q, want %q", i, got, want)
		}
	}
}

func TestFloatIsTheValueOfANumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want float64
		ok   bool
	}{
		{"0", 0, true},
		{"-1.5e3", -1500, true},
		{"1e-400", 0, true},
		{"-1e-400", 0, true},
		{"0e99999999999999999999", 0, true},
		{"1.7976931348623157e308", math.MaxFloat64, true},
		{"1.8e308", 0, false},
		{"1e400", 0, false},
		{"-1e400", 0, false},
		{"1e99999999999999999999", 0, false},
		{"9007199254740993", 9007199254740992, true},
		{"0." + strings.Repeat("3", 64<<10), 1.0 / 3, true},
		{strings.Repeat("9", 64<<10), 0, false},
	} {
		got, ok := payload.Float([]byte(c.raw))
		if got != c.want || ok != c.ok {
			t.Errorf("%.30s: got %v, %t, want %v, %t", c.raw, got, ok, c.want, c.ok)
		}
	}
}

func TestThereIsNoNegativeZero(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"-0", "-0.0", "-0e5", "-1e-400"} {
		if got, ok := payload.Float([]byte(raw)); !ok || got != 0 || math.Signbit(got) {
			t.Errorf("%s: got %v, %t", raw, got, ok)
		}
	}
}

func TestIntIsAWholeNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"-0", 0, true},
		{"-7", -7, true},
		{"7.0", 7, true},
		{"7e3", 7000, true},
		{"1.5", 0, false},
		{"9223372036854775807", math.MaxInt64, true},
		{"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false},
		{"9007199254740992.0", 1 << 53, true},
		{"1e18", 0, false},
		{"1e400", 0, false},
	} {
		if got, ok := payload.Int([]byte(c.raw)); got != c.want || ok != c.ok {
			t.Errorf("%s: got %d, %t, want %d, %t", c.raw, got, ok, c.want, c.ok)
		}
	}
}
