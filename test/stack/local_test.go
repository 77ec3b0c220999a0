package stack

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestAProgramThatEndsBeforeItAnswersIsReportedAtOnceWithItsLog(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh on the path")
	}
	h := &host{run: t.TempDir()}
	_, err = h.start(t.Context(), process{
		name: "server", path: shell, args: []string{"-c", "echo the port is taken >&2; exit 1"},
	}, func(context.Context) error { return errors.New("connection refused") })
	var ended endedError
	if !errors.As(err, &ended) || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("the error is %v, want the end and the log", err)
	}
}

func TestAServerEndsWhenItIsStopped(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep on the path")
	}
	for _, signal := range []stopSignal{killSignal, quitSignal} {
		h := &host{run: t.TempDir()}
		running, err := h.start(t.Context(), process{name: "server", path: sleep, args: []string{"600"}, stop: signal},
			func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := running.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := running.stop(t.Context()); err != nil {
			t.Errorf("stopping a server that has ended: %v", err)
		}
	}
}
