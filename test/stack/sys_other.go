//go:build !unix

package stack

import (
	"os"
	"syscall"
)

// Servers are shared on Unix systems only; elsewhere the environment names them.

func lockFile(string) (func(), error) {
	return nil, missing("servers are started on Unix systems only")
}
func ownedByMe(os.FileInfo) bool                   { return true }
func detached() *syscall.SysProcAttr               { return nil }
func childOf(*account) *syscall.SysProcAttr        { return nil }
func isGoCommand(int) bool                         { return false }
func kill(process *os.Process, _ stopSignal) error { return process.Kill() }
func identity(*account) *syscall.SysProcAttr       { return nil }

func killGroup(p *os.Process) error   { return p.Kill() }
func haltGroup(*os.Process) error     { return missing("halting a process needs Unix") }
func continueGroup(*os.Process) error { return missing("halting a process needs Unix") }
