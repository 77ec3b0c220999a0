package telemetry_test

import (
	"strings"
	"testing"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

func named(name string) telemetry.Intake {
	in := intake()
	in.Name = name
	return in
}

func TestAScalarIsTheValueOfItsTopicsField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"acPowerWatts", `612.4`, "acPowerWatts=612.4"},
		{"acPowerWatts", "  612.4\r\n", "acPowerWatts=612.4"},
		{"acPowerWatts", `"612.4"`, "acPowerWatts=612.4"},
		{"acPowerWatts", ` " 612.4 " `, "acPowerWatts=612.4"},
		{"acPowerWatts", `1e+03`, "acPowerWatts=1000"},
		{"acPowerWatts", `+007.50`, "acPowerWatts=7.5"},
		{"acPowerWatts", `-.5`, "acPowerWatts=-0.5"},
		{"acPowerWatts", `5.`, "acPowerWatts=5"},
		{"acPowerWatts", `-0`, "acPowerWatts=0"},
		{"fan/rpm", `1200`, "extra=[fan/rpm:1200]"},
		{"status", `7`, "status=7,-"},
		{"status", `online`, `status=-,"online"`},
		{"status", `"running \u00e4"`, `status=-,"running ä"`},
		{"status", `1.5`, `status=-,"1.5"`},
		{"status", `true`, `status=-,"true"`},
		{"acPowerWatts", `{"loadPowerWatts":5}`, "loadPowerWatts=5"},
		{"pv", ` {"value":936}`, "extra=[value:936]"},
		{"pv", `[{"loadPowerWatts":5}]`, "loadPowerWatts=5"},
	} {
		if got := only(t, decode(t, c.text, named(c.name))); got != defaultTime+" "+c.want {
			t.Errorf("%s %s: got %s, want %s", c.name, c.text, got, c.want)
		}
	}
}

func TestAScalarThatIsNoValueIsRejected(t *testing.T) {
	t.Parallel()
	const number = "must be a number"
	for _, c := range []struct{ name, text, want string }{
		{"acPowerWatts", ``, "there is no value"},
		{"acPowerWatts", " \n", "there is no value"},
		{"acPowerWatts", `null`, "there is no value"},
		{"acPowerWatts", `""`, "there is no value"},
		{"acPowerWatts", `online`, number},
		{"acPowerWatts", `true`, number},
		{"acPowerWatts", `false`, number},
		{"acPowerWatts", `NaN`, number},
		{"acPowerWatts", `-Inf`, number},
		{"acPowerWatts", `infinity`, number},
		{"acPowerWatts", `0x10`, number},
		{"acPowerWatts", `0x1p4`, number},
		{"acPowerWatts", `1_000`, number},
		{"acPowerWatts", `0,5`, number},
		{"acPowerWatts", `52.3 W`, number},
		{"acPowerWatts", `5 5`, number},
		{"acPowerWatts", `1e`, number},
		{"acPowerWatts", `1e5e5`, number},
		{"acPowerWatts", `1e5.5`, number},
		{"acPowerWatts", `--5`, number},
		{"acPowerWatts", `5-5`, number},
		{"acPowerWatts", `.`, number},
		{"acPowerWatts", `1.2.3`, number},
		{"acPowerWatts", "\xff\xfe", number},
		{"acPowerWatts", strings.Repeat("x", 64<<10), number},
		{"acPowerWatts", `1e400`, "must be between -100000000 and 100000000 W"},
		{"batteryStateOfChargePercent", `150`, "must be between 0 and 100 %"},
		{"fanRpm", `1e400`, "is too large a number"},
		{"fanRpm", `fast`, number},
		{"status", "l\xe4uft", "must be valid UTF-8"},
		{"status", strings.Repeat("x", 201), "must have at most 200 characters"},
		{"status", "a\x00b", "must not hold the character U+0000"},
		{"ts", `1782043200`, "a time or a name alone is no reading"},
		{"sourceId", `7`, "a time or a name alone is no reading"},
		{"strings", `7`, "must be an object or a list"},
		{"extra", `7`, "must be an object or a list"},
		{strings.Repeat("x", 65), `7`, "the topic is too long for a field's name"},
	} {
		report := decode(t, c.text, named(c.name))
		if len(report.Readings) != 0 || len(report.Warnings) != 0 || len(report.Rejected) != 1 {
			t.Errorf("%s %.40q: got %+v, want a rejection", c.name, c.text, report)
			continue
		}
		if got := report.Rejected[0]; got.Reason != c.want || got.Index != 0 {
			t.Errorf("%s %.40q: got %q, want %q", c.name, c.text, got.Reason, c.want)
		}
	}
}

func TestATopicsPayloadThatBeginsLikeJSONMustBeJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"612.4`:    `malformed JSON at byte 6: expected '"', but it ends here`,
		`"a" "b"`:   "malformed JSON at byte 4: expected the end",
		`{"a":1`:    "malformed JSON at byte 6: expected ',' or '}', but it ends here",
		` [1,2`:     "malformed JSON at byte 5: expected ',' or ']', but it ends here",
		"\"l\xe4\"": "malformed JSON at byte 2: it is not valid UTF-8",
	} {
		if _, err := telemetry.Decode([]byte(text), named("status")); !fault.Is(err, fault.Invalid) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}
