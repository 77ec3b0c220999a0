package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Not parallel: it sets the environment.
func TestAFlagWinsOverTheEnvironmentOverTheFileOverTheDefault(t *testing.T) {
	for _, c := range []struct {
		kind, setting, initial     string
		file, environment, flag    string // as they are written
		fromFile, fromEnv, fromArg string // as they are shown; "" for as they are written
	}{
		{kind: "text", setting: "kafka.topic.prefix", initial: "ampra", file: "one", environment: "two", flag: "three"},
		{kind: "a word of several", setting: "log.level", initial: "info", file: "debug", environment: "warn", flag: "error"},
		{kind: "a whole number", setting: "kafka.partitions", initial: "12", file: "3", environment: "4", flag: "5"},
		{kind: "a fraction", setting: "trace.ratio", initial: "0.01", file: "0.5", environment: "0.25", flag: "1"},
		{kind: "a duration", setting: "mqtt.session.expiry", initial: "1d", file: "36h", environment: "2d", flag: "90m", fromFile: "1d12h", fromArg: "1h30m"},
		{kind: "yes or no", setting: "mqtt.leave", initial: "false", file: "true", environment: "false", flag: "true"},
		{kind: "a list", setting: "kafka.brokers", initial: "", file: "[a:1, b:2]", environment: "c:3,d:4", flag: "e:5", fromFile: "a:1,b:2"},
		{kind: "an address that may be empty", setting: "mqtt.listen", initial: ":1883", file: `":1"`, environment: "", flag: ":3", fromFile: ":1"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			words := strings.ReplaceAll(c.setting, ".", "-")
			variable := "AMPRA_" + strings.ToUpper(strings.ReplaceAll(words, "-", "_"))
			if had, set := os.LookupEnv(variable); set {
				t.Fatalf("the environment has %s=%s", variable, had)
			}
			file := filepath.Join(t.TempDir(), "ampra.yaml")
			if err := os.WriteFile(file, []byte(c.setting+": "+c.file+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			expect := func(value, written, from string, args ...string) {
				t.Helper()
				if value == "" {
					value = written
				}
				out := &screen{}
				if code := Run(t.Context(), append([]string{"config", "--data=" + t.TempDir()}, args...), "v-test", out, out); code != ExitOK {
					t.Fatalf("code %d, said %s", code, out)
				}
				row := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(c.setting) + ` +` + variable + ` +(\S*) +(flag|environment|file|default) `).FindStringSubmatch(out.String())
				if row == nil || row[1] != value || row[2] != from {
					t.Errorf("%v: it is %q, want %q from the %s", args, row, value, from)
				}
			}
			expect("", c.initial, "default")
			expect(c.fromFile, c.file, "file", "--config="+file)
			t.Setenv(variable, c.environment)
			expect(c.fromEnv, c.environment, "environment", "--config="+file)
			expect(c.fromArg, c.flag, "flag", "--config="+file, "--"+words+"="+c.flag)
		})
	}
}
