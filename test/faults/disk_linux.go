package main

import (
	"fmt"
	"syscall"
)

// mountSmall puts a file system in memory, of so many MB, on a folder.
func mountSmall(folder string, megabytes int) (unmount func(), err error) {
	if err := syscall.Mount("ampra-faults", folder, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) }, nil
}
