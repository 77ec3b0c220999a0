//go:build unix

package child

import (
	"errors"
	"os"
	"syscall"
)

// Halt lets it stand still, until Continue.
func (c *Child) Halt() error { return c.signal(syscall.SIGSTOP) }

// Continue ends a Halt.
func (c *Child) Continue() error { return c.signal(syscall.SIGCONT) }

// Terminate asks it to end in order.
func (c *Child) Terminate() error { return c.signal(syscall.SIGTERM) }

// signal is no error for a process that has ended.
func (c *Child) signal(s syscall.Signal) error {
	if err := c.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
