package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pusher is a device that always has something to send: a window of publishes at
// QoS 1, and a new connection when one ends.
type pusher struct {
	as      signIn
	topic   string
	address string
	base    time.Time
	next    int
	// acked counts the answers of all pushers.
	acked *atomic.Int64
	mine  map[int]bool
}

// push sends until ctx ends.
func (p *pusher) push(ctx context.Context) {
	for ctx.Err() == nil {
		p.connection(ctx)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// connection sends over one connection until it ends.
func (p *pusher) connection(ctx context.Context) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	body := append(field("MQTT"), 4, 0b1100_0010, 0, 0)
	for _, text := range []string{p.as.clientID, p.as.user, p.as.password} {
		body = append(body, field(text)...)
	}
	d := &device3{conn: conn, reader: bufio.NewReader(conn)}
	d.write(packetConnect, body)
	var answer [4]byte
	if _, err := io.ReadFull(d.reader, answer[:]); err != nil || answer[3] != 0 {
		return
	}
	const window = 32
	open := map[uint16]int{}
	for ctx.Err() == nil {
		for len(open) < window {
			d.lastID = d.lastID%60_000 + 1
			open[d.lastID] = p.next
			body := binary.BigEndian.AppendUint16(field(p.topic), d.lastID)
			d.write(packetPublish, fmt.Appendf(body, `{"timestamp": %d, "acPowerWatts": 5}`, p.base.UnixMilli()+int64(p.next)))
			p.next++
		}
		if _, err := io.ReadFull(d.reader, answer[:]); err != nil {
			return
		}
		id := binary.BigEndian.Uint16(answer[2:])
		p.mine[open[id]] = true
		delete(open, id)
		p.acked.Add(1)
	}
}

// lockOut takes the archive's file for itself until the returned function is
// called.
func lockOut(t testing.TB, s *server) (release func()) {
	t.Helper()
	u := url.URL{Scheme: "file", Opaque: filepath.ToSlash(filepath.Join(s.data, "telemetry.db")), RawQuery: "_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "begin immediate"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), "rollback"); err != nil {
			t.Error(err)
		}
	}
}

// Nothing that can't be stored is acknowledged, and what waits is bounded, while
// devices send all that they can.
func TestWhileTheArchiveIsLockedNothingIsAcknowledgedAndMemoryStaysFlat(t *testing.T) {
	t.Parallel()
	const devices = 30
	s := embedded(t, map[string]string{"AMPRA_LOG_LEVEL": "warn", "AMPRA_LIMIT_SOURCE_READINGS_RATE": "0", "AMPRA_LIMIT_SOURCE_BYTES_RATE": "0"}).startAll().api()
	u := firstUser(t, s)
	garage := u.add("Webhook", "Garage")
	var acked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pushers, sources := make([]*pusher, devices), make([]source, devices)
	var pushing sync.WaitGroup
	for i := range pushers {
		sources[i] = u.add("MQTT", fmt.Sprintf("Roof %d", i))
		pushers[i] = &pusher{
			as: sources[i].signIn(), topic: *sources[i].Details.Topic, address: s.mqtt, base: time.Now().Add(-24 * time.Hour),
			acked: &acked, mine: map[int]bool{},
		}
		pushing.Go(func() { pushers[i].push(ctx) })
	}
	eventually(t, "devices are acknowledged", func() error { return moreThan(&acked, 3000) })

	release := lockOut(t, s)
	released := sync.OnceFunc(release)
	defer released()
	// What SQLite had committed before is still answered.
	settled, since := acked.Load(), time.Now()
	eventually(t, "the answers end", func() error {
		if now := acked.Load(); now != settled {
			settled, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < time.Second {
			return fmt.Errorf("the last came %s ago", quiet)
		}
		return nil
	})
	began, before := time.Now(), residentMegabytes(t, s)
	answered := make(chan answer, 1)
	go func() { answered <- post(t, garage, *garage.Details.Secret, `{"acPowerWatts": 1}`, plain) }()
	most := before
	for refused := false; !refused; {
		select {
		case a := <-answered:
			if refused = true; a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				t.Errorf("a webhook gets %d, Retry-After %q, after %s; want 503 and when to come again", a.status, a.header.Get("Retry-After"), time.Since(began))
			}
		case <-time.After(100 * time.Millisecond):
			most = max(most, residentMegabytes(t, s))
		case <-t.Context().Done():
			return
		}
	}
	if n := acked.Load(); n != settled {
		t.Errorf("%d readings were acknowledged while nothing could be stored", n-settled)
	}
	if most > before+30 {
		t.Errorf("memory grew from %.0f to %.0f MB in %s", before, most, time.Since(began))
	}
	t.Logf("%.0f MB before, %.0f MB at the most in %s without an archive", before, most, time.Since(began).Round(100*time.Millisecond))

	released()
	eventually(t, "devices are acknowledged again", func() error { return moreThan(&acked, settled+3000) })
	cancel()
	pushing.Wait()
	for i, p := range pushers {
		found, err := u.everything(sources[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		have := map[int]int{}
		for _, r := range found {
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(r["timestamp"]))
			if err != nil {
				t.Fatal(err)
			}
			have[int(at.UnixMilli()-p.base.UnixMilli())]++
		}
		for n := range p.mine {
			if have[n] != 1 {
				t.Fatalf("reading %d of %s was acknowledged and is found %d times", n, sources[i].Name, have[n])
			}
		}
	}
}

func moreThan(n *atomic.Int64, want int64) error {
	if got := n.Load(); got < want {
		return fmt.Errorf("%d of %d", got, want)
	}
	return nil
}

// With no limits at all, one device that sends at QoS 0 as fast as its connection
// takes delays nobody else by more than a second.
func TestADeviceThatFloodsDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	s := embedded(t, map[string]string{
		"AMPRA_LOG_LEVEL": "warn", "AMPRA_LIMIT_SOURCE_READINGS_RATE": "0", "AMPRA_LIMIT_SOURCE_BYTES_RATE": "0",
		"AMPRA_LIMIT_USER_READINGS_RATE": "0", "AMPRA_LIMIT_USER_BYTES_RATE": "0",
	}).startAll().api()
	u := firstUser(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()

	flooder := u.add("MQTT", "Flooder")
	conn := dial(t, s.mqtt)
	flood, code := connect3(t, conn, flooder.signIn())
	if code != 0 {
		t.Fatalf("the flooder is refused with %d", code)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var sent atomic.Int64
	base := time.Now().Add(-48 * time.Hour).UnixMilli()
	working.Go(func() {
		for ctx.Err() == nil {
			flood.write(0x30, fmt.Appendf(field(*flooder.Details.Topic), `{"timestamp": %d, "acPowerWatts": 5}`, base+sent.Add(1)))
		}
	})
	const quiet, each = 10, 20
	took := make(chan time.Duration, quiet*each)
	for i := range quiet {
		one := u.add("MQTT", fmt.Sprintf("Quiet %d", i))
		d, _ := connect3(t, dial(t, s.mqtt), one.signIn())
		working.Go(func() {
			for n := range each {
				began := time.Now()
				if err := d.publish(*one.Details.Topic, fmt.Sprintf(`{"timestamp": %d, "acPowerWatts": 5}`, base+int64(n))); err != nil {
					if ctx.Err() == nil {
						t.Errorf("reading %d of a quiet device: %v", n, err)
					}
					return
				}
				took <- time.Since(began)
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	var all []time.Duration
	for len(all) < quiet*each {
		select {
		case one := <-took:
			all = append(all, one)
		case <-time.After(patience):
			t.Fatalf("only %d of %d readings of others were acknowledged", len(all), quiet*each)
		}
	}
	slices.Sort(all)
	p99 := all[len(all)*99/100]
	t.Logf("others waited %s (p50) and %s (p99) beside %d readings of the flooder", all[len(all)/2], p99, sent.Load())
	if p99 > time.Second {
		t.Errorf("others waited %s (p99), a second is the most", p99)
	}
	if sent.Load() < 5000 {
		t.Errorf("%d readings are no flood", sent.Load())
	}
}
