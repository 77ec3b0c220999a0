package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// launchTime bounds installing and starting one server.
	launchTime = 7 * time.Minute
	// slowStart is after how long a waiting test is told so.
	slowStart = 10 * time.Second
	// stopTime bounds stopping all of them.
	stopTime = 30 * time.Second
	// watchEvery is how often the supervisor looks whether it is still needed.
	watchEvery = 200 * time.Millisecond
)

// init is the supervisor's main: a test binary that was started to supervise must
// not get as far as its tests, and no function of this package runs before them.
func init() { //nolint:gochecknoinits // see above
	if os.Getenv(supervisorVariable) == "" {
		return
	}
	if err := supervise(); err != nil {
		log.Print(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervisor starts servers when they are asked for and ends them, and itself,
// some time after the last process that needed them is gone.
type supervisor struct {
	cfg      settings
	listener net.Listener
	engine   func() (*engine, error)
	host     host
	ctx      context.Context //nolint:containedctx // the supervisor's life

	mu      sync.Mutex
	leases  int
	runs    map[int]struct{}
	lastUse time.Time
	started map[string]*launch
	all     sync.WaitGroup // launches and stops
}

// supervise runs until nobody needs the servers any more or a signal ends it.
func supervise() error {
	_ = os.Unsetenv(supervisorVariable) // not for the children
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		return err
	}
	socket := os.NewFile(3, "socket")
	listener, err := net.FileListener(socket)
	if err != nil {
		return fmt.Errorf("taking over the socket: %w", err)
	}
	_ = socket.Close()
	run, left, err := freshRunFolder(cfg.State)
	if err != nil {
		return err
	}
	defer os.RemoveAll(run)
	signal.Ignore(syscall.SIGHUP)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	s := &supervisor{
		cfg: cfg, listener: listener, ctx: ctx,
		engine:  sync.OnceValues(findEngine),
		host:    host{run: run, programs: &programs{folder: cfg.Cache}},
		runs:    make(map[int]struct{}),
		lastUse: time.Now(),
		started: make(map[string]*launch),
	}
	log.Printf("supervisor %d, data in %s", os.Getpid(), run)
	go s.accept()
	if len(left) > 0 {
		go func() { log.Printf("removing the containers %v: %v", left, removeContainers(ctx, left)) }()
	}
	err = s.watch(ctx)
	cancel()
	s.stopAll()
	return err
}

// freshRunFolder makes a folder for the data of one supervisor's life, and removes
// those of supervisors that were killed. It returns the containers that these
// left.
func freshRunFolder(state string) (run string, left []string, err error) {
	old, err := filepath.Glob(filepath.Join(state, "run-*"))
	if err != nil {
		return "", nil, err
	}
	for _, dir := range old {
		notes, _ := filepath.Glob(filepath.Join(dir, containerNote+"*"))
		for _, note := range notes {
			left = append(left, strings.TrimPrefix(filepath.Base(note), containerNote))
		}
		_ = os.RemoveAll(dir) // one that is just ending removes it as well
	}
	run, err = os.MkdirTemp(state, "run-")
	if err != nil {
		return "", nil, fmt.Errorf("making the data folder: %w", err)
	}
	return run, left, os.Chmod(run, 0o711) //nolint:gosec // PostgreSQL's own user passes through
}

func (s *supervisor) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed: the end
		}
		go s.serve(conn)
	}
}

func (s *supervisor) serve(conn net.Conn) {
	defer conn.Close()
	var r request
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return
	}
	answers := json.NewEncoder(conn)
	if r.Server != "" {
		s.launch(r.Server).follow(answers)
		return
	}
	s.use(+1, r.Run)
	defer s.use(-1, 0)
	if answers.Encode(reply{Leased: true}) == nil {
		_, _ = io.Copy(io.Discard, conn) // until the process is gone
	}
}

func (s *supervisor) use(leases, run int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases += leases
	s.lastUse = time.Now()
	if run > 0 {
		s.runs[run] = struct{}{}
	}
}

// idle tells whether nobody has needed the servers for the grace period.
func (s *supervisor) idle(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for run := range s.runs {
		if !isGoCommand(run) {
			delete(s.runs, run)
			s.lastUse = now
		}
	}
	if s.leases > 0 || len(s.runs) > 0 {
		s.lastUse = now
	}
	return now.Sub(s.lastUse) >= s.cfg.Grace
}

// watch returns once the socket is closed and nobody holds a lease, or when a
// signal came.
func (s *supervisor) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.close(func() bool { return true })
		case now := <-tick.C:
			if !s.idle(now) {
				continue
			}
			// Looked at again under the lock: somebody may have joined meanwhile.
			closed := false
			err := s.close(func() bool { closed = s.idle(time.Now()); return closed })
			if closed || err != nil {
				return err
			}
		}
	}
}

// close takes the socket away if still wanted under the lock, so that the next
// process starts a supervisor of its own.
func (s *supervisor) close(wanted func() bool) error {
	unlock, err := lockFile(s.cfg.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	if !wanted() {
		return nil
	}
	return errors.Join(os.Remove(s.cfg.socketPath()), s.listener.Close())
}

// launch returns the server's one launch, beginning it when it is the first asked
// or what the last one started has ended.
func (s *supervisor) launch(name string) *launch {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.started[name]
	if ok && !last.stale(time.Now()) {
		return last
	}
	if ok {
		log.Printf("%s has ended and is started again", name)
		s.all.Go(func() { stop(s.ctx, name, last) })
	}
	l := newLaunch()
	s.started[name] = l
	s.all.Go(func() { s.run(l, name) })
	return l
}

func (s *supervisor) run(l *launch, name string) {
	kind, ok := servers()[name]
	if !ok {
		l.finish(instance{}, fmt.Errorf("no server is called %q", name))
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, launchTime)
	defer cancel()
	begin := time.Now()
	slow := time.AfterFunc(slowStart, func() {
		l.say("waiting for " + name + " (a first start fetches its image or programs)")
	})
	defer slow.Stop()
	running, err := s.start(ctx, kind, l.say)
	log.Printf("%s after %s: %s %v", name, time.Since(begin).Round(time.Millisecond), running.address, err)
	l.finish(running, err)
}

// start tries Docker, then programs, as far as the mode allows. When no way
// works, the server is missing unless one of them was there and broke.
func (s *supervisor) start(ctx context.Context, kind server, say func(string)) (instance, error) {
	var reasons []error
	if s.cfg.Mode != onlyPrograms {
		found, err := s.engine()
		if err == nil {
			var running instance
			if running, err = kind.inDocker(ctx, &engine{host: found.host, run: s.host.run}); err == nil {
				return running, nil
			}
			say(fmt.Sprintf("%s by Docker failed: %v", kind.name(), err))
		}
		reasons = append(reasons, fmt.Errorf("by Docker: %w", err))
	}
	if s.cfg.Mode != onlyDocker {
		mine := s.host
		mine.say = say
		running, err := kind.asProgram(ctx, &mine)
		if err == nil {
			return running, nil
		}
		reasons = append(reasons, fmt.Errorf("by programs: %w", err))
	}
	all := errors.Join(reasons...)
	for _, reason := range reasons {
		if _, ok := errors.AsType[missingError](reason); !ok {
			return instance{}, all
		}
	}
	return instance{}, missing("%s", oneLine(all.Error()))
}

func (s *supervisor) stopAll() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock() // kept: nobody launches any more
	for name, l := range s.started {
		s.all.Go(func() { stop(ctx, name, l) })
	}
	s.all.Wait()
}

// stop waits for the launch and ends what it started.
func stop(ctx context.Context, name string, l *launch) {
	running, _ := l.wait()
	if running.stop == nil {
		return // never ran
	}
	if err := running.stop(ctx); err != nil {
		log.Printf("stopping %s: %v", name, err)
	}
}
