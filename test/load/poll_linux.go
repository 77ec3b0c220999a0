package main

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// poller takes the answers of all devices of a fleet on one goroutine. The Go
// runtime's own way costs a second read and a switch of goroutines for each
// answer, which on one machine is taken away from what is measured.
type poller struct {
	epoll   int
	devices []*device
	over    atomic.Bool
}

// pollWait bounds how long an ended poller is waited for.
const pollWait = 50 // milliseconds

// newPoller takes the devices' connections over.
func newPoller(devices []*device) (*poller, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &poller{epoll: epoll, devices: devices}
	for i, d := range devices {
		conn, err := detach(d.conn, epoll, int32(i))
		if err != nil {
			return nil, errors.Join(err, syscall.Close(epoll))
		}
		d.conn = conn
	}
	return p, nil
}

// run reads until stop.
func (p *poller) run() {
	events := make([]syscall.EpollEvent, 256)
	buffer := make([]byte, 4*window)
	for !p.over.Load() {
		n, err := syscall.EpollWait(p.epoll, events, pollWait)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
		for _, event := range events[:max(n, 0)] {
			p.serve(p.devices[event.Fd], event.Events, buffer)
		}
	}
}

// serve does for one connection what can be done without waiting.
func (p *poller) serve(d *device, events uint32, buffer []byte) {
	conn, ok := d.conn.(*polled)
	if !ok {
		return
	}
	if events&syscall.EPOLLOUT != 0 {
		d.mu.Lock()
		err := conn.flush()
		d.mu.Unlock()
		if err != nil {
			d.end(err)
		}
	}
	if events&^uint32(syscall.EPOLLOUT) == 0 {
		return
	}
	n, err := syscall.Read(conn.fd, buffer)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return
	case err == nil && n == 0:
		err = io.EOF
	case err == nil:
		err = d.take(buffer[:n], time.Now())
	}
	if err != nil {
		d.end(err)
		_ = syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_DEL, conn.fd, nil)
	}
}

// stop ends run soon.
func (p *poller) stop() { p.over.Store(true) }

// close frees the poller, once run has ended and the connections are closed.
func (p *poller) close() { _ = syscall.Close(p.epoll) }

// polled is a connection of a poller. What the kernel does not take at once
// waits in it.
type polled struct {
	net.Conn // for its addresses; closed
	fd       int
	epoll    int
	index    int32
	rest     []byte
}

// detach takes a connection away from the Go runtime.
func detach(conn net.Conn, epoll int, index int32) (*polled, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.New("not a TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var failed error
	if err := raw.Control(func(from uintptr) {
		fd, failed = syscall.Dup(int(from))
	}); err != nil || failed != nil {
		return nil, errors.Join(err, failed)
	}
	c := &polled{Conn: conn, fd: fd, epoll: epoll, index: index}
	return c, errors.Join(conn.Close(), syscall.SetNonblock(fd, true),
		syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, c.event(syscall.EPOLLIN)))
}

func (c *polled) event(events uint32) *syscall.EpollEvent {
	return &syscall.EpollEvent{Events: events, Fd: c.index}
}

// Write never waits. The device's lock is held.
func (c *polled) Write(p []byte) (int, error) {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, p...)
		return len(p), nil
	}
	n, err := c.write(p)
	if err != nil {
		return n, err
	}
	if n < len(p) {
		c.rest = append(c.rest, p[n:]...)
		err = syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_MOD, c.fd, c.event(syscall.EPOLLIN|syscall.EPOLLOUT))
	}
	return len(p), err
}

// write is one try; 0 without an error says that there is no room.
func (c *polled) write(p []byte) (int, error) {
	for {
		n, err := syscall.Write(c.fd, p)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case !errors.Is(err, syscall.EINTR):
			return 0, err
		}
	}
}

// flush writes what waits, now that there is room.
func (c *polled) flush() error {
	n, err := c.write(c.rest)
	if err != nil {
		return err
	}
	c.rest = append(c.rest[:0], c.rest[n:]...)
	if len(c.rest) > 0 {
		return nil
	}
	return syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_MOD, c.fd, c.event(syscall.EPOLLIN))
}

// SetWriteDeadline does nothing: no write waits.
func (c *polled) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection.
func (c *polled) Close() error { return syscall.Close(c.fd) }
