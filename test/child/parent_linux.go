package child

import "syscall"

// diesWithItsParent ends a child also when who started it is killed or panics.
// The kernel takes the end of the thread that started the child for its parent's.
func diesWithItsParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
