package payload_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ampra/core/payload"
)

// received is half a minute after noon in Berlin on the day of the fixtures.
func received() time.Time { return time.Date(2026, time.June, 14, 10, 0, 30, 0, time.UTC) }

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestEveryFixtureIsUnderstoodAsItsGoldenFileSays reads testdata/VENDOR/CASE.json
// (or .txt for what is not JSON) on the topic in CASE.topic, if there is one.
// UPDATE_GOLDEN=1 writes the golden files anew.
func TestEveryFixtureIsUnderstoodAsItsGoldenFileSays(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		ext := filepath.Ext(file)
		if ext != ".json" && ext != ".txt" {
			continue
		}
		found++
		base := strings.TrimSuffix(file, ext)
		t.Run(strings.TrimPrefix(base, "testdata/"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			topic, _ := os.ReadFile(base + ".topic")
			o := payload.Options{Received: received(), Zone: berlin(t), Name: strings.TrimSpace(string(topic))}
			got := describe(payload.Normalise(data, o))
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(base+".golden", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(base + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	if found < 40 {
		t.Errorf("found %d fixtures only", found)
	}
}

// describe writes a result for people: a line a value, with the rule that gave
// it and the name from which it came.
func describe(r payload.Result, err error) string {
	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "refused: %v\n", err)
		return b.String()
	}
	fmt.Fprintf(&b, "profile: %s\n", orNone(r.Profile))
	for i := range r.Samples {
		describeSample(&b, &r.Samples[i])
	}
	for _, p := range r.Rejected {
		fmt.Fprintf(&b, "\nrejected %d: %s\n", p.Index, p.Reason)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(&b, "\nwarning %d: %s %s\n", p.Index, p.Field, p.Reason)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "\ndropped: %d\n", r.Dropped)
	}
	return b.String()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func describeSample(b *strings.Builder, s *payload.Sample) {
	at := "none"
	if s.Timed {
		at = time.UnixMilli(s.Milli).UTC().Format("2006-01-02T15:04:05.000Z") + " from " + orNone(s.TimeFrom)
	}
	fmt.Fprintf(b, "\nsample %d, time: %s\n", s.Index, at)
	if s.Replayed {
		b.WriteString("  replayed\n")
	}
	for f := range payload.Field(payload.NumFields) {
		if v, ok := s.Get(f); ok {
			fmt.Fprintf(b, "  %-28s %12.10g%s\n", f, v, from(s, f.String()))
		}
	}
	describeLines(b, s, "strings", s.Strings)
	describeLines(b, s, "phases", s.Phases)
	if s.Status.HasCode {
		fmt.Fprintf(b, "  %-28s %12d%s\n", "status.code", s.Status.Code, from(s, "status.code"))
	}
	if s.Status.HasText {
		fmt.Fprintf(b, "  %-28s %12q%s\n", "status.text", s.Status.Text, from(s, "status.text"))
	}
	for _, e := range s.Extra {
		fmt.Fprintf(b, "  extra %-22s %12.10g\n", e.Name, e.Number)
	}
}

func describeLines(b *strings.Builder, s *payload.Sample, name string, lines []payload.Line) {
	for i, line := range lines {
		fmt.Fprintf(b, "  %s[%d]", name, i)
		for part, unit := range []string{"V", "A", "W"} {
			if line.Known[part] {
				fmt.Fprintf(b, " %.10g %s", line.Number[part], unit)
			}
		}
		b.WriteByte('\n')
	}
}

// from tells which rule gave a field.
func from(s *payload.Sample, field string) string {
	var rules, names []string
	note := ""
	for _, g := range s.Given {
		if g.Field() != field {
			continue
		}
		if !slices.Contains(rules, g.Rule) {
			rules = append(rules, g.Rule)
		}
		names = append(names, g.From)
		if g.Assumed {
			note = ", assumed"
		}
	}
	if rules == nil {
		return ""
	}
	return "  <- " + strings.Join(names, " + ") + " (" + strings.Join(rules, ", ") + note + ")"
}
