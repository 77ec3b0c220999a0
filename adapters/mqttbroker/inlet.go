package mqttbroker

import (
	"io"
	"net"
	"sync"
	"syscall"
)

const (
	// inletSize is how many bytes a connection is read by, and the largest packet
	// that is handled where it was read.
	inletSize = 4 << 10
	// ownSize is the buffer of a connection that can't be waited on without one: of
	// TLS.
	ownSize = 1 << 10
)

// basins are the buffers of connections from which something is being read.
type basins struct{ pool sync.Pool }

func (b *basins) take() []byte {
	if buffer, ok := b.pool.Get().(*[inletSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, inletSize)
}

func (b *basins) give(buffer []byte) { b.pool.Put((*[inletSize]byte)(buffer)) }

// inlet reads a connection. While there is nothing to read it holds no buffer,
// where the connection allows it: most devices are silent most of the time.
type inlet struct {
	conn   net.Conn
	basins *basins
	// raw waits without a buffer; nil where the connection has no such way.
	raw syscall.RawConn
	// attempt, for raw, reads what there is, and is false when that is nothing. It
	// leaves its result in got and err.
	attempt func(fd uintptr) bool
	got     int
	err     error

	buffer []byte
	// What has been read and not been taken is from begin to end of the buffer.
	begin, end int
}

func newInlet(conn net.Conn, b *basins) *inlet {
	in := &inlet{conn: conn, basins: b, raw: rawOf(conn)}
	if in.raw != nil {
		in.attempt = in.tryRead
	}
	return in
}

// Buffered is how many bytes can be taken without waiting.
func (in *inlet) Buffered() int { return in.end - in.begin }

// Peek shows what can be taken without waiting.
func (in *inlet) Peek() []byte { return in.buffer[in.begin:in.end] }

// ReadByte takes a byte.
func (in *inlet) ReadByte() (byte, error) {
	for in.begin == in.end {
		if err := in.more(); err != nil {
			return 0, err
		}
	}
	in.begin++
	return in.buffer[in.begin-1], nil
}

// Read takes what there is.
func (in *inlet) Read(p []byte) (int, error) {
	for in.begin == in.end {
		if len(p) == 0 {
			return 0, nil
		}
		if err := in.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buffer[in.begin:in.end])
	in.begin += n
	return n, nil
}

// next takes n bytes, at most those of a buffer, as they lie there. They are valid
// until more are read.
func (in *inlet) next(n int) ([]byte, error) {
	for in.Buffered() < n {
		if err := in.more(); err != nil {
			return nil, noEOF(err)
		}
	}
	in.begin += n
	return in.buffer[in.begin-n : in.begin : in.begin], nil
}

// fits reports whether next can take n bytes.
func (in *inlet) fits(n int) bool { return n <= len(in.buffer) }

// more reads from the connection, behind what has not been taken yet, for which
// there is room.
func (in *inlet) more() error {
	if in.begin == in.end {
		in.begin, in.end = 0, 0
		in.letGo()
	} else if in.end == len(in.buffer) {
		in.begin, in.end = 0, copy(in.buffer, in.buffer[in.begin:in.end])
	}
	if in.raw == nil {
		if in.buffer == nil {
			in.buffer = make([]byte, ownSize)
		}
		n, err := in.conn.Read(in.buffer[in.end:])
		if in.end += n; n > 0 {
			return nil
		}
		return err
	}
	in.got, in.err = 0, nil
	if err := in.raw.Read(in.attempt); err != nil {
		return err
	}
	in.end += in.got
	return in.err
}

// letGo gives an empty buffer back.
func (in *inlet) letGo() {
	if in.raw != nil && in.buffer != nil {
		in.basins.give(in.buffer)
		in.buffer = nil
	}
}

// close lets go of the buffer for good. To be called by the reader.
func (in *inlet) close() {
	in.begin, in.end = 0, 0
	in.letGo()
}

// ended is what a read of no bytes means.
func ended(n int, err error) error {
	if n <= 0 && err == nil {
		return io.EOF
	}
	return err
}
