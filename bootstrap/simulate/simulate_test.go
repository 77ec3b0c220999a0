package simulate

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ampra/core/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run plays a small fleet as fast as it goes and returns its last line too.
func run(t *testing.T, f *fakeServer, change func(*Options)) (Summary, string, error) {
	t.Helper()
	var out bytes.Buffer
	o := Options{
		SignIn: f.signIn(), MQTT: f.broker(), Sources: 4, Days: 0.1, Interval: time.Minute, Speed: Max(), Seed: 7,
		MaxOutage: 10 * time.Second, FindWithin: 300 * time.Millisecond, Out: &out,
	}
	if change != nil {
		change(&o)
	}
	summary, err := Run(t.Context(), o)
	t.Log(out.String())
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	return summary, lines[len(lines)-1], err
}

func TestAFleetsReadingsAreSentAcknowledgedAndFound(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	summary, last, err := run(t, f, func(o *Options) { o.Sources, o.Days = 2, 0.75 }) // more than a page, and than a request
	if err != nil {
		t.Fatal(err)
	}
	if want := "sent 2160, acknowledged 2160, found 2160, lost 0, twice 0"; last != want || summary.LastLine() != want {
		t.Errorf("the last line is %q, want %q", last, want)
	}
	if f.forms["standard"] == 0 || f.forms["plain"] == 0 {
		t.Errorf("signature forms used: %v", f.forms)
	}
	if len(f.users) != 1 || f.deleted != 2 || len(f.sources) != 0 {
		t.Errorf("%d users, %d sources deleted, %d left", len(f.users), f.deleted, len(f.sources))
	}
	if summary.AckMedian <= 0 || summary.Ack95 < summary.AckMedian {
		t.Errorf("acknowledged within %s at the median and %s for 95 of 100", summary.AckMedian, summary.Ack95)
	}
}

func TestTheMadeAccountIsPrintedOnceAndSourcesAreKeptOnRequest(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	var out bytes.Buffer
	_, _, err := run(t, f, func(o *Options) { o.Keep, o.Out, o.Days = true, &out, 0.01 })
	if err != nil {
		t.Fatal(err)
	}
	if len(f.sources) != 4 {
		t.Errorf("%d sources are left, want 4", len(f.sources))
	}
	for email, password := range f.users {
		if strings.Count(out.String(), email) != 1 || strings.Count(out.String(), password) != 1 {
			t.Errorf("%s, %s is not printed once:\n%s", email, password, out.String())
		}
	}
}

func TestAPasswordThatIsTheUsersOwnIsNotPrinted(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	var out bytes.Buffer
	_, _, err := run(t, f, func(o *Options) {
		o.Email, o.Password, o.Out, o.Days = "me@example.org", credential.NewSecret("My-0wn-one"), &out, 0.01
	})
	if err != nil || !strings.Contains(out.String(), "signed up") || strings.Contains(out.String(), "My-0wn-one") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestWhatIsNotAsItWasSentIsCountedAndNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hooks fakeHooks
		last  string
		says  []string
	}{
		"an acknowledged reading that is not stored is lost": {
			fakeHooks{store: func(_ int, r *Reading) bool { return r.Timestamp.Minute() != 30 }},
			"",
			[]string{"lost, the first of", "lost"},
		},
		"a reading that is shown twice": {
			fakeHooks{show: func(readings []Reading) []Reading {
				if len(readings) > 3 {
					return append(readings, readings[3])
				}
				return readings
			}},
			"sent 576, acknowledged 576, found 576, lost 0, twice 4",
			[]string{"shown twice", "4 found twice"},
		},
		"a reading with another value is lost": {
			fakeHooks{store: func(n int, r *Reading) bool {
				if n == 5 {
					r.LoadPowerWatts = new(*r.LoadPowerWatts + 0.1)
				}
				return true
			}},
			"sent 576, acknowledged 576, found 572, lost 4, twice 0",
			[]string{"other values than those sent", "differ in loadPowerWatts", "4 lost"},
		},
		"a reading that was never sent": {
			fakeHooks{show: func(readings []Reading) []Reading {
				alien := readings[0]
				alien.Timestamp = alien.Timestamp.Add(13 * time.Millisecond)
				return append(readings, alien)
			}},
			"sent 576, acknowledged 576, found 576, lost 0, twice 0",
			[]string{"4 found that were never sent"},
		},
		"a rejected reading": {
			fakeHooks{reject: func(r Reading) string {
				if r.Timestamp.Minute() == 30 {
					return "half past is out of range"
				}
				return ""
			}},
			"",
			[]string{"readings were refused, the last: ", "half past is out of range", "0x99"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, c.hooks)
			var out bytes.Buffer
			summary, _, err := run(t, f, func(o *Options) { o.Out = &out })
			if err == nil {
				t.Fatal("it ended without an error")
			}
			if c.last != "" && summary.LastLine() != c.last {
				t.Errorf("the last line is %q, want %q", summary.LastLine(), c.last)
			}
			if !strings.HasSuffix(out.String(), "\n"+summary.LastLine()+"\n") {
				t.Errorf("the output does not end with %q", summary.LastLine())
			}
			for _, text := range c.says {
				if !strings.Contains(out.String()+err.Error(), text) {
					t.Errorf("nothing says %q: %v\n%s", text, err, out.String())
				}
			}
			if f.deleted != 0 {
				t.Error("the sources were deleted, so nobody can look for what is wrong")
			}
		})
	}
}

func TestLostCountsWhatWasAcknowledgedAndNotFound(t *testing.T) {
	t.Parallel()
	var dropped atomic.Int64
	f := startFake(t, fakeHooks{store: func(n int, _ *Reading) bool {
		return n < 10 || dropped.Add(1) > 7
	}})
	summary, _, err := run(t, f, nil)
	if err == nil || summary.Lost() != 7 || summary.Found != 569 || summary.Twice != 0 {
		t.Errorf("%s (%v), want 7 lost", summary.LastLine(), err)
	}
}

func TestReadingsThatShowUpLateAreFound(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{visible: func(_ Reading, stored time.Time) time.Time { return stored.Add(700 * time.Millisecond) }})
	summary, _, err := run(t, f, func(o *Options) { o.FindWithin = 20 * time.Second })
	if err != nil || summary.Found != 576 {
		t.Errorf("%s (%v)", summary.LastLine(), err)
	}
}

func TestAServerThatDiesAndComesBackLosesNothing(t *testing.T) {
	t.Parallel()
	var stored atomic.Int64
	half := make(chan struct{})
	f := startFake(t, fakeHooks{store: func(int, *Reading) bool {
		if stored.Add(1) == 150 {
			close(half)
		}
		return true
	}})
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		<-half
		f.stop()
		timer := time.NewTimer(300 * time.Millisecond)
		<-timer.C
		f.start(t)
	}()
	// Fast enough for the test, slow enough to be in the middle when it dies.
	summary, last, err := run(t, f, func(o *Options) { o.Speed = 4000 })
	<-restarted
	if err != nil || last != "sent 576, acknowledged 576, found 576, lost 0, twice 0" {
		t.Errorf("%s (%v)", last, err)
	}
	if summary.Problems == 0 {
		t.Error("no problem was noticed")
	}
}

func TestAServerThatStaysAwayEndsTheRun(t *testing.T) {
	t.Parallel()
	var stored atomic.Int64
	var f *fakeServer
	stopped := make(chan struct{})
	f = startFake(t, fakeHooks{store: func(int, *Reading) bool {
		if stored.Add(1) == 100 {
			go func() {
				defer close(stopped)
				f.stop()
			}()
		}
		return true
	}})
	summary, _, err := run(t, f, func(o *Options) {
		o.Speed, o.MaxOutage, o.Patience = 4000, 400*time.Millisecond, 400*time.Millisecond
	})
	<-stopped
	if err == nil || len(summary.Failures) == 0 || !strings.Contains(summary.Failures[0].Error(), "has not answered") {
		t.Errorf("%s (%v), failures %v", summary.LastLine(), err, summary.Failures)
	}
	if summary.Sent >= 576 || summary.Acknowledged == 0 || summary.Acknowledged > summary.Sent {
		t.Errorf("%s after 100 were stored", summary.LastLine())
	}
}

func TestAnInterruptionSendsNoMoreAndStillFindsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var enough sync.Once
	var out bytes.Buffer
	summary, err := Run(ctx, Options{
		SignIn: f.signIn(), MQTT: f.broker(), Sources: 4, Interval: 20 * time.Millisecond, FindWithin: 5 * time.Second, Out: &out,
		OnCounts: func(c Counts) {
			if c.Found > 20 {
				enough.Do(cancel)
			}
		},
	})
	if err != nil || !summary.Interrupted || summary.Found != summary.Acknowledged || summary.Found <= 20 {
		t.Errorf("%s (%v), interrupted %v", summary.LastLine(), err, summary.Interrupted)
	}
	if !strings.HasSuffix(out.String(), summary.LastLine()+"\n") {
		t.Errorf("the output does not end with %q:\n%s", summary.LastLine(), out.String())
	}
}

func TestPlayingLiveSendsThePastFirstAndCountsOn(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	session, err := NewSession(t.Context(), f.signIn())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if !session.Made || session.Email == "" || session.Password.IsZero() {
		t.Errorf("signed in as %q, made %v", session.Email, session.Made)
	}
	var sources []*Source
	for i, webhook := range []bool{false, true} {
		source, err := session.AddSource(t.Context(), "Roof", webhook, 1, i)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last Counts
	summary, err := PlayLive(ctx, session, sources, Live{
		MQTT: f.broker(), Interval: 50 * time.Millisecond, Past: 3 * time.Hour,
		OnCounts: func(c Counts) {
			last = c
			if c.Found > 2*36+10 {
				cancel()
			}
		},
	})
	if err != nil || summary.Lost() != 0 || summary.Found <= 2*36+10 {
		t.Errorf("%s (%v)", summary.LastLine(), err)
	}
	if last != summary.Counts {
		t.Errorf("the last counts told are %v, it came to %v", last, summary.Counts)
	}
	for id, s := range f.sources {
		past, present := 0, 0
		for _, r := range s.readings {
			if age := r.at.Sub(r.Timestamp); age > 4*time.Minute {
				past++
			} else if age < -time.Second {
				t.Errorf("%s: a reading of %s came at %s", id, r.Timestamp, r.at)
			} else {
				present++
			}
		}
		if past != 36 || present == 0 {
			t.Errorf("%s: %d readings of the past, %d of the present", id, past, present)
		}
	}
}

func TestADeviceThatIsRefusedEndsItsSourceAlone(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	session, err := NewSession(t.Context(), f.signIn())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var sources []*Source
	for i, webhook := range []bool{false, true, false, true} {
		source, err := session.AddSource(t.Context(), "Roof", webhook, 1, i)
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			source.MQTTKey, source.WebhookSecret = credential.NewSecret("wrong"), credential.NewSecret("wrong")
		}
		sources = append(sources, source)
	}
	fleet := newFleet(session, f.broker(), 10*time.Second, sources)
	now := time.Now()
	plan := schedule{first: now.Add(-time.Hour), interval: time.Minute, count: 50, speed: Max(), begun: now, epoch: now}
	fleet.play(t.Context(), 0, func(int, *Source) []schedule { return []schedule{plan} })
	if len(fleet.failures) != 2 {
		t.Errorf("failures: %v", fleet.failures)
	}
	for i, s := range sources {
		want := 50
		if i < 2 {
			want = 0
		}
		if got := s.ledger.snapshot().Acknowledged; got != want {
			t.Errorf("source %d: %d acknowledged, want %d", i, got, want)
		}
	}
}

func TestASlowWebhookIsAskedAgainWithTheSameID(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{webhook: func(n int, w http.ResponseWriter) bool {
		switch n {
		case 0:
			w.Header().Set("Retry-After", "0")
			refuse(w, http.StatusTooManyRequests, "Slow down.")
		case 1:
			refuse(w, http.StatusServiceUnavailable, "The journal is away.")
		case 2:
			w.WriteHeader(http.StatusAccepted) // and no word of how many
		default:
			return false
		}
		return true
	}})
	summary, _, err := run(t, f, func(o *Options) { o.Sources, o.WebhookShare = 1, new(1.0) })
	if err != nil || summary.Found != 144 || summary.Problems != 3 {
		t.Errorf("%s (%v), %d problems", summary.LastLine(), err, summary.Problems)
	}
	first := f.hookIDs[0]
	for i, id := range f.hookIDs {
		if same := id == first; same != (i < 4) {
			t.Errorf("request %d has the id %q, the first %q", i, id, first)
		}
	}
}
