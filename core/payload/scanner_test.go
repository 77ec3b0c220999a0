package payload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ampra/core/payload"
)

// check reads a whole text.
func check(text string) error {
	s := payload.NewScanner([]byte(text))
	s.Skip()
	return s.End()
}

func TestScannerTakesEverythingThatRFC8259Allows(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-0`, `0.0`, `-0.0e-0`, `1e400`, `-1E+99999999999999999999`, `123456789012345678901234567890`,
		`""`, `"a"`, `"ä€😀"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e4\uD83D\ude00\u0000"`, "\"\x7f\u2028\"", "\"\ufeff\"", "\"\uffff\"",
		`{}`, `[]`, `[[],{}]`, ` { "a" : [ 1 , { "b" : null } ] , "" : "" } `, "\t\r\n[1]\t\r\n",
		`{"a":1,"A":2,"a ":3,"\u00c4":4,"Ä ":5}`, `[{"a":1},{"a":1}]`, `{"a":{"a":{"a":1}}}`,
		strings.Repeat("[", payload.MaxDepth) + strings.Repeat("]", payload.MaxDepth),
		strings.Repeat(`{"a":`, payload.MaxDepth) + "1" + strings.Repeat("}", payload.MaxDepth),
	} {
		if err := check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestScannerNamesTheByteAtFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                       "byte 0: expected a value, but it ends here",
		` `:                      "byte 1: expected a value, but it ends here",
		"\ufeff1":                "byte 0: expected a value",
		`NaN`:                    "byte 0: expected a value",
		`Infinity`:               "byte 0: expected a value",
		`-Infinity`:              "byte 1: expected a digit",
		`+1`:                     "byte 0: expected a value",
		`.5`:                     "byte 0: expected a value",
		`5.`:                     "byte 2: expected a digit, but it ends here",
		`1.e3`:                   "byte 2: expected a digit",
		`1e`:                     "byte 2: expected a digit, but it ends here",
		`1e+`:                    "byte 3: expected a digit, but it ends here",
		`01`:                     "byte 1: expected the end",
		`-`:                      "byte 1: expected a digit, but it ends here",
		`0x10`:                   "byte 1: expected the end",
		`1_000`:                  "byte 1: expected the end",
		`tru`:                    "byte 3: expected true, but it ends here",
		`trux`:                   "byte 3: expected true",
		`fal5e`:                  "byte 3: expected false",
		`nul`:                    "byte 3: expected null, but it ends here",
		`nan`:                    "byte 1: expected null, a number or a text in quotes",
		`nulx`:                   "byte 3: expected null, a number or a text in quotes",
		`nulll`:                  "byte 4: expected the end",
		`None`:                   "byte 0: expected a value",
		`'a'`:                    "byte 0: expected a value",
		`"a`:                     `byte 2: expected '"', but it ends here`,
		`"a\`:                    "byte 3: expected the rest of the escape, but it ends here",
		`"\x"`:                   "byte 1: there is no such escape",
		`"a\u12"`:                `byte 2: \u needs four hexadecimal digits`,
		`"\u12g4"`:               `byte 1: \u needs four hexadecimal digits`,
		`"\ud800"`:               "byte 1: a surrogate without its other half",
		`"\udc00\ud800"`:         "byte 1: a surrogate without its other half",
		`"\ud800\u0041"`:         "byte 1: a surrogate without its other half",
		`"\ud800\ud800"`:         "byte 1: a surrogate without its other half",
		`"\ud800\udc0"`:          "byte 1: a surrogate without its other half",
		"\"a\n\"":                "byte 2: a control character in a string must be escaped",
		"\"\x00\"":               "byte 1: a control character in a string must be escaped",
		"\"ab\xff\"":             "byte 3: it is not valid UTF-8",
		"\"\xc0\xaf\"":           "byte 1: it is not valid UTF-8",
		"\"\xed\xa0\x80\"":       "byte 1: it is not valid UTF-8",
		"\"\xf4\x90\x80\x80\"":   "byte 1: it is not valid UTF-8",
		"\"ä\xe2\x82\"":          "byte 3: it is not valid UTF-8",
		"{\"\xff\":1}":           "byte 2: it is not valid UTF-8",
		`[`:                      "byte 1: expected a value, but it ends here",
		`[1`:                     "byte 2: expected ',' or ']', but it ends here",
		`[1,`:                    "byte 3: expected a value, but it ends here",
		`[1,]`:                   "byte 3: expected a value",
		`[,1]`:                   "byte 1: expected a value",
		`[1 2]`:                  "byte 3: expected ',' or ']'",
		`[1}`:                    "byte 2: expected ',' or ']'",
		`[1]]`:                   "byte 3: expected the end",
		`{`:                      "byte 1: expected a name in double quotes, but it ends here",
		`{]`:                     "byte 1: expected a name in double quotes",
		`{a:1}`:                  "byte 1: expected a name in double quotes",
		`{"a"}`:                  "byte 4: expected ':'",
		`{"a"`:                   "byte 4: expected ':', but it ends here",
		`{"a":}`:                 "byte 5: expected a value",
		`{"a":1`:                 "byte 6: expected ',' or '}', but it ends here",
		`{"a":1,}`:               "byte 7: expected a name in double quotes",
		`{"a":1 "b":2}`:          "byte 7: expected ',' or '}'",
		`{"a":1}x`:               "byte 7: expected the end",
		`{"a":1}{"a":1}`:         "byte 7: expected the end",
		"{} // comment":          "byte 3: expected the end",
		`{"a":1,"b":2,"a":3}`:    "byte 13: the name stands twice in its object",
		`{"a":1, "\u0061":3}`:    "byte 8: the name stands twice in its object",
		`[{"x":{"":1,"":2}}]`:    "byte 12: the name stands twice in its object",
		strings.Repeat("[", 33):  "byte 32: it is nested deeper than 32 levels",
		strings.Repeat("[", 1e6): "byte 32: it is nested deeper than 32 levels",
	} {
		err := check(text)
		if err == nil {
			t.Errorf("%.40q: no error, want %s", text, want)
			continue
		}
		if want = "malformed JSON at " + want; err.Error() != want {
			t.Errorf("%.40q: got %q, want %q", text, err, want)
		}
		var syntax *payload.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset > len(text) {
			t.Errorf("%.40q: got %#v, want a SyntaxError inside the text", text, err)
		}
	}
}

func TestScannerFindsARepeatedNameInAWideObject(t *testing.T) {
	t.Parallel()
	for _, names := range []int{31, 32, 33, 34, 63, 64, 65, 66, 1000} {
		var b strings.Builder
		b.WriteString("{")
		for i := range names {
			// Each value is an object of its own with the same names as outside.
			fmt.Fprintf(&b, `"n%d":{"n%d":0,"n0 ":0},`, i, i)
		}
		wide := b.String()
		if err := check(wide + `"last":0}`); err != nil {
			t.Errorf("%d names: %v", names, err)
		}
		for _, again := range []int{0, names / 2, names - 1} {
			want := fmt.Sprintf("malformed JSON at byte %d: the name stands twice in its object", len(wide))
			if err := check(fmt.Sprintf(`%s"n%d":0}`, wide, again)); err == nil || err.Error() != want {
				t.Errorf("%d names, n%d again: got %v, want %s", names, again, err, want)
			}
		}
	}
}

func TestScannerWalksInOrder(t *testing.T) {
	t.Parallel()
	s := payload.NewScanner([]byte(` {"n":-1.50E+1, "t":"a\tb", "l":[true,false,null,{"x":[]}], "\u0065":{}} `))
	var seen []string
	note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
	if !s.Open() {
		t.Fatal("the object did not open")
	}
	for s.More() {
		name := s.Name()
		switch kind := s.Kind(); kind {
		case payload.Number:
			raw, ok := s.Number()
			note("%s=%s %t", name, raw, ok)
		case payload.String:
			text, ok := s.Text()
			note("%s=%q %t", name, text, ok)
		case payload.Array:
			for s.Open(); s.More(); {
				kind := s.Kind()
				value, ok := s.Bool()
				note("%s: %s %t %t", name, kind, value, ok)
			}
		default:
			s.Skip()
			note("%s: %s", name, kind)
		}
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"n=-1.50E+1 true", `t="a\tb" true`, "l: a boolean true true", "l: a boolean false true", "l: null false false",
		"l: an object false false", "e: an object",
	}
	if got := strings.Join(seen, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestScannerSkipsAValueOfAnotherKind(t *testing.T) {
	t.Parallel()
	text := []byte(`[{"a":[1]},"x",1,null,[2],true]`)
	for name, read := range map[string]func(*payload.Scanner) bool{
		"a number":  func(s *payload.Scanner) bool { _, ok := s.Number(); return ok },
		"a string":  func(s *payload.Scanner) bool { _, ok := s.Text(); return ok },
		"a boolean": func(s *payload.Scanner) bool { _, ok := s.Bool(); return ok },
	} {
		s := payload.NewScanner(text)
		s.Open()
		for s.More() {
			kind := s.Kind()
			if ok := read(&s); ok != (kind.String() == name) {
				t.Errorf("reading %s as %s: %t", kind, name, ok)
			}
		}
		if err := s.End(); err != nil {
			t.Errorf("after reading all as %s: %v", name, err)
		}
	}
	s := payload.NewScanner([]byte(`"x"`))
	if s.Open() {
		t.Error("a string opened")
	}
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

func TestScannerKeepsItsFirstError(t *testing.T) {
	t.Parallel()
	s := payload.NewScanner([]byte(`{"a":tru3,"b":nope}`))
	s.Open()
	s.More()
	s.Name()
	s.Skip()
	for range 3 {
		if s.More() || s.Kind() != payload.Invalid || s.Open() || s.Name() != nil {
			t.Fatal("it went on after an error")
		}
		s.Skip()
		if err := s.End(); err == nil || err.Error() != "malformed JSON at byte 8: expected true" {
			t.Fatalf("got %v", err)
		}
	}
}

func TestScannerNoticesThatAValueIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	s := payload.NewScanner([]byte(`[1]`))
	s.Open()
	if err := s.End(); err == nil {
		t.Error("End inside a list is no error")
	}
}

func TestScannerAllocatesHardlyAnything(t *testing.T) {
	text := []byte(`{"a":1,"b":"x","c":[1,2,3,{"d":null}],"e":{"f":"gh"}}`)
	allocs := testing.AllocsPerRun(100, func() {
		s := payload.NewScanner(text)
		s.Skip()
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("got %.0f allocations, want at most 1", allocs)
	}
}

func TestKindNamesItself(t *testing.T) {
	t.Parallel()
	for kind, want := range map[payload.Kind]string{
		payload.Invalid: "no value", payload.Null: "null", payload.Bool: "a boolean", payload.Number: "a number",
		payload.String: "a string", payload.Object: "an object", payload.Array: "a list",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d: got %q, want %q", kind, got, want)
		}
	}
}
