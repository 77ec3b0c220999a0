package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// supervisorVariable turns a test binary into the supervisor; it holds the
// shared folder.
const supervisorVariable = "AMPRA_TEST_STACK_SUPERVISOR"

// answerTime bounds the wait for a server: installing and starting included.
const answerTime = 8 * time.Minute

// request is what a test process sends, one a connection.
type request struct {
	// Server names the server that is wanted. Empty takes a lease: the servers stay
	// as long as the connection is open.
	Server string `json:"server,omitempty"`
	// Run is the process id of the `go` command that runs the tests, 0 if there is
	// none. The servers also stay until it is gone, so that a pause between two test
	// binaries does not restart them.
	Run int `json:"run,omitempty"`
}

// reply is what the supervisor sends: any number of progress lines, then one of
// the others.
type reply struct {
	Progress string `json:"progress,omitempty"`
	Address  string `json:"address,omitempty"`
	Missing  string `json:"missing,omitempty"`
	Error    string `json:"error,omitempty"`
	Leased   bool   `json:"leased,omitempty"`
}

// session is a process's hold on the supervisor. The lease is an open connection,
// which the kernel closes when the process ends, however it ends.
type session struct {
	mu    sync.Mutex
	lease net.Conn
}

// shared is the hold of this process. It has to outlive every test, so no test
// can own it.
var shared session //nolint:gochecknoglobals // one lease a process, for its whole life

// ask returns the address of a server, starting the supervisor and the server
// when they do not run. The error is a missingError when there is no way to get
// one on this machine.
func (s *session) ask(cfg settings, name string, progress func(string)) (string, error) {
	if cfg.Mode == noServers {
		return "", missing("AMPRA_TEST_SERVERS=none allows only what the environment names")
	}
	if err := s.join(cfg); err != nil {
		return "", fmt.Errorf("reaching the servers' supervisor: %w", err)
	}
	conn, err := dial(cfg)
	if err != nil {
		return "", fmt.Errorf("reaching the servers' supervisor: %w", err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(request{Server: name}); err != nil {
		return "", fmt.Errorf("asking the servers' supervisor: %w", err)
	}
	answers := json.NewDecoder(conn)
	for {
		var r reply
		if err := answers.Decode(&r); err != nil {
			return "", fmt.Errorf("hearing the servers' supervisor: %w (see %s)", err, cfg.logPath())
		}
		switch {
		case r.Progress != "":
			progress(r.Progress)
		case r.Missing != "":
			return "", missingError{what: r.Missing}
		case r.Error != "":
			return "", errors.New(r.Error)
		default:
			return r.Address, nil
		}
	}
}

// join takes the lease, once a process. The file lock makes one process start the
// supervisor, and keeps a supervisor from ending between the two steps.
func (s *session) join(cfg settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease != nil {
		return nil
	}
	if err := cfg.makeState(); err != nil {
		return err
	}
	unlock, err := lockFile(cfg.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := takeLease(cfg)
	if err != nil { // nobody listens, or who did is just ending
		if err := startSupervisor(cfg); err != nil {
			return err
		}
		if conn, err = takeLease(cfg); err != nil {
			return fmt.Errorf("%w (see %s)", err, cfg.logPath())
		}
	}
	s.lease = conn
	return nil
}

// takeLease asks a supervisor that listens to keep the servers for as long as the
// returned connection is open.
func takeLease(cfg settings) (net.Conn, error) {
	conn, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	hello := request{}
	if parent := os.Getppid(); isGoCommand(parent) {
		hello.Run = parent
	}
	var r reply
	if err := errors.Join(json.NewEncoder(conn).Encode(hello), json.NewDecoder(conn).Decode(&r)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	return conn, conn.SetDeadline(time.Time{})
}

func dial(cfg settings) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(context.Background(), "unix", cfg.socketPath())
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(answerTime))
}

// startSupervisor starts this very binary again as the supervisor, detached: in a
// session of its own, so that a signal to the terminal or to the tests' process
// group does not reach it, and with none of this process's files, since
// `go test` waits until its output is closed by all who hold it. The socket is
// made here and handed down, so it takes connections before the child runs.
func startSupervisor(cfg settings) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the test binary: %w", err)
	}
	if err := os.Remove(cfg.socketPath()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing an old socket: %w", err)
	}
	addr := &net.UnixAddr{Name: cfg.socketPath(), Net: "unix"}
	listener, err := net.ListenUnix("unix", addr)
	if err != nil {
		return fmt.Errorf("making the supervisor's socket: %w", err)
	}
	defer listener.Close()
	listener.SetUnlinkOnClose(false)
	if err := os.Chmod(cfg.socketPath(), 0o600); err != nil {
		return err
	}
	socket, err := listener.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	log, err := os.OpenFile(cfg.logPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()

	child := exec.CommandContext(context.Background(), self)
	child.Env = append(os.Environ(), supervisorVariable+"="+cfg.State)
	if _, set := os.LookupEnv("TESTCONTAINERS_RYUK_DISABLED"); !set {
		child.Env = append(child.Env, "TESTCONTAINERS_RYUK_DISABLED=true") // the supervisor removes its containers
	}
	child.Dir = filepath.Dir(cfg.State)
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{socket}
	child.SysProcAttr = detached()
	if err := child.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	return child.Process.Release()
}
