package stack

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestSettingsRefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	for _, wrong := range []map[string]string{
		{"AMPRA_TEST_SERVERS": "podman"},
		{"AMPRA_TEST_GRACE": "10"},
		{"AMPRA_TEST_GRACE": "-1s"},
	} {
		if _, err := settingsFrom(environment(wrong)); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

func TestSettingsFollowTheEnvironment(t *testing.T) {
	t.Parallel()
	plain, err := settingsFrom(environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if plain.Mode != anyWay || plain.CI || plain.Grace != 15*time.Second {
		t.Errorf("an empty environment gives %+v", plain)
	}
	set, err := settingsFrom(environment(map[string]string{"AMPRA_TEST_SERVERS": "Local", "AMPRA_TEST_GRACE": "10m", "CI": "true"}))
	if err != nil {
		t.Fatal(err)
	}
	if set.Mode != onlyPrograms || !set.CI || set.Grace != 10*time.Minute {
		t.Errorf("a full environment gives %+v", set)
	}
	if set.State == plain.State {
		t.Error("tests that force a way share servers with tests that do not")
	}
}

func TestASharedFolderOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	parent := filepath.Join(t.TempDir(), "shared")
	cfg := settings{State: filepath.Join(parent, "1")}
	if err := cfg.makeState(); err != nil {
		t.Fatalf("a folder of our own was refused: %v", err)
	}
	if err := os.Chmod(parent, 0o777); err != nil { //nolint:gosec // what is tested
		t.Fatal(err)
	}
	if err := cfg.makeState(); err == nil {
		t.Error("a folder that everybody may write to was taken")
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(parent, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, parent); err != nil {
		t.Fatal(err)
	}
	if err := cfg.makeState(); err == nil {
		t.Error("a link to another folder was taken")
	}
}
