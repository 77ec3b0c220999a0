package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ampra/bootstrap/cli"
	"ampra/test/child"
)

// This program runs itself again as the product: `ampra` with the arguments.
const partVariable = "FAULTS_PART"

// runPart is main of such a process.
func runPart() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go followClock(ctx)
	return cli.Run(ctx, os.Args[1:], "faults", io.Discard, os.Stderr)
}

// process is one process of Ampra. It can be killed and started again, on the
// same data and addresses.
type process struct {
	name     string
	settings map[string]string
	// http is where it answers, without a link before it.
	http string
	log  string
	// program is what is run, "" for this one.
	program string

	mu    sync.Mutex
	child *child.Child
	// wanted is false while a fault wants it not to run.
	wanted bool
}

// start starts it, without waiting for more.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	program := p.program
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "serve") //nolint:noctx // this program itself; it ends with it
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "AMPRA_") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	cmd.Env = append(cmd.Env, partVariable+"=ampra")
	for key, value := range p.settings {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Dir = filepath.Dir(p.log)
	cmd.Stdout, cmd.Stderr = log, log
	if p.child, err = child.Start(cmd); err != nil {
		return err
	}
	p.wanted = true
	return nil
}

// kill ends it with SIGKILL.
func (p *process) kill() error {
	p.mu.Lock()
	p.wanted = false
	c := p.child
	p.mu.Unlock()
	c.Kill()
	return nil
}

func (p *process) running() *child.Child {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.child
}

func (p *process) halt() error    { return p.running().Halt() }
func (p *process) proceed() error { return p.running().Continue() }

// fell reports whether it ended though nobody wanted that.
func (p *process) fell() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted && !p.child.Running()
}

// stop ends it in order, and kills it when that takes too long.
func (p *process) stop() error {
	p.mu.Lock()
	c := p.child
	p.wanted = false
	p.mu.Unlock()
	if c == nil || !c.Running() {
		return nil
	}
	_ = c.Terminate()
	if !c.EndsWithin(patience) {
		c.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, patience)
	}
	if code := c.State.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d after SIGTERM: %s", p.name, code, p.said(5))
	}
	return nil
}

// awaitReady returns when /readyz says yes.
func (p *process) awaitReady(ctx context.Context) error {
	var err error
	for deadline := time.Now().Add(readyTime); time.Now().Before(deadline); {
		if p.fell() {
			return fmt.Errorf("%s ended with code %d: %s", p.name, p.running().State.ExitCode(), p.said(8))
		}
		var status int
		var text string
		if status, text, err = p.ask(ctx, "/readyz"); err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil {
			err = statusError{status, text}
		}
		if waited := pause(ctx, 50*time.Millisecond); waited != nil {
			return waited
		}
	}
	return errors.Join(fmt.Errorf("%s was not ready within %s: %w", p.name, readyTime, err), errors.New(p.said(8)))
}

// ask makes a request to the process itself.
func (p *process) ask(ctx context.Context, path string) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+path, nil)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(body), err
}

// said are the last lines of its log.
func (p *process) said(n int) string {
	text, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n\t")
}
