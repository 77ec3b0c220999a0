package httpapi

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	changes "ampra/core/change"
	"ampra/core/clock"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/live"
)

// oneSource is everything that there is: a source of whoever asks.
type oneSource struct {
	sunsource.Repository
	changes.Feed
	id uuid.UUID
}

func (o oneSource) List(context.Context, uuid.UUID, sunsource.Filter, sunsource.Page) ([]sunsource.SunSource, error) {
	return []sunsource.SunSource{{ID: o.id}}, nil
}
func (oneSource) Subscribe(func(context.Context, changes.Change))     {}
func (oneSource) Owner(context.Context, uuid.UUID) (uuid.UUID, error) { return uuid.Nil, nil }
func (oneSource) Holds(context.Context, live.Key) error               { return nil }
func (o oneSource) reading(n int) telemetry.Reading {
	r := telemetry.Reading{SourceID: o.id, Timestamp: time.UnixMilli(int64(n)).UTC(), ReceivedAt: time.UnixMilli(int64(n)).UTC()}
	r.Values.Set(telemetry.SolarPowerWatts, float64(n))
	return r
}

// liveRig is a rig with a hub, whose stream is at /stream.
type liveRig struct {
	*rig
	hub    *live.Hub
	source oneSource
}

func newLiveRig(t *testing.T, tune func(*Config)) *liveRig {
	t.Helper()
	cfg := testConfig()
	if tune != nil {
		tune(&cfg)
	}
	source := oneSource{id: uuid.New()} //nolint:exhaustruct // the rest is not reached
	hub, err := live.New(live.Config{Streams: 0, PerUser: 0, RingBytes: 0}, live.Deps{
		Sources: source, Owners: source, Keys: source, Feed: source, Bus: nil, Tail: nil, Encode: EncodeLive,
		Clock: clock.Func(time.Now), Random: rand.Reader, Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	user := actor.Actor{UserID: uuid.New(), Role: actor.User}
	r := newRig(t, cfg, map[string]func(*call) error{
		"GET /stream": func(c *call) error {
			c.visitor.Actor = user
			return c.live()
		},
	})
	r.server.d.Live = hub
	return &liveRig{r, hub, source}
}

// ear is a client of the stream.
type ear struct {
	conn net.Conn
	in   *bufio.Reader
	last string
}

func (r *liveRig) listen(t *testing.T, last string) *ear {
	t.Helper()
	l := &ear{conn: r.dial(t), last: last}
	if _, err := fmt.Fprintf(l.conn, "GET /stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %s\r\n\r\n", last); err != nil {
		t.Fatal(err)
	}
	l.in = bufio.NewReader(l.conn)
	response, err := http.ReadResponse(l.in, nil) //nolint:bodyclose // it ends with the connection
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("status %d and type %q", response.StatusCode, got)
	}
	l.in = bufio.NewReader(response.Body)
	return l
}

// event reads until something is told: its kind and data.
func (l *ear) event() (kind, data string, err error) {
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			l.last = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			if kind != "" {
				return kind, data, nil
			}
		}
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestAListenerThatIsCutAgainAndAgainHearsEverythingOnce(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t, nil)
	l := r.listen(t, "")
	const all = 2000
	go func() {
		for i := range all {
			r.hub.Durable([]telemetry.Reading{r.source.reading(i)})
			if i%20 == 0 {
				<-time.After(time.Millisecond)
			}
		}
	}()
	cuts := 0
	for want := range all {
		if want%97 == 96 {
			_ = l.conn.Close()
			cuts++
			l = r.listen(t, l.last)
		}
		kind, data, err := l.event()
		if err != nil {
			t.Fatal(err)
		}
		if kind != "reading" || !strings.Contains(data, `"solarPowerWatts":`+strconv.Itoa(want)+",") {
			t.Fatalf("after %d cuts it hears %s %s, want reading %d", cuts, kind, data, want)
		}
	}
}

func TestAStreamLastsBeyondTheTimesOfRequestsAndShowsThatItLives(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t, func(c *Config) {
		c.ReadTime, c.WriteTime, c.RequestTime, c.IdleTime = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
		c.HeartbeatTime = 20 * time.Millisecond
	})
	l := r.listen(t, "")
	began, beats := time.Now(), 0
	for time.Since(began) < 500*time.Millisecond {
		line, err := l.in.ReadString('\n')
		if err != nil {
			t.Fatalf("after %s and %d beats: %v", time.Since(began), beats, err)
		}
		if line == ":\n" {
			beats++
		}
	}
	if beats < 5 {
		t.Errorf("%d heartbeats, want 5 at least", beats)
	}
	r.hub.Durable([]telemetry.Reading{r.source.reading(1)})
	if kind, _, err := l.event(); err != nil || kind != "reading" {
		t.Errorf("it hears %q, %v", kind, err)
	}
}

func TestAListenerThatIsGoneOrDoesNotReadIsLetGo(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t, func(c *Config) { c.StreamWriteTime = 200 * time.Millisecond })
	gone, deaf := r.listen(t, ""), r.listen(t, "")
	until(t, "both listen", func() bool { return r.hub.Stats().Streams == 2 })
	_ = gone.conn.Close()
	until(t, "the one that is gone is let go", func() bool { return r.hub.Stats().Streams == 1 })
	for i := 0; r.hub.Stats().Streams == 1; i++ { // until all buffers in between are full
		r.hub.Durable([]telemetry.Reading{r.source.reading(i)})
		if i%500 == 499 {
			<-time.After(time.Millisecond)
		}
		if i > 10_000_000 {
			t.Fatal("the one that does not read is never let go")
		}
	}
	_ = deaf.conn.Close()
}

func TestAStopEndsStreamsAndDoesNotWaitForThoseWhoSaidNothing(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t, func(c *Config) { c.ShutdownTime = time.Minute })
	l := r.listen(t, "")
	silent := r.dial(t)
	kept := r.dial(t)
	if _, err := io.WriteString(kept, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(kept), nil); err != nil { //nolint:bodyclose // it ends with the connection
		t.Fatal(err)
	}
	until(t, "it listens", func() bool { return r.hub.Stats().Streams == 1 })
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the stop took %s", took)
	}
	for name, c := range map[string]io.Reader{"the stream": l.in, "the silent": silent, "the kept": kept} {
		if rest, _ := io.ReadAll(c); len(rest) > 500 {
			t.Errorf("%s ends with %q", name, rest)
		}
	}
	if log := r.log.String(); strings.Contains(log, "502") || strings.Contains(log, "request failed") {
		t.Errorf("the log tells of a failed request:\n%s", log)
	}
}
