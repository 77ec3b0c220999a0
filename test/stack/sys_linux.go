package stack

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// childOf lets a server die with the supervisor, also when that is killed, and run
// as another user when one is given. The thread that starts the child must live
// as long as the supervisor: the kernel takes its end for the parent's.
func childOf(user *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if user != nil {
		attr.Credential = &syscall.Credential{Uid: user.uid, Gid: user.gid}
	}
	return attr
}

// isGoCommand tells whether the process is the `go` command.
func isGoCommand(pid int) bool {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err == nil && strings.TrimSpace(string(name)) == "go"
}
