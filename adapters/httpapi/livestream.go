package httpapi

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	use "ampra/modules/live"
)

const (
	eventStream = "text/event-stream"
	// retryTime is how long a browser waits before it comes back.
	retryTime = 3 * time.Second
	// streamWrite is about how much is written at once.
	streamWrite = 64 << 10
	// streamChatter is how much a listener may send, which is nothing.
	streamChatter = 64 << 10
)

// streams are the connections that were handed over to live events. They are out
// of the HTTP library's hands, which would keep more than 20 KB for each.
type streams struct {
	stop    chan struct{} // closed when they have to end
	once    sync.Once
	running sync.WaitGroup
	buffers sync.Pool
}

// end ends all streams and waits for them, no longer than ctx.
func (s *streams) end(ctx context.Context) {
	s.once.Do(func() { close(s.stop) })
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// stream answers a request with a stream of events. What is written is ours from
// here on, the head of the answer too.
func (s *Server) stream(rc *fasthttp.RequestCtx, events *use.Stream) {
	h := &rc.Response.Header
	h.SetContentType(eventStream)
	h.Set("X-Accel-Buffering", "no") // or nginx holds events back
	h.SetContentLength(-2)           // until the connection ends
	h.Del("Transfer-Encoding")       // "identity", which HTTP/1.1 no longer knows
	h.SetConnectionClose()
	head := append([]byte(nil), h.Header()...)
	head = append(head, "retry: "...)
	head = strconv.AppendInt(head, retryTime.Milliseconds(), 10)
	head = append(head, "\n\n"...)
	s.streams.running.Add(1)
	rc.HijackSetNoResponse(true)
	rc.Hijack(func(handed net.Conn) {
		conn := handed
		if inner, ok := handed.(interface{ UnsafeConn() net.Conn }); ok {
			conn = inner.UnsafeConn() // what wraps it is given back when this returns
		}
		go func() {
			defer s.streams.running.Done()
			l := listening{conn: conn, events: events, server: s}
			l.run(head)
		}()
	})
}

// listening is a connection with live events.
type listening struct {
	conn   net.Conn
	events *use.Stream
	server *Server
}

// run writes events until the listener is gone, does not read, or may hear no
// more.
func (l *listening) run(head []byte) {
	gone := make(chan struct{})
	go l.watch(gone)
	defer func() {
		l.events.Close()
		_ = l.conn.Close()
		<-gone
	}()
	if !l.write(head) {
		return
	}
	beat := time.NewTicker(l.server.cfg.HeartbeatTime)
	defer beat.Stop()
	for {
		select {
		case <-l.events.Ready():
			if !l.tell() {
				return
			}
		case <-beat.C:
			if !l.beat() {
				return
			}
		case <-gone:
			return
		case <-l.server.streams.stop:
			return
		}
	}
}

// watch returns when the listener has closed the connection, or says what nobody
// asked it.
func (l *listening) watch(gone chan<- struct{}) {
	defer close(gone)
	var b [64]byte
	for total := 0; total < streamChatter; {
		n, err := l.conn.Read(b[:])
		if err != nil {
			return
		}
		total += n
	}
}

// tell writes all that there is to tell.
func (l *listening) tell() bool {
	buffer, ok := l.server.streams.buffers.Get().(*tellBuffer)
	if !ok {
		buffer = &tellBuffer{}
	}
	defer l.server.streams.buffers.Put(buffer)
	for {
		var more, open bool
		buffer.messages, more, open = l.events.Take(buffer.messages[:0], streamWrite)
		buffer.bytes = buffer.bytes[:0]
		for _, m := range buffer.messages {
			buffer.bytes = appendEvent(buffer.bytes, m)
		}
		clear(buffer.messages)
		if len(buffer.bytes) > 0 && !l.write(buffer.bytes) || !open {
			return false
		}
		if !more {
			return true
		}
		select {
		case <-l.server.streams.stop:
			return false
		default:
		}
	}
}

type tellBuffer struct {
	messages []*use.Message
	bytes    []byte
}

// beat shows that the connection lives, and what holds now to a listener that has
// been told everything: else the id of one who hears nothing would be too old to
// come back with.
func (l *listening) beat() bool {
	b := []byte(":\n")
	if id := l.events.Beat(); id != "" {
		b = append(append(append(b, "id: "...), id...), "\n\n"...)
	} else {
		b = append(b, '\n')
	}
	return l.write(b)
}

func (l *listening) write(b []byte) bool {
	if l.conn.SetWriteDeadline(time.Now().Add(l.server.cfg.StreamWriteTime)) != nil {
		return false
	}
	_, err := l.conn.Write(b)
	return err == nil
}

// appendEvent writes an event as a browser's EventSource reads it.
func appendEvent(b []byte, m *use.Message) []byte {
	if m.ID != "" {
		b = append(append(append(b, "id: "...), m.ID...), '\n')
	}
	if m.Kind != "" {
		b = append(append(append(b, "event: "...), m.Kind...), '\n')
		b = append(append(append(b, "data: "...), m.Data...), '\n')
	}
	return append(b, '\n')
}
