package payload_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ampra/core/payload"
)

// readTopics reads a fixture of lines: a topic, spaces, its payload.
func readTopics(t testing.TB, file string) []payload.Value {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values []payload.Value
	for line := range strings.Lines(string(data)) {
		topic, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		values = append(values, payload.Value{Topic: topic, Payload: []byte(strings.TrimLeft(value, " "))})
	}
	return values
}

// TestValuesOnTopicsAreUnderstoodTogetherAsTheirGoldenFileSays reads
// testdata/VENDOR/CASE.topics; UPDATE_GOLDEN=1 writes the golden files anew.
func TestValuesOnTopicsAreUnderstoodTogetherAsTheirGoldenFileSays(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.topics")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".topics")
		t.Run(strings.TrimPrefix(base, "testdata/"), func(t *testing.T) {
			t.Parallel()
			o := payload.Options{Received: received(), Zone: berlin(t)}
			values := readTopics(t, file)
			got := describe(payload.NormaliseTopics(values, o), nil)
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
			slices.Reverse(values)
			if fields(payload.NormaliseTopics(values, o)) != fields(payload.NormaliseTopics(readTopics(t, file), o)) {
				t.Error("their order makes a difference")
			}
		})
	}
}

// fields is what the only sample has of canonical fields.
func fields(r payload.Result) [2][payload.NumFields]float64 {
	var all [2][payload.NumFields]float64
	for _, s := range r.Samples {
		for f := range payload.Field(payload.NumFields) {
			number, known := s.Get(f)
			all[0][f] = number
			if known {
				all[1][f] = 1
			}
		}
	}
	return all
}

func TestWhatIsOneValueIsToldFromReadings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "12.5": true, "online": true, `"52.30"`: true, "null": true, `{"value":936}`: true, ` { "value" : null }`: true,
		`{"pv_power":1}`: false, `[{"value":1}]`: false, `{"v":1}`: false, "{": false,
		`[230,231]`: true, `[]`: false, `[1,{"pv_power":2}]`: false, `[[0,"roof",{"power":1}]]`: false, `[1,2`: false, `["a",null,3]`: true,
	} {
		if got := payload.IsValue([]byte(text)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestValuesThatTellNothingMakeNoSample(t *testing.T) {
	t.Parallel()
	got := payload.NormaliseTopics([]payload.Value{
		{Topic: "solar/dtu/hostname", Payload: []byte("OpenDTU")},
		{Topic: "0/power"},
		{Topic: "x", Payload: []byte("null")},
		{Topic: "y", Payload: []byte("nan")},
		{Topic: "z", Payload: []byte(`{"value":null}`)},
		{Topic: "w", Payload: []byte(`{"value"`)},
	}, payload.Options{Received: received()})
	if len(got.Samples) != 0 || len(got.Rejected) != 0 {
		t.Errorf("got %+v", got)
	}
}

func FuzzNormaliseTopics(f *testing.F) {
	f.Add([]byte("solar/1/0/power 612.4\nsolar/1/0/yieldday 1834\nsolar/1/1/power 3"), int64(0))
	f.Add([]byte("N/c/system/0/Dc/Battery/Power {\"value\":-310}\na/state 1\na/state/state 2"), int64(3))
	f.Add([]byte("battery_1/power/state 1\nbattery_2/power 2\n/// x\n. 1\n_ 1"), int64(1))
	f.Fuzz(func(t *testing.T, data []byte, _ int64) {
		var values []payload.Value
		for line := range bytes.Lines(data) {
			topic, value, _ := strings.Cut(string(line), " ")
			values = append(values, payload.Value{Topic: topic, Payload: []byte(value)})
		}
		got := payload.NormaliseTopics(values, payload.Options{Received: received()})
		if len(got.Samples) > 1 || len(got.Rejected) > 0 {
			t.Errorf("got %d samples, %d rejected", len(got.Samples), len(got.Rejected))
		}
	})
}
