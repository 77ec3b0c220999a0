//go:build unix

package mqttbroker

import (
	"errors"
	"net"
	"syscall"
)

// rawOf is the way to read and write a connection without waiting, nil where there
// is none: TLS, and what is no connection of the system's.
func rawOf(conn net.Conn) syscall.RawConn {
	system, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryRead reads what there is into a buffer, and is false when that is nothing.
func (in *inlet) tryRead(fd uintptr) bool {
	if in.buffer == nil {
		in.buffer = in.basins.take()
	}
	for {
		n, err := syscall.Read(int(fd), in.buffer[in.end:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			if in.end == 0 {
				in.letGo()
			}
			return false
		}
		in.got, in.err = max(0, n), ended(n, err)
		return true
	}
}

// tryWrite writes what the connection takes at once.
func (out *outlet) tryWrite(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), out.pending)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			err = nil
		}
		out.put, out.err = max(0, n), err
		return true
	}
}
