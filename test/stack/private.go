package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Names of the servers that Own starts.
const (
	OwnPostgres  = "PostgreSQL"
	OwnMongo     = "MongoDB"
	OwnKafka     = "Kafka"
	OwnMosquitto = "Mosquitto"
)

// Private is a server that belongs to its caller alone: unlike those that the
// tests share it may be killed, halted and started again on its data. It runs as
// a program of this machine and ends with the process that started it. It is not
// safe for concurrent use.
type Private struct {
	// Address is a URL; for Kafka host:port.
	Address string
	runner  *runner
}

// Ownership says how a private server is started.
type Ownership struct {
	// Folder takes the data and logs; other users must be able to pass through it.
	Folder string
	// Advertised is the address (host:port) that Kafka tells its clients, where
	// something stands between it and them; "" is its own.
	Advertised string
	// Say hears what takes long. Nil hears nothing.
	Say func(line string)
}

// Own starts a server by its name, one of those above. Missing tells of the error
// whether the machine cannot have it.
func Own(ctx context.Context, name string, o Ownership) (*Private, error) {
	s, known := servers()[name]
	if !known {
		return nil, fmt.Errorf("there is no server %q", name)
	}
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		return nil, err
	}
	if cfg.Mode == noServers || cfg.Mode == onlyDocker {
		return nil, missing("AMPRA_TEST_SERVERS=%s forbids to start %s as a program", cfg.Mode, name)
	}
	if _, isKafka := s.(kafkaBroker); isKafka {
		s = kafkaBroker{advertised: o.Advertised}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	got, err := s.asProgram(ctx, &host{run: o.Folder, programs: &programs{folder: cfg.Cache}, say: o.Say})
	if err != nil {
		return nil, fmt.Errorf("starting a %s of one's own: %w", name, err)
	}
	return &Private{Address: got.address, runner: got.runner}, nil
}

// Missing reports whether the error says that a server cannot be had here.
func Missing(err error) bool {
	_, absent := errors.AsType[missingError](err)
	return absent
}

// PID is the process's id; its children are in its process group.
func (p *Private) PID() int { return p.runner.cmd.Process.Pid }

// Kill ends the server and its children at once, as a loss of power would.
func (p *Private) Kill() error {
	if err := killGroup(p.runner.cmd.Process); err != nil {
		return err
	}
	select {
	case <-p.runner.died:
		return nil
	case <-time.After(cleanupTime):
		return fmt.Errorf("%s outlived its kill", p.runner.what.name)
	}
}

// Halt lets the server and its children stand still, until Continue.
func (p *Private) Halt() error { return haltGroup(p.runner.cmd.Process) }

// Continue ends a Halt.
func (p *Private) Continue() error { return continueGroup(p.runner.cmd.Process) }

// Running reports whether the process has not ended.
func (p *Private) Running() bool {
	select {
	case <-p.runner.died:
		return false
	default:
		return true
	}
}

// Restart starts the server again on its data, after Kill or an end of its own,
// and returns when it answers.
func (p *Private) Restart(ctx context.Context) error {
	if p.Running() {
		return fmt.Errorf("%s still runs", p.runner.what.name)
	}
	return p.runner.start(ctx)
}
