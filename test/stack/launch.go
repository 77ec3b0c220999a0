package stack

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
)

// launch is the one start of a server that all who ask for it wait for.
type launch struct {
	mu      sync.Mutex
	changed *sync.Cond
	lines   []string
	done    bool
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
	l.got, l.err, l.done = got, err, true
	l.changed.Broadcast()
}

// fail makes a server that ran one that does not, for all who ask from now on.
func (l *launch) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
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
