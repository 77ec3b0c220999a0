package telemetry_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

func TestAReadingInCanonicalNamesIsTakenWhole(t *testing.T) {
	t.Parallel()
	text := `{"timestamp":"2026-06-21T13:00:00.5+02:00","sourceId":"x","receivedAt":null`
	want := "2026-06-21T11:00:00.500Z"
	for f := range telemetry.Field(telemetry.NumFields) {
		text += fmt.Sprintf(`,%q:%d.25`, f.String(), f+1)
		want += fmt.Sprintf(" %s=%d.25", f, f+1)
	}
	report := decode(t, text+"}", intake())
	if got := only(t, report); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := milli(report.Readings[0].ReceivedAt); got != receivedAt {
		t.Errorf("received at %s", got)
	}
}

func TestWhatIsTakenOfAReading(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"acPowerWatts":612.4}`:                                                                       "acPowerWatts=612.4",
		` { "acPowerWatts" : -6.124e2 } `:                                                              "acPowerWatts=-612.4",
		`{"\u0061cPowerWatts":1}`:                                                                      "acPowerWatts=1",
		`{"acPowerWatts":-0.0,"loadPowerWatts":-0}`:                                                    "acPowerWatts=0 loadPowerWatts=0",
		`{"acPowerWatts":1e-400}`:                                                                      "acPowerWatts=0",
		`{"acPowerWatts":null,"loadPowerWatts":1}`:                                                     "loadPowerWatts=1",
		`{"acPowerWatts":1,"strings":null,"phases":null,"status":null}`:                                "acPowerWatts=1",
		`{"acPowerWatts":1,"strings":[],"phases":[],"status":{},"extra":{}}`:                           "acPowerWatts=1",
		`{"acPowerWatts":1,"extra":null,"timestamp":null,"time":null}`:                                 "acPowerWatts=1",
		`{"acPowerWatts":1,"receivedAt":"soon","sourceId":[{}]}`:                                       "acPowerWatts=1",
		`{"batteryStateOfChargePercent":100,"loadPowerWatts":0}`:                                       "loadPowerWatts=0 batteryStateOfChargePercent=100",
		`{"acPowerWatts":1,"name":"Roof","on":true,"a":[1],"b":{"c":1}}`:                               "acPowerWatts=1",
		`{"fanRpm":1200,"ACPowerWatts":5}`:                                                             "extra=[ACPowerWatts:5 fanRpm:1200]",
		`{"extra":{"fanRpm":1200,"acPowerWatts":5,"off":false,"x":null}}`:                              "extra=[acPowerWatts:5 fanRpm:1200]",
		`{"extra":{"a":1},"a":2}`:                                                                      "extra=[a:2]",
		`{"a":2,"b":3,"extra":{"a":1}}`:                                                                "extra=[a:1 b:3]",
		`{"extra":{"` + strings.Repeat("ä", 64) + `":1}}`:                                              "extra=[" + strings.Repeat("ä", 64) + ":1]",
		`{"a.b":1,"$c":2," d ":3,"_id":4}`:                                                             "extra=[ d :3 $c:2 _id:4 a.b:1]",
		`{"text":"` + strings.Repeat("x", 64<<10) + `","acPowerWatts":1}`:                              "acPowerWatts=1",
		`{"a":` + strings.Repeat(`[{"a":`, 15) + "1" + strings.Repeat("}]", 15) + `,"acPowerWatts":1}`: "acPowerWatts=1",
	} {
		if got := only(t, decode(t, text, intake())); got != defaultTime+" "+want {
			t.Errorf("%.80s:\ngot  %s\nwant %s %s", text, got, defaultTime, want)
		}
	}
}

func TestAFieldThatCannotBeIsLeftOutAndNamed(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]string{
		`"acPowerWatts":"612.4"`:                      "acPowerWatts must be a number",
		`"acPowerWatts":true`:                         "acPowerWatts must be a number",
		`"acPowerWatts":[1]`:                          "acPowerWatts must be a number",
		`"acPowerWatts":{"value":1}`:                  "acPowerWatts must be a number",
		`"acPowerWatts":1e400`:                        "acPowerWatts must be between -100000000 and 100000000 W",
		`"acPowerWatts":100000001`:                    "acPowerWatts must be between -100000000 and 100000000 W",
		`"loadPowerWatts":-0.1`:                       "loadPowerWatts must be between 0 and 100000000 W",
		`"batteryStateOfChargePercent":150`:           "batteryStateOfChargePercent must be between 0 and 100 %",
		`"batteryStateOfChargePercent":-1`:            "batteryStateOfChargePercent must be between 0 and 100 %",
		`"inverterTemperatureCelsius":3000`:           "inverterTemperatureCelsius must be between -100 and 300 °C",
		`"gridFrequencyHertz":5001`:                   "gridFrequencyHertz must be between 0 and 1000 Hz",
		`"energyTotalKwh":-1`:                         "energyTotalKwh must be between 0 and 10000000000 kWh",
		`"energyTotalKwh":1e10000000000000`:           "energyTotalKwh must be between 0 and 10000000000 kWh",
		`"fanRpm":1e400`:                              "fanRpm is too large a number",
		`"extra":{"fanRpm":-1e400}`:                   "fanRpm is too large a number",
		`"extra":[1]`:                                 "extra must be an object of numbers",
		`"extra":5`:                                   "extra must be an object of numbers",
		`"strings":{}`:                                "strings must be a list of objects",
		`"phases":"3"`:                                "phases must be a list of objects",
		`"strings":[{"powerWatts":"1"}]`:              "strings[0].powerWatts must be a number",
		`"strings":[{},{"voltageVolts":1e7}]`:         "strings[1].voltageVolts must be between -1000000 and 1000000 V",
		`"phases":[{"currentAmperes":-1e400}]`:        "phases[0].currentAmperes must be between -1000000 and 1000000 A",
		`"phases":[null,null,[]]`:                     "phases[2] must be an object",
		`"phases":[` + lines(33) + `]`:                "phases must have at most 32 entries",
		`"status":true`:                               "status must be an object with code and text, a whole number or a string",
		`"status":[]`:                                 "status must be an object with code and text, a whole number or a string",
		`"status":1.5`:                                "status must be a whole number",
		`"status":{"code":"1"}`:                       "status.code must be a whole number",
		`"status":{"code":1e400}`:                     "status.code must be a whole number",
		`"status":{"text":1}`:                         "status.text must be a string",
		`"status":"` + strings.Repeat("ä", 201) + `"`: "status must have at most 200 characters",
		`"status":{"text":"a\u0000b"}`:                "status.text must not hold the character U+0000",
	} {
		report := decode(t, `[{"ts":1782000000,"gridPowerWatts":1},{`+member+`,"gridPowerWatts":7}]`, intake())
		if len(report.Readings) != 2 || len(report.Rejected) != 0 || len(report.Warnings) != 1 {
			t.Errorf("%.60s: got %+v, want both readings and one warning", member, report)
			continue
		}
		if got := describe(report.Readings[1]); got != defaultTime+" gridPowerWatts=7" {
			t.Errorf("%.60s: got %s", member, got)
		}
		w := report.Warnings[0]
		if got := w.Field + " " + w.Reason; got != want || w.Index != 1 {
			t.Errorf("%.60s: got %q for reading %d, want %q for 1", member, got, w.Index, want)
		}
		// With nothing else in it the reading is refused, and the reason says why.
		report = decode(t, `{`+member+`}`, intake())
		reason := "there is nothing in it that can be taken: " + want
		if len(report.Readings)+len(report.Warnings) > 0 || !reflect.DeepEqual(report.Rejected, []telemetry.Rejection{{Reason: reason}}) {
			t.Errorf("%.60s alone: got %+v", member, report)
		}
	}
}

func lines(n int) string { return strings.Repeat(`{"powerWatts":1},`, n-1) + `{"powerWatts":1}` }

func TestExtraIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range telemetry.MaxExtra + 10 {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	report := decode(t, `{`+b.String()+`"extra":{"n0":-1,"new":1},"acPowerWatts":1}`, intake())
	if len(report.Readings) != 1 || len(report.Warnings) != 0 || report.DroppedExtra != 11 {
		t.Fatalf("got %+v", report)
	}
	r := report.Readings[0]
	if len(r.Extra) != telemetry.MaxExtra || r.Extra["n0"] != -1 || r.Extra["n63"] != 63 {
		t.Errorf("got %v", r.Extra)
	}
	if _, ok := r.Values.Get(telemetry.ACPowerWatts); !ok {
		t.Error("what follows too many extra names is lost")
	}
	for _, name := range []string{"", strings.Repeat("ä", 65), `a\u0000b`, `\n`, `\u007f`, `\u0085`} {
		report := decode(t, `{"`+name+`":1,"acPowerWatts":1}`, intake())
		if len(report.Readings) != 1 || report.Readings[0].Extra != nil || report.DroppedExtra != 1 {
			t.Errorf("%.20q: got %+v", name, report)
		}
	}
}

func TestNumbersThatAreTooLargeTakeTheirPlaceInExtra(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `"n%d":1e400,`, i)
	}
	report := decode(t, `[{`+b.String()+`"acPowerWatts":1},{"ts":1782000000,"a":1}]`, intake())
	if len(report.Readings) != 2 || len(report.Warnings) != telemetry.MaxExtra || report.DroppedExtra != 1000-telemetry.MaxExtra {
		t.Errorf("got %d readings, %d warnings, %d dropped", len(report.Readings), len(report.Warnings), report.DroppedExtra)
	}
}

func TestStringsAndPhases(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[{"voltageVolts":344.6,"currentAmperes":6.1,"powerWatts":2102}]`: "344.6/6.1/2102",
		`[{"powerWatts":1},{},null,{"voltageVolts":null,"powerWatts":2}]`: "-/-/1;-/-/-;-/-/-;-/-/2",
		`[{"currentAmperes":-5.5,"name":"L1","x":[{"powerWatts":9}]}]`:    "-/-5.5/-",
		`[` + lines(32) + `]`: strings.Repeat("-/-/1;", 31) + "-/-/1",
	} {
		for _, field := range []string{"strings", "phases"} {
			got := only(t, decode(t, `{"`+field+`":`+text+`}`, intake()))
			if want := defaultTime + " " + field + "=" + want; got != want {
				t.Errorf("%.60s:\ngot  %s\nwant %s", text, got, want)
			}
		}
	}
	both := `{"strings":[{"powerWatts":1},{"powerWatts":2}],"phases":[{"voltageVolts":3}]}`
	r := decode(t, both, intake()).Readings[0]
	if got := describeLines(r.Strings) + " " + describeLines(r.Phases); got != "-/-/1;-/-/2 3/-/-" {
		t.Errorf("got %s", got)
	}
	// An entry of a wrong type keeps its place: the others keep their numbers.
	report := decode(t, `{"phases":[{"powerWatts":1},7,{"powerWatts":"x","voltageVolts":3}]}`, intake())
	if len(report.Warnings) != 2 || len(report.Readings) != 1 || describeLines(report.Readings[0].Phases) != "-/-/1;-/-/-;3/-/-" {
		t.Errorf("got %+v", report)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`7`:                                  "7,-",
		`-9223372036854775808`:               "-9223372036854775808,-",
		`"läuft"`:                            `-,"läuft"`,
		`""`:                                 `-,""`,
		`{"code":7,"text":"ok"}`:             `7,"ok"`,
		`{"code":7.0,"other":[{}]}`:          "7,-",
		`{"text":"a\nb","code":null}`:        `-,"a\nb"`,
		`"` + strings.Repeat("ä", 200) + `"`: "-," + strconv.Quote(strings.Repeat("ä", 200)),
	} {
		if got := only(t, decode(t, `{"status":`+text+`}`, intake())); got != defaultTime+" status="+want {
			t.Errorf("%.60s: got %s, want %s", text, got, want)
		}
	}
}

func TestAListKeepsItsGoodReadings(t *testing.T) {
	t.Parallel()
	report := decode(t, `[
		{"ts":1782000000,"acPowerWatts":1},
		7, "x", null, true, [{"acPowerWatts":1}], {},
		{"ts":1782000000,"acPowerWatts":2},
		{"ts":1,"acPowerWatts":3},
		{"acPowerWatts":4},
		{"acPowerWatts":5},
		{"ts":1781999999.5,"acPowerWatts":"6","loadPowerWatts":6}]`, intake())
	got := make([]string, 0, len(report.Readings))
	for _, r := range report.Readings {
		got = append(got, describe(r))
	}
	want := []string{
		"2026-06-21T00:00:00.000Z acPowerWatts=1", "2026-06-21T00:00:00.000Z acPowerWatts=2", defaultTime + " acPowerWatts=4",
		"2026-06-20T23:59:59.500Z loadPowerWatts=6",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantRejected := []telemetry.Rejection{
		{Index: 1, Reason: "must be an object, not a number"},
		{Index: 2, Reason: "must be an object, not a string"},
		{Index: 3, Reason: "must be an object, not null"},
		{Index: 4, Reason: "must be an object, not a boolean"},
		{Index: 5, Reason: "must be an object, not a list"},
		{Index: 6, Reason: "there is nothing in it that can be taken"},
		{Index: 8, Reason: "ts is out of the allowed range, 2000-01-01T00:00:00Z until 2026-06-21T12:15:00.123Z"},
		{Index: 10, Reason: "it has no timestamp; in a list only one reading may lack it"},
	}
	if !reflect.DeepEqual(report.Rejected, wantRejected) {
		t.Errorf("got %+v", report.Rejected)
	}
	if want := []telemetry.Warning{{Index: 11, Field: "acPowerWatts", Reason: "must be a number"}}; !reflect.DeepEqual(report.Warnings, want) {
		t.Errorf("got %+v", report.Warnings)
	}
}

func TestTheFirstReadingOfAListThatIsTakenMayLackATime(t *testing.T) {
	t.Parallel()
	report := decode(t, `[{},{"acPowerWatts":"x"},{"acPowerWatts":1,"ts":null},{"acPowerWatts":2,"ts":1782000000},{"acPowerWatts":3}]`, intake())
	if len(report.Readings) != 2 || describe(report.Readings[0]) != defaultTime+" acPowerWatts=1" {
		t.Errorf("got %+v", report.Readings)
	}
	if len(report.Rejected) != 3 || report.Rejected[2].Index != 4 {
		t.Errorf("got %+v", report.Rejected)
	}
}

func TestADeliveryHoldsTenThousandReadings(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		return "[" + strings.Repeat(`{"ts":1782000000,"acPowerWatts":1},`, n-1) + `{"ts":1782000000,"acPowerWatts":1}]`
	}
	if report := decode(t, many(10_000), intake()); len(report.Readings) != 10_000 {
		t.Errorf("got %d readings", len(report.Readings))
	}
	report, err := telemetry.Decode([]byte(many(10_001)), intake())
	if !fault.Is(err, fault.TooLarge) || !reflect.DeepEqual(report, telemetry.Report{}) {
		t.Errorf("got %v", err)
	}
	// What is refused counts too.
	if _, err := telemetry.Decode([]byte("["+strings.Repeat("1,", 10_000)+"1]"), intake()); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoReadingAtAllIsRefusedWhole(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                    "malformed JSON at byte 0: expected a value, but it ends here",
		`{"acPowerWatts":12`:                  "malformed JSON at byte 18: expected ',' or '}', but it ends here",
		`{"acPowerWatts":1}x`:                 "malformed JSON at byte 18: expected the end",
		`{"acPowerWatts":NaN}`:                "malformed JSON at byte 16: expected a value",
		`{"acPowerWatts":-Infinity}`:          "malformed JSON at byte 17: expected a digit",
		`{"acPowerWatts":1,"acPowerWatts":2}`: "malformed JSON at byte 18: the name stands twice in its object",
		`[{"ts":1782000000,"acPowerWatts":1},{"ts":1782000001 "acPowerWatts":1}]`: "malformed JSON at byte 53: expected ',' or '}'",
		`[{"acPowerWatts":1},[1,]]`:      "malformed JSON at byte 23: expected a value",
		"{\"status\":\"l\xe4uft\"}":      "malformed JSON at byte 12: it is not valid UTF-8",
		strings.Repeat("[", 100_000):     "malformed JSON at byte 32: it is nested deeper than 32 levels",
		strings.Repeat(`{"a":`, 100_000): "malformed JSON at byte 160: it is nested deeper than 32 levels",
		`[]`:                             "The list of readings is empty.",
		`5`:                              "Expected a reading (an object) or a list of readings, not a number.",
		`"x"`:                            "Expected a reading (an object) or a list of readings, not a string.",
		`null`:                           "Expected a reading (an object) or a list of readings, not null.",
		`true x`:                         "malformed JSON at byte 5: expected the end",
		`hello`:                          "malformed JSON at byte 0: expected a value",
	} {
		report, err := telemetry.Decode([]byte(text), intake())
		if !fault.Is(err, fault.Invalid) || err.Error() != want {
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
		if !reflect.DeepEqual(report, telemetry.Report{}) {
			t.Errorf("%.60q: got a report beside the error: %+v", text, report)
		}
	}
}

func TestAReportOfNothingIsNoError(t *testing.T) {
	t.Parallel()
	for text, rejected := range map[string]int{`{}`: 1, `[{},{}]`: 2, `[1]`: 1, `{"ts":1782000000}`: 1, `{"name":"x"}`: 1} {
		report := decode(t, text, intake())
		if len(report.Readings) != 0 || len(report.Rejected) != rejected {
			t.Errorf("%s: got %+v", text, report)
		}
	}
}

func TestAReadingKeepsNothingOfThePayload(t *testing.T) {
	t.Parallel()
	data := []byte(`{"status":"running","fanRpm":1,"\u0066an":2,"strings":[{"powerWatts":1}]}`)
	report, err := telemetry.Decode(data, intake())
	if err != nil {
		t.Fatal(err)
	}
	want := describe(report.Readings[0])
	for i := range data {
		data[i] = 'x'
	}
	if got := describe(report.Readings[0]); got != want {
		t.Errorf("got %s after the payload's buffer was used again, want %s", got, want)
	}
}

func TestAUsualPayloadTakesFewAllocations(t *testing.T) {
	data, in := []byte(usual), benchmarkIntake()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := telemetry.Decode(data, in); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 20 {
		t.Errorf("got %.0f allocations, want at most 20", allocs)
	}
}
