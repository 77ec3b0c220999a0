//go:build !unix

package mqttbroker

import (
	"net"
	"syscall"
)

// rawOf says that there is no way to read and write without waiting.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (*inlet) tryRead(uintptr) bool { return true }

func (*outlet) tryWrite(uintptr) bool { return true }
