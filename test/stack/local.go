package stack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTime is how long a started server may take to answer; on a busy machine
// Kafka takes half a minute.
const startTime = 90 * time.Second

// host runs servers as processes of this machine.
type host struct {
	// run is the folder of their data and logs; it is removed at the end.
	run string
	// programs finds and installs what they need.
	programs *programs
	// say tells the waiting tests what takes so long.
	say func(string)
}

// account is a user of the machine that a server runs as.
type account struct{ uid, gid uint32 }

// stopSignal is how a server is ended.
type stopSignal int

const (
	killSignal stopSignal = iota
	quitSignal
)

// process is a server to run.
type process struct {
	name string
	path string
	args []string
	env  []string
	dir  string
	user *account
	stop stopSignal
}

// folder makes a folder under the run's, for that user when one is given.
func (h *host) folder(name string, user *account) (string, error) {
	dir, err := os.MkdirTemp(h.run, name+"-") // a server that ended has left one
	if err != nil {
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	if user == nil {
		return dir, nil
	}
	return dir, os.Chown(dir, int(user.uid), int(user.gid))
}

// start runs the process and waits until ready says that the server answers. The
// data need no orderly end: they are removed.
func (h *host) start(ctx context.Context, p process, ready func(context.Context) error) (instance, error) {
	r := &runner{what: p, log: filepath.Join(h.run, p.name+".log"), ready: ready}
	if err := r.start(ctx); err != nil {
		return instance{}, err
	}
	return instance{stop: r.stop, runner: r}, nil
}

// endedError is a server that will not answer any more.
type endedError struct{ last error }

func (e endedError) Error() string { return "ended before it answered (" + e.last.Error() + ")" }
func (e endedError) Unwrap() error { return e.last }

// await asks until the server answers, died or takes too long.
func await(ctx context.Context, died <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-died:
			return endedError{last: last}
		case <-ctx.Done():
			return fmt.Errorf("does not answer: %w", last)
		case <-tick.C:
			once, cancel := context.WithTimeout(ctx, 10*time.Second)
			err := ready(once)
			cancel()
			if _, ended := errors.AsType[endedError](err); err == nil || ended {
				return err
			}
			last = err
		}
	}
}

// freePort finds a loopback port that nobody listens on, below those that the
// kernel gives to outgoing connections and to listeners that ask for any.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000) //nolint:gosec // not a secret
		var listener net.Listener
		if listener, err = net.Listen("tcp", loopback(port)); err == nil { //nolint:noctx // bound at once
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("finding a free port: %w", err)
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// lastLines returns the end of a log for an error, on lines of its own.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > 12 {
		lines = lines[len(lines)-12:]
	}
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return "\n\t" + strings.Join(lines, "\n\t")
}
