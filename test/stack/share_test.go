package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"
)

// childVariable turns this test binary into one that asks for a server, prints
// its address or what is missing, and ends when its input does.
const childVariable = "AMPRA_TEST_STACK_CHILD"

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		goleak.VerifyTestMain(m)
		return
	}
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		panic(err)
	}
	address, err := new(session).ask(cfg, name, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		address = "none: " + oneLine(err.Error())
	}
	fmt.Println(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// place is a shared folder of a test's own, so that its supervisor is as well.
type place struct {
	folder string
	cfg    settings
}

func newPlace(t *testing.T) place {
	t.Helper()
	folder, err := os.MkdirTemp("", "st") //nolint:usetesting // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // the broker's user passes through
		t.Fatal(err)
	}
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Mode == noServers {
		t.Skip("AMPRA_TEST_SERVERS=none")
	}
	cfg.State = filepath.Join(folder, filepath.Base(filepath.Dir(cfg.State)), filepath.Base(cfg.State))
	return place{folder: folder, cfg: cfg}
}

// child is another test process.
type child struct {
	cmd    *exec.Cmd
	input  io.Closer
	output *bufio.Reader
}

// start runs a process that asks for the server.
func (p place) start(t *testing.T, name string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), self)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+name, "TMPDIR="+p.folder, "AMPRA_TEST_GRACE=1s")
	c.cmd.Stderr = os.Stderr
	input, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.input, c.output = input, bufio.NewReader(output)
	t.Cleanup(func() { c.end(t) })
	return c
}

// address waits for what the process was given, and skips when that is nothing.
func (c *child) address(t *testing.T) string {
	t.Helper()
	line, err := c.output.ReadString('\n')
	if err != nil {
		t.Fatalf("a test process ended without an answer: %v", err)
	}
	line = strings.TrimSpace(line)
	if reason, none := strings.CutPrefix(line, "none: "); none {
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return line
}

// end lets the process run to its end; kill does not. Both may be called again.
func (c *child) end(t *testing.T) {
	t.Helper()
	_ = c.input.Close()
	_ = c.cmd.Wait()
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

func answers(ctx context.Context, address string) error {
	client, err := signIn(ctx, address, "ampra-share")
	if err != nil {
		return err
	}
	return client.Disconnect(&paho.Disconnect{})
}

// gone tells whether the server has ended and left nothing but the lock and log.
func (p place) gone(ctx context.Context, address string) error {
	if answers(ctx, address) == nil {
		return errors.New("the server still answers")
	}
	left, err := filepath.Glob(filepath.Join(p.cfg.State, "run-*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%v is left", left)
	}
	if _, missing := os.Stat(p.cfg.socketPath()); missing == nil {
		err = errors.Join(err, errors.New("the socket is left"))
	}
	return err
}

func TestProcessesShareAServerThatEndsAfterTheLastOfThem(t *testing.T) {
	t.Parallel()
	here := newPlace(t)
	first, second := here.start(t, "Mosquitto"), here.start(t, "Mosquitto")
	address := first.address(t)
	if other := second.address(t); other != address {
		t.Fatalf("two processes were given two servers, %s and %s", address, other)
	}
	if err := answers(t.Context(), address); err != nil {
		t.Fatal(err)
	}

	first.kill(t) // as a test binary that panics or times out
	for pastGrace := time.After(2 * time.Second); pastGrace != nil; {
		select {
		case <-pastGrace:
			pastGrace = nil
		case <-time.After(100 * time.Millisecond):
			if err := answers(t.Context(), address); err != nil {
				t.Fatalf("the server ended before its last user: %v", err)
			}
		}
	}

	second.end(t)
	eventually(t, 20*time.Second, "the server ends with its last user", func() error { return here.gone(t.Context(), address) })

	third := here.start(t, "Mosquitto")
	again := third.address(t)
	if again == address {
		t.Error("a new run was given the address and password of the old one")
	}
	if err := answers(t.Context(), again); err != nil {
		t.Error(err)
	}
	third.end(t)
	eventually(t, 20*time.Second, "the new server ends, too", func() error { return here.gone(t.Context(), again) })
}

func TestAKilledSupervisorIsReplacedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a program with its parent")
	}
	here := newPlace(t)
	first := here.start(t, "Mosquitto")
	address := first.address(t)
	killProcess(t, here.supervisor(t))
	second := here.start(t, "Mosquitto")
	if err := answers(t.Context(), second.address(t)); err != nil {
		t.Error(err)
	}
	eventually(t, 10*time.Second, "the killed supervisor's server ends", func() error {
		if answers(t.Context(), address) == nil {
			return errors.New("it still answers")
		}
		return nil
	})
	if left, _ := filepath.Glob(filepath.Join(here.cfg.State, "run-*")); len(left) != 1 {
		t.Errorf("the data folders are %v, want the new one alone", left)
	}
	first.end(t)
	second.end(t)
	eventually(t, 20*time.Second, "everything is gone", func() error { return here.gone(t.Context(), address) })
}

func TestAServerThatEndsOnItsOwnIsStartedAgainForWhoAsksNext(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("its process is found on Linux only")
	}
	here := newPlace(t)
	first := here.start(t, "Mosquitto")
	address := first.address(t)
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(here.supervisor(t)) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // of a thread that has ended
		}
		for pid := range strings.FieldsSeq(string(text)) {
			server, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			killProcess(t, server)
			killed++
		}
	}
	if killed == 0 {
		t.Skip("the server is a container, no process of the supervisor")
	}
	eventually(t, 10*time.Second, "the server has ended", func() error {
		if !(instance{address: address}).refuses() { // a dying one still takes connections
			return errors.New("it still listens")
		}
		return nil
	})
	second := here.start(t, "Mosquitto")
	again := second.address(t)
	if err := answers(t.Context(), again); err != nil {
		t.Error(err)
	}
	first.end(t)
	second.end(t)
	eventually(t, 20*time.Second, "everything is gone", func() error { return here.gone(t.Context(), again) })
}

// supervisor returns the process id of the place's supervisor, from its log.
func (p place) supervisor(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(p.cfg.logPath())
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	_, rest, _ := strings.Cut(string(log), "supervisor ")
	if _, err := fmt.Sscanf(rest, "%d", &pid); err != nil {
		t.Fatalf("no process id in %q", log)
	}
	return pid
}

func killProcess(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatNobodyKnowsIsAnError(t *testing.T) {
	t.Parallel()
	here := newPlace(t)
	c := here.start(t, "Oracle")
	line, err := c.output.ReadString('\n')
	if err != nil || !strings.Contains(line, `no server is called "Oracle"`) {
		t.Errorf("the answer is %q, %v", line, err)
	}
}
