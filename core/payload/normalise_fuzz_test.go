package payload_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"ampra/core/payload"
)

// FuzzNormalise feeds anything, beginning with all fixtures, and holds every
// result to what is true of all.
func FuzzNormalise(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.[jt][sx]*")
	if err != nil || len(files) < 40 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "")
	}
	f.Add([]byte(`{"value":1}`), "N/x/system/0/Dc/Battery/Power")
	zone := berlin(f)
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		o := payload.Options{Received: received(), Zone: zone, Name: name}
		r, err := payload.Normalise(data, o)
		if err != nil {
			var syntax *payload.SyntaxError
			var tooMany *payload.TooManyError
			if !errors.As(err, &syntax) && !errors.As(err, &tooMany) || len(r.Samples) > 0 {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		for i := range r.Samples {
			sound(t, data, &r.Samples[i])
		}
		if again, _ := payload.Normalise(data, o); describe(again, nil) != describe(r, nil) {
			t.Fatalf("%q: read twice, understood differently", data)
		}
	})
}

func sound(t *testing.T, data []byte, s *payload.Sample) {
	t.Helper()
	finite := func(v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%q: not finite", data)
		}
	}
	for f := range payload.Field(payload.NumFields) {
		v, _ := s.Get(f)
		finite(v)
	}
	for _, lines := range [][]payload.Line{s.Strings, s.Phases} {
		if len(lines) > 32 {
			t.Fatalf("%q: %d lines", data, len(lines))
		}
		for _, line := range lines {
			for _, v := range line.Number {
				finite(v)
			}
		}
	}
	for _, e := range s.Extra {
		if finite(e.Number); e.Name == "" || !utf8.ValidString(e.Name) {
			t.Fatalf("%q: extra is named %q", data, e.Name)
		}
	}
	if len(s.Extra) > 64 || !s.Recognised() && len(s.Extra) == 0 {
		t.Fatalf("%q: %d extras", data, len(s.Extra))
	}
	for _, g := range s.Given {
		if g.Field() == "" || g.Rule == "" {
			t.Fatalf("%q: %+v", data, g)
		}
	}
}
