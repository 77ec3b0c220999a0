package simulate

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ampra/core/credential"
)

// posts answers requests without a network, so that time is the test's own.
type posts struct {
	answer func(n int, body string) (status int, header, text string)

	mu       sync.Mutex
	requests []post
}

type post struct {
	at     time.Time
	header http.Header
	body   string
}

func (p *posts) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	n := len(p.requests)
	p.requests = append(p.requests, post{time.Now(), r.Header, string(body)})
	p.mu.Unlock()
	status, wait, text := p.answer(n, string(body))
	header := http.Header{}
	if wait != "" {
		header.Set("Retry-After", wait)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// accept is a 202 for all of a body.
func accept(body string) (int, string, string) {
	n := 1
	if body[0] == '[' {
		n = strings.Count(body, "{")
	}
	return 202, "", `{"accepted":` + strconv.Itoa(n) + `,"rejected":[],"warnings":[]}`
}

// runHook runs a device until the bubble's test ends it.
func runHook(t *testing.T, p *posts) (d *webhookDevice, stop func() error) {
	t.Helper()
	d = newWebhookDevice(&http.Client{Transport: p}, "http://h/api/webhook/sunsource/1", credential.NewSecret("wh_0123456789abcdef"), func(error) {})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, func() error {
		cancel()
		return <-ended
	}
}

func TestAWebhookWaitsAsLongAsItIsToldAndSignsAgainBeforeItIsTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &posts{answer: func(n int, body string) (int, string, string) {
			switch n {
			case 0:
				return 429, "30", ""
			case 1:
				return 503, "300", ""
			}
			return accept(body)
		}}
		d, stop := runHook(t, p)
		answers := make(chan error, 1)
		if err := d.Send(t.Context(), []byte(`{"a":1}`), func(err error) { answers <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-answers; err != nil {
			t.Errorf("answered with %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(p.requests) != 3 {
			t.Fatalf("%d requests, want 3", len(p.requests))
		}
		for i, want := range []time.Duration{30 * time.Second, 300 * time.Second} {
			if got := p.requests[i+1].at.Sub(p.requests[i].at); got < want || got > want+time.Second {
				t.Errorf("it waited %s, told %s", got, want)
			}
		}
		first, second, third := p.requests[0], p.requests[1], p.requests[2]
		if first.header.Get("webhook-id") == "" || first.header.Get("webhook-id") != second.header.Get("webhook-id") || first.header.Get("webhook-id") != third.header.Get("webhook-id") {
			t.Error("the id changed between tries")
		}
		if first.header.Get("webhook-timestamp") != second.header.Get("webhook-timestamp") {
			t.Error("the timestamp changed though it was young")
		}
		if third.header.Get("webhook-timestamp") != strconv.FormatInt(third.at.Unix(), 10) {
			t.Error("after five minutes it was sent with the old timestamp")
		}
		if first.body != third.body {
			t.Error("the body changed")
		}
	})
}

func TestWhatGathersGoesInOneRequestWithinTheLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload string
		want    []int // readings by request
	}{
		"small readings by count": {`{"a":1}`, []int{1, 200, 200, 99}},
		"large readings by size":  {`{"a":"` + strings.Repeat("x", 100<<10) + `"}`, []int{1, 5, 5, 5, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				p := &posts{answer: func(n int, body string) (int, string, string) {
					if n == 0 {
						<-release // the rest gathers meanwhile
					}
					return accept(body)
				}}
				d, stop := runHook(t, p)
				total := 0
				for _, n := range c.want {
					total += n
				}
				answers := make(chan error, total)
				send := func() {
					if err := d.Send(t.Context(), []byte(c.payload), func(err error) { answers <- err }); err != nil {
						t.Error(err)
					}
				}
				send()
				synctest.Wait() // the first is on its way
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for range total - 1 {
						send()
					}
				}()
				synctest.Wait()
				close(release)
				for range total {
					if err := <-answers; err != nil {
						t.Fatal(err)
					}
				}
				<-sent
				if err := stop(); err != nil {
					t.Error(err)
				}
				var got []int
				for i, r := range p.requests {
					got = append(got, strings.Count(r.body, "{"))
					if standard := r.header.Get("webhook-signature") != ""; standard != (i%2 == 0) || standard == (r.header.Get("X-Webhook-Signature") != "") {
						t.Errorf("request %d is signed in the wrong form: %v", i, r.header)
					}
				}
				sum := 0
				for _, n := range got {
					sum += n
				}
				if sum != total || len(got) != len(c.want) {
					t.Errorf("requests of %v readings, want %v", got, c.want)
				}
			})
		})
	}
}

func TestAnAnswerCountsOnlyWhatItSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   string // an error's part, "" for accepted
	}{
		"accepted":                      {`{"accepted":1,"rejected":[],"warnings":[]}`, ""},
		"rejected":                      {`{"accepted":0,"rejected":[{"index":0,"reason":"too old"}],"warnings":[]}`, "too old"},
		"no count":                      {`{}`, "does not say"},
		"fewer than were sent":          {`{"accepted":0,"rejected":[]}`, "accepts 0 and rejects 0"},
		"more than were sent":           {`{"accepted":2,"rejected":[]}`, "accepts 2"},
		"accepted and rejected at once": {`{"accepted":1,"rejected":[{"index":0,"reason":"r"}]}`, "rejects 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, stop := runHook(t, &posts{answer: func(int, string) (int, string, string) { return 202, "", c.answer }})
				answers := make(chan error, 1)
				if err := d.Send(t.Context(), []byte(`{"a":1}`), func(err error) { answers <- err }); err != nil {
					t.Fatal(err)
				}
				err := <-answers
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("answered with %v, want %q", err, c.want)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAWebhookThatIsStoppedAnswersForWhatItStillHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, stop := runHook(t, &posts{answer: func(int, string) (int, string, string) { return 503, "", "" }})
		answers := make(chan error, 2)
		for range 2 {
			if err := d.Send(t.Context(), []byte(`{"a":1}`), func(err error) { answers <- err }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-answers; !isUnanswered(err) {
				t.Errorf("answered with %v", err)
			}
		}
		if err := d.Send(t.Context(), []byte(`{}`), func(error) { t.Error("answered after the end") }); !isUnanswered(err) {
			t.Errorf("sending after the end: %v", err)
		}
	})
}
