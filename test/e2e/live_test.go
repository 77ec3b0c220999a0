package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ear is a user who listens to live events.
type ear struct {
	t      testing.TB
	cancel context.CancelFunc
	lines  chan string
	last   string // the last event's id
}

// listen opens a stream; last is the id of the last event that was heard.
func (u *user) listen(path, last string) *ear {
	u.t.Helper()
	ctx, cancel := context.WithCancel(u.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.server.url()+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	client := &http.Client{Jar: u.http.Jar, Transport: u.http.Transport}
	response, err := client.Do(request) //nolint:bodyclose // whoever reads it closes it
	if err != nil {
		u.t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "text/event-stream" {
		u.t.Fatalf("GET %s: status %d, type %q", path, response.StatusCode, got)
	}
	e := &ear{t: u.t, cancel: cancel, lines: make(chan string, 100_000), last: last}
	go func() {
		defer response.Body.Close()
		defer close(e.lines)
		for in := bufio.NewScanner(response.Body); in.Scan(); {
			e.lines <- in.Text()
		}
	}()
	u.t.Cleanup(cancel)
	return e
}

// close cuts the stream.
func (e *ear) close() { e.cancel() }

// event waits for what is told next; kind is "" when the stream has ended.
func (e *ear) event() (kind string, data map[string]any) {
	e.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, open := <-e.lines:
			if !open {
				return "", nil
			}
			name, value, _ := strings.Cut(line, ": ")
			switch {
			case name == "id":
				e.last = value
			case name == "event":
				kind = value
			case name == "data":
				if err := json.Unmarshal([]byte(value), &data); err != nil {
					e.t.Fatalf("%s: %v", line, err)
				}
			case line == "" && kind != "":
				return kind, data
			}
		case <-limit:
			e.t.Fatalf("nothing is told within %s", patience)
		}
	}
}

// reading waits for a reading and returns its power.
func (e *ear) reading() float64 {
	e.t.Helper()
	kind, data := e.event()
	if kind != "reading" {
		e.t.Fatalf("heard %q %v, want a reading", kind, data)
	}
	return data["reading"].(map[string]any)["solarPowerWatts"].(float64) //nolint:errcheck,forcetypeassert // a panic tells enough
}

// ends waits for the end; what was on its way may come before.
func (e *ear) ends() {
	e.t.Helper()
	for kind := "."; kind != ""; {
		kind, _ = e.event()
	}
}

// identified waits until there is an id to come back with.
func (e *ear) identified() {
	e.t.Helper()
	for e.last == "" {
		select {
		case line := <-e.lines:
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				e.last = id
			}
		case <-time.After(patience):
			e.t.Fatal("no id is told")
		}
	}
}

func watts(n int) string {
	return fmt.Sprintf(`{"timestamp": %q, "solarPowerWatts": %d}`, time.Now().UTC().Add(time.Duration(n)*time.Millisecond).Format(time.RFC3339Nano), n)
}

func TestListenersHearReadingsWhereverTheyAreAndMissNone(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		u := p.u.in(t)
		there := u
		if p.holds != u.server {
			there = u.at(p.holds)
		}
		roof, other := u.add("Webhook", "Roof"), u.add("Webhook", "Other")
		send := func(s *user, to source, n int) {
			t.Helper()
			url := s.server.url() + "/api/webhook/sunsource/" + to.ID
			to.Details.URL = &url
			deliver(t, to, watts(n), plain)
		}
		all, one := u.listen("/api/live", ""), there.listen("/api/sunsources/"+roof.ID+"/live", "")
		send(u, roof, 1)
		send(there, other, 2)
		send(there, roof, 3)
		got := map[float64]bool{all.reading(): true, all.reading(): true, all.reading(): true}
		if !got[1] || !got[2] || !got[3] {
			t.Errorf("all sources: heard %v, want 1, 2 and 3", got)
		}
		if a, b := one.reading(), one.reading(); a != 1 || b != 3 {
			t.Errorf("one source: heard %v and %v, want 1 and 3", a, b)
		}

		// Again and again it is cut, and comes back to the one process and the other.
		one.close()
		at := []*user{u, there}
		for i, to := range at {
			// What a process told right after another began to listen, that one can't know.
			eventually(t, "each process knows what the other told", func() error {
				from := at[1-i].listen("/api/live", "")
				from.identified()
				from.close()
				send(u, other, 4)
				back := to.listen("/api/live", from.last)
				defer back.close()
				if kind, _ := back.event(); kind != "reading" {
					return fmt.Errorf("it tells %s", kind)
				}
				return nil
			})
		}
		fresh := u.listen("/api/sunsources/"+roof.ID+"/live", "")
		fresh.identified()
		fresh.close()
		last, want := fresh.last, 100
		for round := range 10 {
			for range 20 {
				send(at[round%2], roof, want)
				want++
			}
			again := at[round%2].listen("/api/sunsources/"+roof.ID+"/live", last)
			send(at[(round+1)%2], roof, want)
			want++
			for n := want - 21; n < want; n++ {
				if got := again.reading(); got != float64(n) {
					t.Fatalf("round %d: heard %v, want %d", round, got, n)
				}
			}
			last = again.last
			again.close()
		}

		// A source that is made joins, one that is deleted leaves.
		joining := there.listen("/api/live", "")
		joining.identified()
		made := u.add("Webhook", "New")
		eventually(t, "the new source is heard of", func() error {
			send(u, made, 7)
			select {
			case line := <-joining.lines:
				if strings.Contains(line, made.ID) {
					return nil
				}
			case <-time.After(200 * time.Millisecond):
			}
			return fmt.Errorf("it is not")
		})
		leaving := there.listen("/api/sunsources/"+made.ID+"/live", "")
		u.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+made.ID, nil)
		leaving.ends()

		// The session ends at the one process, its stream at the other.
		ending := there.listen("/api/live", "")
		ending.identified()
		gone := *u
		gone.http = there.http // the same session
		began := time.Now()
		gone.want(http.StatusNoContent, http.MethodPost, "/api/auth/logout", nil)
		ending.ends()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stream ended %s after its session", took)
		}
	})
}

func TestAStopIsQuickThoughSomebodyListens(t *testing.T) {
	t.Parallel()
	h := embedded(t, nil).startAll()
	u := firstUser(t, h.api())
	u.listen("/api/live", "").identified()
	began := time.Now()
	h.api().stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
}
