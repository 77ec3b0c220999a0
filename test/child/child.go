// Package child runs programs that never outlive who started them, and treats
// them as bad luck would: it kills them, or lets them stand still. What the
// programs are, and what is expected of them, is the caller's matter.
package child

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Child is a started process. It is safe for concurrent use.
type Child struct {
	Process *os.Process
	// Ended is closed when the process has ended.
	Ended chan struct{}
	// State is set once Ended is closed.
	State *os.ProcessState
}

// Start starts a command.
func Start(cmd *exec.Cmd) (*Child, error) {
	cmd.SysProcAttr = diesWithItsParent()
	cmd.WaitDelay = 5 * time.Second
	c := &Child{Ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // see diesWithItsParent
		err := cmd.Start()
		c.Process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait()
			c.State = cmd.ProcessState
			close(c.Ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return c, nil
}

// Kill ends it at once, as a loss of power would, and returns when it has ended.
func (c *Child) Kill() {
	_ = c.Process.Kill() // it may have ended
	<-c.Ended
}

// Running reports whether it has not ended.
func (c *Child) Running() bool {
	select {
	case <-c.Ended:
		return false
	default:
		return true
	}
}

// EndsWithin waits for the end.
func (c *Child) EndsWithin(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.Ended:
		return true
	case <-timer.C:
		return false
	}
}
