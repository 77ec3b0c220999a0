package stack

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
)

// retryAfter is how long a failed launch answers for all who ask: the tests of a
// run shall not wait for the same failure one after the other.
const retryAfter = 2 * time.Minute

// launch is the one start of a server that all who ask for it wait for.
type launch struct {
	mu      sync.Mutex
	changed *sync.Cond
	lines   []string
	done    bool
	ended   time.Time
	got     instance
	err     error
}

func newLaunch() *launch {
	l := &launch{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// say tells all who wait what is going on.
func (l *launch) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.changed.Broadcast()
}

func (l *launch) finish(got instance, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got, l.err, l.done, l.ended = got, err, true, time.Now()
	l.changed.Broadcast()
}

// stale tells whether who asks now deserves a new launch: the server has ended
// since, or it failed so long ago that the reason may be gone.
func (l *launch) stale(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.done:
		return false
	case l.err != nil:
		return now.Sub(l.ended) >= retryAfter
	default:
		return l.got.refuses()
	}
}

func (l *launch) wait() (instance, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.done {
		l.changed.Wait()
	}
	return l.got, l.err
}

// follow sends the progress and then the outcome. Progress of a launch that is
// over is old news and left out.
func (l *launch) follow(answers *json.Encoder) {
	l.mu.Lock()
	sent := 0
	for !l.done {
		if sent == len(l.lines) {
			l.changed.Wait()
			continue
		}
		line := l.lines[sent]
		sent++
		l.mu.Unlock()
		err := answers.Encode(reply{Progress: line})
		l.mu.Lock()
		if err != nil {
			break
		}
	}
	got, err := l.got, l.err
	l.mu.Unlock()

	m, absent := errors.AsType[missingError](err)
	switch {
	case absent:
		_ = answers.Encode(reply{Missing: m.what})
	case err != nil:
		_ = answers.Encode(reply{Error: err.Error()})
	default:
		_ = answers.Encode(reply{Address: got.address})
	}
}

// oneLine joins the lines of a text, for messages that must stay on one.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
