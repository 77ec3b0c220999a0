package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"time"

	"ampra/bootstrap/cli"
)

// This program runs itself again for what must be a process of its own, so that
// its CPU and memory can be told apart. partVariable names the part.
const (
	partVariable    = "LOAD_PART"
	profileVariable = "LOAD_PROFILE"

	ampraPart  = "ampra"  // the product: `ampra` with the arguments
	brokerPart = "broker" // limit: the MQTT broker alone
	mochiPart  = "mochi"  // the same of mochi-mqtt, to compare
	routePart  = "route"  // limit: a bare HTTP route

	generatorPart = "generator" // some of the devices of a convoy
)

// runPart is main of a part. It ends when its standard input does, which is also
// when the process that started it was killed.
func runPart(name string) int {
	profile := os.Getenv(profileVariable)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	stop, err := startProfile(profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	defer stop()
	switch name {
	case ampraPart:
		return cli.Run(ctx, os.Args[1:], "load", io.Discard, os.Stderr)
	case brokerPart:
		err = serveBroker(ctx, os.Args[1])
	case mochiPart:
		err = serveMochi(ctx, os.Args[1])
	case routePart:
		err = serveRoute(ctx, os.Args[1])
	case generatorPart:
		err = serveGenerator(ctx, os.Args[1])
	default:
		err = fmt.Errorf("there is no part %q", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	return 0
}

// startProfile writes a CPU profile to a file until stop is called; "" writes
// none.
func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path) //nolint:gosec // the folder is a flag
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "load: writing the profile:", err)
		}
	}, nil
}

// part is a running process of this program.
type part struct {
	name  string
	cmd   *exec.Cmd
	input io.Closer
	said  *bytes.Buffer
	ended chan struct{}
	err   error
}

// start runs this program as a part. settings are added to an environment
// without any of Ampra's own.
func start(kind, name, profile string, settings map[string]string, args ...string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(self, args...) //nolint:noctx // itself; it ends with its input
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "AMPRA_") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	cmd.Env = append(cmd.Env, partVariable+"="+kind, profileVariable+"="+profile)
	for key, value := range settings {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	p := &part{name: name, cmd: cmd, said: &bytes.Buffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	if p.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

func (p *part) process() process { return process{name: p.name, pid: p.cmd.Process.Pid} }

// stopTime is how long a part may take to end in order.
const stopTime = 60 * time.Second

// stop ends the process and returns what it complained of.
func (p *part) stop() error {
	_ = p.input.Close()
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end within %s and was killed", p.name, stopTime)
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w:\n%s", p.name, p.err, lastLines(p.said.String()))
	}
	return nil
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// startTime bounds the wait until a part answers.
const startTime = 90 * time.Second

// await asks until the part answers.
func (p *part) await(ctx context.Context, ask func(ctx context.Context) error) error {
	deadline := time.Now().Add(startTime)
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it answered: %s", p.name, lastLines(p.said.String()))
		default:
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s does not answer: %w", p.name, err), p.stop())
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return errors.Join(err, p.stop())
		}
	}
}

// ready asks an Ampra process whether it is.
func ready(base string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		_, err := get(ctx, http.DefaultClient, base+"/readyz")
		return err
	}
}

// listens tells whether somebody takes connections at an address.
func listens(address string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// requestTime bounds a request of the load program's own.
const requestTime = 30 * time.Second

// get makes a request and returns the body of a 200.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return body, err
}
