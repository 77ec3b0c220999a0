//go:build unix && !linux

package stack

import "syscall"

// childOf starts a server as another user when one is given. Without Linux's
// signal at the parent's death, a supervisor that is killed leaves its servers.
func childOf(user *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if user != nil {
		attr.Credential = &syscall.Credential{Uid: user.uid, Gid: user.gid}
	}
	return attr
}

// isGoCommand is not known here: the grace period alone bridges the pauses of a run.
func isGoCommand(int) bool { return false }
