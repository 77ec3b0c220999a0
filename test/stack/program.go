package stack

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Program returns the path of a command-line program, such as those that a guide
// tells its readers to use. As root on Debian the package is installed when it is
// not there; where the program can't be had the test is skipped, and fails with
// CI=true.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	if path := onPath([]string{name}); path != "" {
		return path
	}
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		t.Fatalf("looking for %s: %v", name, err)
	}
	path, err := "", missing("AMPRA_TEST_SERVERS=none installs nothing")
	if cfg.Mode != noServers {
		p := &programs{folder: cfg.Cache}
		path, err = p.need(t.Context(), func(line string) {
			fmt.Fprintln(os.Stderr, "stack: "+line)
		}, name, func() string { return onPath([]string{name}) }, debianPackage)
	}
	var m missingError
	switch {
	case err == nil:
	case !errors.As(err, &m):
		t.Fatalf("%s cannot be had: %v", name, err)
	case cfg.CI:
		t.Fatalf("no %s, and CI=true forbids to skip: %v (docs/testing.md)", name, err)
	default:
		t.Skipf("no %s: %v; install it (Debian: %s)", name, err, debianPackage)
	}
	return path
}
