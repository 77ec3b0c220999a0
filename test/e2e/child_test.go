package e2e

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// child is a process that a test started. It never outlives the test.
type child struct {
	process *os.Process
	ended   chan struct{}
	// state is set once ended is closed.
	state *os.ProcessState
}

// spawn starts a command, and kills it at the end of the test if it still runs.
func spawn(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	cmd.SysProcAttr = diesWithItsParent()
	cmd.WaitDelay = 5 * time.Second
	c := &child{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // see diesWithItsParent
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait()
			c.state = cmd.ProcessState
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	t.Cleanup(c.kill)
	return c
}

// kill ends it at once, as a loss of power would.
func (c *child) kill() {
	_ = c.process.Kill() // it may have ended
	<-c.ended
}

// signal asks it to end.
func (c *child) signal(t testing.TB) {
	t.Helper()
	if err := c.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("asking the process to end: %v", err)
	}
}

// endsWithin waits for the end.
func (c *child) endsWithin(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.ended:
		return true
	case <-timer.C:
		return false
	}
}

// running reports whether it has not ended.
func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}
