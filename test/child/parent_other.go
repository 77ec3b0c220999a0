//go:build !linux

package child

import "syscall"

// diesWithItsParent has no means here: a child ends when it is told to.
func diesWithItsParent() *syscall.SysProcAttr { return nil }
