package cli

import (
	"regexp"
	"testing"

	"ampra/test/stack"
)

func TestMigrateListsTheRecordsAndTheFileOfReadings(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	run := func(act string, want ...string) {
		t.Helper()
		out := &screen{}
		if code := Run(t.Context(), []string{"migrate", act, "--data=" + data}, "v-test", out, out); code != ExitOK {
			t.Fatalf("migrate %s: code %d, said %s", act, code, out)
		}
		for _, line := range want {
			if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(out.String()) {
				t.Errorf("migrate %s does not say %s but\n%s", act, line, out)
			}
		}
	}
	const when = `20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ`
	run("status", `records +0001 +identity +not applied`, `telemetry +0001 +reading +not applied`)
	run("up", `records +0001 +identity +`+when, `records +0012 +dead_letter +`+when, `telemetry +0001 +reading +`+when)
	run("down", `records +0001 +identity +`+when, `records .* not applied`, `telemetry +0001 +reading +`+when)
	run("status", `records .* not applied`, `telemetry +0001 +reading +`+when)
}

func TestMigrateSpeaksOfNoFileWhereMongoDBKeepsTheReadings(t *testing.T) {
	t.Parallel()
	mongo, database := stack.Mongo(t)
	out := &screen{}
	code := Run(t.Context(), []string{"migrate", "status", "--data=" + t.TempDir(), "--mongo-url=" + mongo, "--mongo-database=" + database}, "v-test", out, out)
	if code != ExitOK || regexp.MustCompile(`(?m)^telemetry`).MatchString(out.String()) {
		t.Errorf("code %d, said %s", code, out)
	}
}
