package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockVariable names the file with the seconds by which a process's wall clock is
// off. It is followed by a program that was built with a standard library whose
// wall clock can be moved: see steppedProgram. The monotonic clock stays true, as
// it does on a machine whose time is set.
const clockVariable = "FAULTS_CLOCK"

// steppedSource is added to the package time of such a program.
const steppedSource = `package time

import "sync/atomic"

var stepSeconds atomic.Int64

// StepWall moves the wall clock of this process.
func StepWall(seconds int64) { stepSeconds.Store(seconds) }
`

// steppedProgram builds this program with a wall clock that can be moved.
func steppedProgram(ctx context.Context, folder string) (string, error) {
	env := func(name string) (string, error) {
		out, err := exec.CommandContext(ctx, "go", "env", name).Output()
		return strings.TrimSpace(string(out)), err
	}
	goroot, err := env("GOROOT")
	if err != nil {
		return "", fmt.Errorf("%w: no go command: %w", errLacking, err)
	}
	gomod, err := env("GOMOD")
	if err != nil {
		return "", err
	}
	original := filepath.Join(goroot, "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("%w: the standard library's sources are not there: %w", errLacking, err)
	}
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reads) != 1 {
		return "", fmt.Errorf("%w: this version of Go reads the clock in another way", errLacking)
	}
	changed, added := filepath.Join(folder, "time.go"), filepath.Join(folder, "step.go")
	replace := map[string]map[string]string{"Replace": {
		original: changed, filepath.Join(filepath.Dir(original), "step.go"): added,
	}}
	overlay, err := json.Marshal(replace)
	if err != nil {
		return "", err
	}
	list := filepath.Join(folder, "overlay.json")
	for path, content := range map[string]string{
		changed: strings.Replace(string(text), reads, reads+"\tsec += stepSeconds.Load()\n", 1),
		added:   steppedSource, list: string(overlay),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	program := filepath.Join(folder, "stepped")
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-tags", "clockstep", "-o", program, "./test/faults")
	cmd.Dir = filepath.Dir(gomod)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with a clock that can be moved: %w\n%s", err, out)
	}
	return program, nil
}

// past is how old the readings of the scenario are when they are sent: a server
// whose clock is late would refuse them as ahead of it, and says so to the device.
const past = 6 * time.Hour

// clockSteps moves the clocks of single processes while readings flow, on each of
// the profiles that were asked for.
func clockSteps(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	folder, err := os.MkdirTemp(t.folder, "clock-")
	if err != nil {
		return err
	}
	t.say("building a program whose clock can be moved; the first time takes minutes")
	program, err := steppedProgram(ctx, folder)
	if err != nil {
		return err
	}
	for _, profile := range t.o.profiles {
		one := result{name: r.name, seed: r.seed}
		if err := t.clockIn(ctx, profile, program, &one, random); err != nil {
			return err
		}
		r.add(one.verdict)
		r.faults += one.faults
		r.took += one.took
		r.wrong, r.notes = append(r.wrong, one.wrong...), append(r.notes, one.notes...)
	}
	return nil
}

func (t *trial) clockIn(ctx context.Context, profile, program string, r *result, random *rand.Rand) error {
	p := t.o.paced()
	p.strict, p.plain, p.past = true, true, past
	h, err := t.houseOf(ctx, profile, nil, program)
	if err != nil {
		return err
	}
	h.play(ctx, r, random, p, func(ctx context.Context, f *fleet) (time.Time, error) {
		token, err := h.token(ctx, time.Hour)
		if err != nil {
			return time.Time{}, err
		}
		s := newSpell(f)
		for _, step := range []time.Duration{2 * time.Hour, 0, -3 * time.Hour, 0} {
			for _, p := range h.processes {
				r.faults++
				t.say(fmt.Sprintf("the clock of %s is off by %s", p.name, step))
				if err := p.step(step); err != nil {
					return time.Time{}, err
				}
				if s.lasts(ctx, between(random, time.Second, 3*time.Second)) == 0 && s.lasts(ctx, 10*time.Second) == 0 {
					r.complain(fmt.Errorf("%s: nothing was acknowledged for 10 s after the clock of %s was off by %s", profile, p.name, step))
				}
			}
			want := http.StatusOK
			if step > time.Hour {
				want = http.StatusUnauthorized
			}
			status, err := h.asks(ctx, token)
			r.complain(err)
			if status != want {
				r.complain(fmt.Errorf("%s: with clocks off by %s a token of one hour is answered with %d, want %d", profile, step, status, want))
			}
		}
		return time.Time{}, nil
	})
	r.complain(h.close())
	return nil
}

// step moves the clock of a process that runs, and of those that will.
func (p *process) step(by time.Duration) error {
	path := p.settings[clockVariable]
	aside := path + ".new"
	if err := os.WriteFile(aside, []byte(strconv.Itoa(int(by.Seconds()))), 0o600); err != nil {
		return err
	}
	return os.Rename(aside, path)
}

// token makes a personal token that ends after a while.
func (h *house) token(ctx context.Context, lasts time.Duration) (string, error) {
	if _, err := h.reader.get(ctx, "/api/auth/me"); err != nil { // signs in
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"name": "clock", "scopes": []string{"read"}, "expiresAt": time.Now().Add(lasts).UTC().Format(time.RFC3339),
	})
	if err != nil {
		return "", err
	}
	text, err := h.reader.do(ctx, http.MethodPost, "/api/auth/tokens", body)
	if status, ok := err.(statusError); ok && status.status == http.StatusCreated { //nolint:errorlint // its own, unwrapped
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	var made struct {
		Token string `json:"token"`
	}
	return made.Token, json.Unmarshal(text, &made)
}

// asks makes a request with a token and returns the status.
func (h *house) asks(ctx context.Context, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.api().http+"/api/sunsources", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}
