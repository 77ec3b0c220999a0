// Package e2e runs the true binary as its users do: it starts and kills
// processes, signs up, sends as devices send, and reads back, on the embedded
// profile and on real servers. What one part does by itself is tested where that
// part is; here is what only shows when all of them are together.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the module's folder, seen from here.
const root = "../.."

// patience is how long a test waits for what should come soon. It bounds a
// failing test; a passing one waits as long as it takes.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	os.Exit(code)
}

// folder holds the binary that all tests run.
var folder string

// build makes the binary, without cgo, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "ampra-e2e-"); err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "ampra")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return binary, nil
})

// ampra returns the path of the built command.
func ampra(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is a call of the binary, with these settings and none of the
// environment's own.
func command(t testing.TB, settings map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), ampra(t), args...)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "AMPRA_") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	for name, value := range settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// result is what a command that ended came to.
type result struct {
	out, err string
	code     int
}

// run runs the binary to its end.
func run(t testing.TB, settings map[string]string, args ...string) result {
	t.Helper()
	cmd := command(t, settings, args...)
	cmd.Dir = t.TempDir()
	var out, errs record
	cmd.Stdout, cmd.Stderr = &out, &errs
	c := spawn(t, cmd)
	if !c.EndsWithin(patience) {
		t.Fatalf("ampra %s did not end within %s\n%s%s", strings.Join(args, " "), patience, out.String(), errs.String())
	}
	return result{out: out.String(), err: errs.String(), code: c.State.ExitCode()}
}

// record keeps what a process writes.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// String is all that was written so far.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// tail is the end of it, for messages, without the requests that went well.
func (r *record) tail() string {
	var lines []string
	for line := range strings.Lines(r.String()) {
		if !strings.Contains(line, "level=DEBUG msg=request ") {
			lines = append(lines, line)
		}
	}
	return "\t" + strings.Join(lines[max(len(lines)-30, 0):], "\t")
}

// eventually repeats a check until it passes, and fails the test with what the
// check said last when that takes too long.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	within(t, patience, what, check)
}

func within(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s, last: %v", what, limit, err)
		}
		select {
		case <-time.After(pause):
		case <-t.Context().Done():
			t.Fatalf("%s: the test ended first", what)
		}
	}
}
