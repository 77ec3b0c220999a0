package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// What the case live has: so many sources, each with a reading every ten seconds,
// and of the listeners each hears one of them.
const (
	liveSources = 1000
	livePeriod  = 10
	// liveSettle is how long open streams are left alone before their memory is read.
	liveSettle = 20 * time.Second
)

// liveCase: open streams of live events on one process, first without them, then
// with them, on the embedded profile and on the scale profile.
func (b *bench) liveCase(ctx context.Context) error {
	return errors.Join(b.liveEmbedded(ctx), b.liveScale(ctx))
}

func (b *bench) liveSettings() map[string]string {
	many := fmt.Sprint(b.opt.streams + 100)
	return map[string]string{"AMPRA_LIVE_STREAMS": many, "AMPRA_LIVE_STREAMS_PER_USER": many}
}

func (b *bench) liveEmbedded(ctx context.Context) error {
	h, err := b.embeddedHouse(ctx, liveSources)
	if err != nil {
		return err
	}
	server, err := h.run(ctx, "ampra", "", b.liveSettings())
	if err != nil {
		return err
	}
	err = b.live(ctx, liveRun{
		row:    row{name: "live, embedded", devices: liveSources, ack: ackSQLite},
		server: server, sources: h.devices, processes: []process{server.process()}, written: nil,
	})
	return errors.Join(err, server.stop())
}

func (b *bench) liveScale(ctx context.Context) (err error) {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	line, err := b.newPipeline(ctx, "live")
	if err != nil {
		return err
	}
	defer line.close()
	var running servers
	defer func() { err = errors.Join(err, running.stop()) }()
	for _, roles := range []string{"writer", "api,broker"} {
		one, err := h.run(ctx, roles[:3], roles, line.settings(b.liveSettings()))
		if err != nil {
			return err
		}
		running = append(running, one)
	}
	return b.live(ctx, liveRun{
		row:    row{name: "live, api and broker", devices: liveSources, ack: ackKafka},
		server: running[1], sources: h.devices[:liveSources], written: archived(running[0].url()),
		processes: append(running.processes(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()),
	})
}

// liveRun is what is measured twice: without listeners and with them.
type liveRun struct {
	row       row
	server    *server
	sources   []source
	processes []process
	written   func(ctx context.Context) (int, error)
}

func (b *bench) live(ctx context.Context, l liveRun) error {
	quiet := l.row
	quiet.name += ", nobody listens"
	if err := b.heard(ctx, l, quiet, 0); err != nil {
		return err
	}
	l.row.name += fmt.Sprintf(", %d streams", b.opt.streams)
	return b.heard(ctx, l, l.row, b.opt.streams)
}

// heard measures devices that send, and n streams of what they send.
func (b *bench) heard(ctx context.Context, l liveRun, r row, n int) error {
	b.say(r.name, r.devices)
	f, err := dial(ctx, l.server.mqtt, l.sources, ownLogin, nil)
	if err != nil {
		return err
	}
	defer f.close()
	user, err := signIn(ctx, l.server.url(), ownerEmail)
	if err != nil {
		return err
	}
	before := memoryOf(families(), l.server.process())
	ears, err := listen(ctx, l.server.http, user, l.sources, n)
	defer ears.close()
	if err != nil {
		return err
	}
	if n > 0 {
		if err := pause(ctx, liveSettle); err != nil {
			return err
		}
		each := float64(memoryOf(families(), l.server.process())-before) / float64(n) / 1024
		r.note = fmt.Sprintf("%.1f KiB a quiet stream; ", each)
	}
	done, err := b.measure(ctx, measured{
		row: r, sender: f, meter: &f.meter, processes: l.processes, written: l.written, close: func() {},
		plan: plan{rate: max(1, len(l.sources)/livePeriod), warmup: b.opt.warmup, length: b.opt.duration},
	})
	if n > 0 {
		done.note += fmt.Sprintf("%d events heard of %d, %d streams ended early, from when a reading was due until it was heard %s ms (p50/p99/p99.9); ",
			ears.heard.Load(), f.total.Load()*int64(n)/int64(len(l.sources)), ears.broken.Load(), quantiles(&ears.delays))
	}
	b.add(done, err)
	return err
}

// ears are listeners.
type ears struct {
	conns         []net.Conn
	reading       sync.WaitGroup
	closing       atomic.Bool
	heard, broken atomic.Int64
	delays        histogram
}

// listen opens n streams, each of one source.
func listen(ctx context.Context, address string, user *visitor, sources []source, n int) (*ears, error) {
	e := &ears{conns: make([]net.Conn, n)}
	base, err := url.Parse(user.base)
	if err != nil {
		return e, err
	}
	cookie := ""
	for _, one := range user.http.Jar.Cookies(base) {
		cookie = one.String()
	}
	var opening sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	for range connectors {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := e.open(ctx, int(i), address, cookie, sources[int(i)%len(sources)]); err != nil {
					cancel(fmt.Errorf("opening stream %d: %w", i, err))
				}
			}
		})
	}
	opening.Wait()
	return e, context.Cause(ctx)
}

func (e *ears) open(ctx context.Context, i int, address, cookie string, of source) error {
	dialer := net.Dialer{Timeout: handshake}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	e.conns[i] = conn
	if _, err := fmt.Fprintf(conn, "GET /api/sunsources/%s/live HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", of.id, address, cookie); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 2048)
	status, err := in.ReadString('\n')
	if err != nil || !bytes.Contains([]byte(status), []byte(" 200 ")) {
		return fmt.Errorf("the answer is %q: %w", status, err)
	}
	e.reading.Go(func() { e.read(in) })
	return nil
}

// read counts the readings that are heard, and how old each is.
func (e *ears) read(in *bufio.Reader) {
	stamp := []byte(`"timestamp":"`)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !e.closing.Load() {
				e.broken.Add(1)
			}
			return
		}
		_, after, found := bytes.Cut(line, stamp)
		if !found {
			continue
		}
		text, _, _ := bytes.Cut(after, []byte{'"'})
		if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			e.heard.Add(1)
			e.delays.add(time.Since(at))
		}
	}
}

func (e *ears) close() {
	e.closing.Store(true)
	for _, conn := range e.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	e.reading.Wait()
}
