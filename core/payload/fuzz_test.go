package payload_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ampra/core/payload"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, text := range []string{
		``, `null`, `NaN`, `-0.0e+1`, `1e400`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`[1,[2,{"b":[]}],"ä\n",true,false,null]`, ` {"timestamp":1782036005,"acPowerWatts":612.4,"x":{"y":[{}]}} `, `[1,]`, `{"a":}`,
		strings.Repeat("[", 40) + strings.Repeat("]", 40), "{" + strings.Repeat(`"a":`, 3) + "1}",
	} {
		f.Add([]byte(text))
	}
}

// FuzzScannerAgreesWithAnother compares with a parser that is as strict.
func FuzzScannerAgreesWithAnother(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		s := payload.NewScanner(data)
		s.Skip()
		err := s.End()
		valid := jsontext.Value(data).IsValid()
		switch {
		case err == nil && !valid:
			t.Fatalf("took %q, which is not JSON", data)
		case err != nil && valid && !strings.Contains(err.Error(), "nested deeper"):
			t.Fatalf("refused %q, which is JSON: %v", data, err)
		case err == nil && !utf8.Valid(data):
			t.Fatalf("took %q, which is not UTF-8", data)
		}
		if err == nil {
			sameStrings(t, data)
		}
	})
}

// sameStrings compares the texts of all names and strings with the other
// parser's.
func sameStrings(t *testing.T, data []byte) {
	t.Helper()
	var want []string
	decoder := jsontext.NewDecoder(strings.NewReader(string(data)))
	for {
		token, err := decoder.ReadToken()
		if err != nil {
			break
		}
		if token.Kind() == '"' {
			want = append(want, token.String())
		}
	}
	s := payload.NewScanner(data)
	if got := strings.Join(textsOf(&s, nil), "\x00"); got != strings.Join(want, "\x00") {
		t.Fatalf("%q: got the texts %q, want %q", data, got, want)
	}
}

// textsOf gathers names and strings in order.
func textsOf(s *payload.Scanner, found []string) []string {
	switch kind := s.Kind(); kind {
	case payload.String:
		text, _ := s.Text()
		return append(found, string(text))
	case payload.Object, payload.Array:
		for s.Open(); s.More(); {
			if kind == payload.Object {
				found = append(found, string(s.Name()))
			}
			found = textsOf(s, found)
		}
	default:
		s.Skip()
	}
	return found
}

// FuzzScannerSurvivesAnyOrderOfCalls calls its methods as the second argument
// says, whether that makes sense or not.
func FuzzScannerSurvivesAnyOrderOfCalls(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x"]}`), []byte{1, 2, 3, 1, 2, 4, 2, 5, 2, 2, 8})
	f.Add([]byte(`[[[{"a":1},true`), []byte{3, 3, 1, 1, 1, 1, 3, 4, 3, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, data, calls []byte) {
		s := payload.NewScanner(data)
		for _, call := range calls {
			before := s.Offset()
			switch call % 9 {
			case 0:
				s.Kind()
			case 1:
				s.Open()
			case 2:
				s.More()
			case 3:
				s.Name()
			case 4:
				s.Number()
			case 5:
				s.Text()
			case 6:
				s.Bool()
			case 7:
				s.Skip()
			case 8:
				_ = s.End()
			}
			if s.Offset() < before || s.Offset() > len(data) {
				t.Fatalf("%q: went from byte %d to byte %d", data, before, s.Offset())
			}
		}
	})
}
