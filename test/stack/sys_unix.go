//go:build unix

package stack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile waits for the lock on the file at path. The kernel frees it when the
// process ends.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR { //nolint:errorlint // a bare errno
			break
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("waiting for the lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}

func ownedByMe(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// detached starts a process in a session of its own.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// kill asks a process to end: at once, or, for PostgreSQL, by its immediate
// shutdown, which also frees its shared memory.
func kill(process *os.Process, s stopSignal) error {
	if s == quitSignal {
		return process.Signal(syscall.SIGQUIT)
	}
	return process.Kill()
}

// identity starts a process as another user when one is given.
func identity(user *account) *syscall.SysProcAttr {
	if user == nil {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.uid, Gid: user.gid}}
}

// killGroup, haltGroup and continueGroup send a signal to a process and its
// children.
func killGroup(p *os.Process) error     { return signalGroup(p, syscall.SIGKILL) }
func haltGroup(p *os.Process) error     { return signalGroup(p, syscall.SIGSTOP) }
func continueGroup(p *os.Process) error { return signalGroup(p, syscall.SIGCONT) }

func signalGroup(p *os.Process, s syscall.Signal) error {
	err := syscall.Kill(-p.Pid, s)
	if errors.Is(err, syscall.ESRCH) { // all have ended
		return nil
	}
	return err
}
