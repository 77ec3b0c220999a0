//go:build unix

package mqttbroker

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// What a session costs is measured with the devices in a process of their own,
// which is this test's program, started again as fleet says.

// fleet is the work of the other process.
type fleet struct {
	Address string
	Version byte
	TLS     bool
	Devices []passport
	// Publish is how many readings each publishes at QoS 1 once it is told to.
	Publish int
	// Window is how many of them are unacknowledged at a time.
	Window int
}

type passport struct{ Source, ClientID, Key, Topic string }

const fleetVariable = "MQTTBROKER_TEST_FLEET"

// runFleet is main in the other process. It says when all are connected, and when
// all is published; each time it goes on when it is told.
func runFleet() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var f fleet
	if err := json.Unmarshal(line, &f); err != nil {
		return err
	}
	conns := make([]net.Conn, len(f.Devices))
	for i, p := range f.Devices {
		if conns[i], err = f.connect(p); err != nil {
			return err
		}
	}
	fmt.Println("connected")
	for {
		if _, err := in.ReadBytes('\n'); err != nil {
			return nil //nolint:nilerr // it may go
		}
		failed := make(chan error, len(conns))
		for i, conn := range conns {
			go func() { failed <- f.publish(conn, f.Devices[i]) }()
		}
		for range conns {
			if err := <-failed; err != nil {
				return err
			}
		}
		fmt.Println("published")
	}
}

func (f fleet) connect(p passport) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", f.Address)
	if err != nil {
		return nil, err
	}
	if f.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
	}
	body := text("MQTT") + string([]byte{f.Version, 0xC2, 0x01, 0x2C})
	if f.Version == 5 {
		body += "\x00"
	}
	body += text(p.ClientID) + text(p.ClientID) + text(p.Key)
	if _, err := conn.Write(framed(0x10, body)); err != nil {
		return nil, err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(conn, make([]byte, head[1]))
	return conn, err
}

// publish keeps a window of readings under way.
func (f fleet) publish(conn net.Conn, p passport) error {
	payload := `{"timestamp":"2026-05-01T10:00:00Z","acPowerWatts":4321.5,"solarPowerWatts":4500,"energyTotalKwh":12345.6,"gridFrequencyHertz":50.01,"inverterTemperatureCelsius":41.5}`
	one := framed(0x32, text(p.Topic)+"\x00\x01"+payload)
	if f.Version == 5 {
		one = framed(0x32, text(p.Topic)+"\x00\x01\x00"+payload)
	}
	id := 2 + len(appendLength(nil, 200)) + len(p.Topic) + 1 // of the id's second byte; 200 has two bytes of length
	window := make([]byte, 0, f.Window*len(one))
	acks := make([]byte, 4*f.Window)
	for sent, acked := 0, 0; acked < f.Publish; {
		window = window[:0]
		for ; sent < f.Publish && sent-acked < f.Window; sent++ {
			one[id] = byte(1 + sent%f.Window)
			window = append(window, one...)
		}
		if _, err := conn.Write(window); err != nil {
			return err
		}
		n, err := io.ReadAtLeast(conn, acks, 4)
		if err == nil && n%4 > 0 {
			var more int
			more, err = io.ReadFull(conn, acks[n:n+4-n%4])
			n += more
		}
		if err != nil {
			return err
		}
		acked += n / 4
	}
	return nil
}

// start runs the other process until its devices are connected. again has it
// publish.
func (f fleet) start(b *testing.B) (again func()) {
	b.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), os.Args[0], "-test.run=^$") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), fleetVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	if err := json.NewEncoder(in).Encode(f); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewReader(out)
	hear := func(want string) {
		if got, err := lines.ReadString('\n'); got != want+"\n" {
			b.Fatalf("the fleet said %q (%v), want %q", got, err, want)
		}
	}
	hear("connected")
	return func() {
		if _, err := io.WriteString(in, "\n"); err != nil {
			b.Fatal(err)
		}
		hear("published")
	}
}

// journal takes all, at once or in shared batches.
type journal struct {
	taken atomic.Int64
	delay time.Duration

	mu    sync.Mutex
	waits []func(ingest.Receipt, error)
}

func (j *journal) Submit(_ context.Context, _ ingest.Delivery, done func(ingest.Receipt, error)) error {
	j.taken.Add(1)
	if j.delay == 0 {
		done(ingest.Receipt{Accepted: 1}, nil)
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waits = append(j.waits, done); len(j.waits) == 1 {
		time.AfterFunc(j.delay, j.commit)
	}
	return nil
}

func (j *journal) commit() {
	j.mu.Lock()
	waits := j.waits
	j.waits = nil
	j.mu.Unlock()
	for _, done := range waits {
		done(ingest.Receipt{Accepted: 1}, nil)
	}
}

// Append lets ingest itself stand between the broker and the journal.
func (j *journal) Append(ctx context.Context, _ telemetry.Entry, done telemetry.Done) error {
	return j.Submit(ctx, ingest.Delivery{}, func(ingest.Receipt, error) { done(nil, nil) })
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// decoding is a journal with the real ingest before it.
func decoding(j *journal) Ingest {
	return ingest.New(ingest.Deps{
		Journal: j, DeadLetters: &fake.DeadLetters{}, Clock: wallClock{}, Random: rand.Reader, Limits: nil, Queue: nil, Owners: nil, Gather: nil,
		Sites: nil, Notes: nil,
	})
}

// muster opens a house and describes a fleet for it.
func muster(b *testing.B, devices int, version byte, secure bool, sink Ingest) (*house, fleet) {
	b.Helper()
	l := loopback(b)
	if secure {
		server, _ := certificates(b)
		l = tls.NewListener(l, server)
	}
	h := open(b, Config{}, l)
	h.d.Ingest = sink
	h.d.Log = quiet()
	f := fleet{Address: l.Addr().String(), Version: version, TLS: secure, Window: 20}
	for range devices {
		a := h.gate.add()
		f.Devices = append(f.Devices, passport{a.source.String(), a.clientID, a.key, a.data()})
	}
	return h, f
}

// memory is what the heap and the stacks hold, in bytes.
func memory() (heap, stacks float64) {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// BenchmarkMemory reports what a session holds: idle, and after it has published.
// It is independent of b.N.
func BenchmarkMemory(b *testing.B) {
	const devices = 2000
	for name, c := range map[string]struct {
		version byte
		secure  bool
	}{"MQTT 3.1.1": {4, false}, "MQTT 5": {5, false}, "MQTT 5, TLS": {5, true}} {
		b.Run(name, func(b *testing.B) {
			h, f := muster(b, devices, c.version, c.secure, decoding(&journal{delay: time.Millisecond}))
			f.Publish = 100
			heap, stacks := memory()
			again := f.start(b)
			if got := h.Stats().Sessions; got != devices {
				b.Fatalf("%d sessions", got)
			}
			report := func(what string) {
				nowHeap, nowStacks := memory()
				b.ReportMetric((nowHeap-heap)/devices, "heap-B/"+what)
				b.ReportMetric((nowStacks-stacks)/devices, "stack-B/"+what)
			}
			report("idle")
			again()
			report("busy")
			b.ReportMetric(0, "ns/op")
			for range b.N {
			}
		})
	}
}

// cpu is what this process has used, in seconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkPublish reports readings a second, and the CPU seconds of the broker
// alone for a million, with 100 devices, QoS 1 and a window of 20, or of 1, which
// costs a read and a write each. It is independent of b.N.
func BenchmarkPublish(b *testing.B) {
	for name, c := range map[string]struct {
		version byte
		delay   time.Duration
		window  int
	}{
		"MQTT 3.1.1, at once": {4, 0, 20}, "MQTT 5, at once": {5, 0, 20}, "MQTT 5, after 5 ms": {5, 5 * time.Millisecond, 20},
		"MQTT 5, at once, one at a time": {5, 0, 1},
	} {
		b.Run(name, func(b *testing.B) {
			sink := &journal{delay: c.delay}
			_, f := muster(b, 100, c.version, false, sink)
			f.Publish, f.Window = 3000, c.window
			again := f.start(b)
			began, used := time.Now(), cpu(b)
			again()
			took, spent, n := time.Since(began).Seconds(), cpu(b)-used, float64(sink.taken.Load())
			if n != float64(len(f.Devices)*f.Publish) {
				b.Fatalf("%.0f readings were taken", n)
			}
			b.ReportMetric(n/took, "readings/s")
			b.ReportMetric(spent/n*1e6, "cpu-s/million")
			b.ReportMetric(0, "ns/op")
			for range b.N {
			}
		})
	}
}

// BenchmarkHandle is what the broker does for one reading but for the network.
func BenchmarkHandle(b *testing.B) {
	sink := &journal{}
	br := New(Config{}, Deps{Gate: newGate(), Ingest: sink, Usage: &fakeUsage{}, Limits: nil, Foreign: nil, Log: quiet()})
	a := newGate().add()
	d := &device{TB: b, version: 5, account: a}
	one := encode(b, d.reading(1, 1, `{"acPowerWatts":4321.5,"energyTotalKwh":12345.6}`))
	_, rest, _ := takeLength(one[1:])
	s := newSession(b.Context(), br, nil, nil, sessionOf(&house{gate: newGate()}, a), connect{version: 5})
	s.topics = topicsOf(a.source)
	h := header{kind: packets.Publish, flags: 2, remaining: len(rest)}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.onPublish(h, rest); err != nil {
			b.Fatal(err)
		}
		s.out = s.out[:0]
	}
}
