package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProgramIsTakenFromThePath(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "ampra-fetch")
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got := Program(t, "ampra-fetch", "no-such-package"); got != want {
		t.Errorf("got %q, want %s", got, want)
	}
}

func TestAProgramThatCanNotBeHadSkipsAndFailsOnlyUnderCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("AMPRA_TEST_SERVERS", "none")
	ask := func(t testing.TB) { Program(t, "ampra-fetch", "ampra-tools") }
	t.Setenv("CI", "")
	if got, _ := record(ask); !strings.Contains(got.skipped, "ampra-fetch") || !strings.Contains(got.skipped, "ampra-tools") {
		t.Errorf("skipped with %q and failed with %q, want it skipped with the program and its package", got.skipped, got.failed)
	}
	t.Setenv("CI", "true")
	if got, _ := record(ask); !strings.Contains(got.failed, "ampra-fetch") {
		t.Errorf("skipped with %q and failed with %q under CI, want it failed", got.skipped, got.failed)
	}
}
