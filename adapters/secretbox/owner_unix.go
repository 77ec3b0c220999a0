//go:build unix

package secretbox

import (
	"os"
	"syscall"
)

// keepOwner gives a file to the owner of the one that it replaces: root may
// rotate the keys of a service that runs as another user.
func keepOwner(path string, old os.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() {
		return nil
	}
	return os.Chown(path, int(was.Uid), int(was.Gid))
}
