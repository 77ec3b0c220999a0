//go:build unix

package main

import "syscall"

// raiseFiles lets this process, and those that it starts, have as many open
// files as the machine allows: a device is one. Go does so by itself, but not
// for what is started.
func raiseFiles() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	const wanted = 1 << 20
	more := limit
	more.Cur, more.Max = max(limit.Max, wanted), max(limit.Max, wanted)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil { // as root
		return
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
