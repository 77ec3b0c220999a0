package e2e

import (
	"os"
	"os/exec"
	"testing"

	"ampra/test/stack"
)

// sh is a terminal in which a reader pastes what a guide says.
type sh struct {
	t      testing.TB
	folder string
}

// tool is a program that a guide uses, and Debian's package that has it.
type tool struct{ program, debian string }

// shell opens a terminal in a folder, where these tools are to be had.
func shell(t testing.TB, folder string, tools ...tool) *sh {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh on this machine")
	}
	for _, one := range tools {
		stack.Program(t, one.program, one.debian)
	}
	return &sh{t: t, folder: folder}
}

// run pastes lines and returns what they print.
func (s *sh) run(lines string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", lines)
	cmd.Dir, cmd.Env = s.folder, os.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%s\nended with %v: %s", lines, err, out)
	}
	return string(out)
}
