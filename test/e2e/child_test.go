package e2e

import (
	"os/exec"
	"testing"

	"ampra/test/child"
)

// spawn starts a command, and kills it at the end of the test if it still runs.
func spawn(t testing.TB, cmd *exec.Cmd) *child.Child {
	t.Helper()
	c, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// terminate asks a process to end.
func terminate(t testing.TB, c *child.Child) {
	t.Helper()
	if err := c.Terminate(); err != nil {
		t.Fatalf("asking the process to end: %v", err)
	}
}
