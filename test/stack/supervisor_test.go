package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestServersAreNeededWhileAProcessOrTheGoCommandLives(t *testing.T) {
	t.Parallel()
	start := time.Now()
	s := &supervisor{cfg: settings{Grace: time.Minute}, runs: map[int]struct{}{}, lastUse: start}
	idle := func(after time.Duration, want bool) {
		t.Helper()
		if got := s.idle(start.Add(after)); got != want {
			t.Errorf("%s after the start idle is %v, want %v", after, got, want)
		}
	}
	idle(59*time.Second, false)
	idle(60*time.Second, true)

	s.use(+1, 0)
	idle(10*time.Minute, false)
	s.use(-1, 0)
	s.lastUse = start.Add(10 * time.Minute)
	idle(10*time.Minute+59*time.Second, false)
	idle(11*time.Minute, true)

	if runtime.GOOS != "linux" {
		return
	}
	run := commandNamed(t, "go")
	s.use(0, run.Process.Pid)
	idle(20*time.Minute, false)
	_ = run.Process.Kill()
	_ = run.Wait()
	idle(30*time.Minute, false) // its end begins the grace period
	idle(31*time.Minute, true)
}

func TestOnlyTheGoCommandStandsForARun(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("known on Linux only")
	}
	shell, run := commandNamed(t, "bash"), commandNamed(t, "go")
	if isGoCommand(shell.Process.Pid) {
		t.Error("a shell, which stays for days, was taken for a run of the tests")
	}
	if !isGoCommand(run.Process.Pid) {
		t.Error("the go command was not known")
	}
}

// commandNamed runs a process of that name until the test ends.
func commandNamed(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep on the path")
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, program, 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended it
	return cmd
}

func TestAllWhoWaitForALaunchHearItsProgressAndItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  instance
		err  error
		want reply
	}{
		{"started", instance{address: "127.0.0.1:9"}, nil, reply{Address: "127.0.0.1:9"}},
		{"missing", instance{}, missing("no mongod"), reply{Missing: "no mongod"}},
		{"broken", instance{}, errors.New("it ended"), reply{Error: "it ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLaunch()
			l.say("installing")
			heard := make(chan []reply)
			for range 2 {
				go func() { heard <- followed(l) }()
			}
			l.say("starting")
			l.finish(c.got, c.err)
			for range 2 {
				replies := <-heard
				if last := replies[len(replies)-1]; last != c.want {
					t.Errorf("the last reply is %+v, want %+v", last, c.want)
				}
			}
			if late := followed(l); len(late) != 1 || late[0] != c.want {
				t.Errorf("who asks later hears %+v, want %+v alone", late, c.want)
			}
		})
	}
}

// followed returns what a process hears that waits for the launch.
func followed(l *launch) (all []reply) {
	var text bytes.Buffer
	l.follow(json.NewEncoder(&text))
	for answers := json.NewDecoder(&text); ; {
		var r reply
		if answers.Decode(&r) != nil {
			return all
		}
		all = append(all, r)
	}
}

func TestALaunchIsStaleWhenItsServerHasEndedOrItsFailureIsOld(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLaunch()
	check := func(when string, after time.Duration, want bool) {
		t.Helper()
		if got := l.stale(now.Add(after)); got != want {
			t.Errorf("%s it is stale: %v, want %v", when, got, want)
		}
	}
	check("under way", time.Hour, false)

	// Nobody else takes this address' port in between.
	listener, err := net.Listen("tcp", "127.83.16.7:0") //nolint:noctx // bound at once
	if err != nil {
		t.Skipf("this system has one loopback address: %v", err)
	}
	for _, address := range []string{listener.Addr().String(), "mqtt://admin:pw@" + listener.Addr().String()} {
		l = newLaunch()
		l.finish(instance{address: address}, nil)
		check("running", time.Hour, false)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	check("ended", 0, true)

	l = newLaunch()
	l.finish(instance{}, errors.New("the image could not be pulled"))
	check("just failed", time.Minute, false)
	check("failed long ago", time.Hour, true)
}
