//go:build !linux

package e2e

import "syscall"

// diesWithItsParent has no means here: a child ends with its test.
func diesWithItsParent() *syscall.SysProcAttr { return nil }
