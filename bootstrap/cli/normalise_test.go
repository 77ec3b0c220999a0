package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNormaliseSaysWhatItUnderstoodAndWhy(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "payload")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	grott := file(`{"device":"N","time":"2026-06-14T12:00:05","buffered":"no","values":{"pvserial":"N","pvpowerin":12345,"spare":7}}`)
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"a vendor's payload, with its local time": {
			[]string{"--zone", "Europe/Berlin", grott},
			ExitOK,
			[]string{"format: grott", "2026-06-14T10:00:05.000Z", "solarPowerWatts", "1234.5", "values.pvpowerin", "no rule"},
		},
		"without a zone":            {[]string{grott}, ExitOK, []string{"warning 0: time is a local time without a zone"}},
		"general rules":             {[]string{"--profile", "general", file(`{"values":{"pvserial":"N","pv_power":5},"buffered":"no"}`)}, ExitOK, []string{"format: none"}},
		"a line":                    {[]string{file("m,t=1 pv_power=5,grid_power_kw=-1 1756123456000000000")}, ExitOK, []string{"influx line", "gridPowerWatts", "-1000"}},
		"a value of its own topic":  {[]string{"--topic", "roof/pv_power", file("612.4")}, ExitOK, []string{"solarPowerWatts", "612.4"}},
		"nothing that can be taken": {[]string{file(`{"note":"x"}`)}, ExitError, []string{"rejected 0", "nothing was understood"}},
		"what is no JSON":           {[]string{file(`{"a":`)}, ExitError, []string{"at byte 5"}},
		"no file":                   {[]string{filepath.Join(t.TempDir(), "none")}, ExitError, []string{"no such file"}},
		"an unknown zone":           {[]string{"--zone", "Europe/Nowhere", grott}, ExitError, []string{"--zone"}},
		"an unknown profile":        {[]string{"--profile", "x", grott}, ExitError, []string{"--profile must be one of: ahoydtu"}},
		"the profiles":              {[]string{"--profile", "list"}, ExitOK, []string{"canonical\n", "tasmota\n"}},
		"the accuracy": {
			[]string{"--accuracy", filepath.Join("..", "..", "core", "payload", "testdata")}, ExitOK, []string{"vendor", "missing", "grott", "all"},
		},
	} {
		var out bytes.Buffer
		code := Run(t.Context(), append([]string{"normalise"}, c.args...), "test", &out, &out)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, c.code, out.String())
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out.String())
			}
		}
	}
}
