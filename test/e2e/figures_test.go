package e2e

import (
	"bufio"
	"debug/buildinfo"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a newcomer is promised. These tests do not run beside others of this
// package: they measure.
const (
	startWithin      = 5 * time.Second
	firstFoundWithin = 10 * time.Second
	idleFor          = 5 * time.Second
	idleMegabytes    = 60
)

func TestTheBinaryIsBuiltWithoutCgo(t *testing.T) {
	info, err := buildinfo.ReadFile(ampra(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" && s.Value == "0" {
			return
		}
	}
	t.Errorf("CGO_ENABLED=0 is not among the build's settings: %v", info.Settings)
}

func TestAFreshServerIsReadySoonAndSmallWhenIdle(t *testing.T) {
	s := embedded(t, map[string]string{"AMPRA_LOG_LEVEL": "info"}).api().start()
	t.Logf("ready %s after the start", s.startTook.Round(time.Millisecond))
	if s.startTook > startWithin {
		t.Errorf("ready after %s, promised are %s", s.startTook, startWithin)
	}
	if runtime.GOOS != "linux" {
		t.Skip("memory is measured on Linux only")
	}
	if s.child.EndsWithin(idleFor) {
		t.Fatalf("the server ended by itself:\n%s", s.log.tail())
	}
	fresh := residentMegabytes(t, s)
	t.Logf("%.1f MB resident after %s idle", fresh, idleFor)
	if fresh > idleMegabytes {
		t.Errorf("%.1f MB resident when idle, promised are %d", fresh, idleMegabytes)
	}
	firstUser(t, s).add("MQTT", "Roof")
	s.child.EndsWithin(idleFor)
	t.Logf("%.1f MB resident %s after a sign-up and a new source", residentMegabytes(t, s), idleFor)
}

// residentMegabytes is the process's memory that is in RAM now.
func residentMegabytes(t testing.TB, s *server) float64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", s.child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 3 && words[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes * 1024 / 1e6
		}
	}
	t.Fatal("no VmRSS in the process's status")
	return 0
}

var foundSome = regexp.MustCompile(`acknowledged \d+, found [1-9]`)

func TestTheDemoShowsAReadingSoonAndItsLinesWorkWhenPasted(t *testing.T) {
	sh := shell(t, t.TempDir(), tool{"curl", "curl"})
	temp := t.TempDir()
	var out record
	cmd := command(t, map[string]string{
		"AMPRA_HTTP_LISTEN": freeAddress(t), "AMPRA_MQTT_LISTEN": freeAddress(t), "AMPRA_MQTT_TLS_LISTEN": freeAddress(t), "TMPDIR": temp,
	}, "demo")
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	demo := spawn(t, cmd)
	eventually(t, "the demo finds a reading", func() error {
		if !demo.Running() {
			t.Fatalf("the demo ended with code %d:\n%s", demo.State.ExitCode(), out.tail())
		}
		if !foundSome.MatchString(out.String()) {
			return fmt.Errorf("no line says so yet:\n%s", out.tail())
		}
		return nil
	})
	took := time.Since(began)
	t.Logf("the demo shows its first found reading after %s", took.Round(time.Millisecond))
	if took > firstFoundWithin {
		t.Errorf("the first found reading shows after %s, promised are %s", took, firstFoundWithin)
	}
	_, rest, _ := strings.Cut(out.String(), "Paste into another terminal:")
	pasted, _, _ := strings.Cut(rest, "Ctrl-C")
	var lines []string
	for line := range strings.Lines(pasted) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	wanted := []string{`"email":"demo@example.org"`, `"name":"Garage, by webhook"`, `"solarPowerWatts":`, `"nextCursor":`}
	if len(lines) != len(wanted) {
		t.Fatalf("the demo shows %d lines to paste, want %d:\n%s", len(lines), len(wanted), out.tail())
	}
	for i, line := range lines {
		eventually(t, "pasting "+line, func() error {
			if said := sh.run(line); !strings.Contains(said, wanted[i]) {
				return fmt.Errorf("it says %q, want %s in it", said, wanted[i])
			}
			return nil
		})
	}
	terminate(t, demo)
	if !demo.EndsWithin(patience) || demo.State.ExitCode() != 0 {
		t.Fatalf("the demo did not end well after SIGTERM:\n%s", out.tail())
	}
	words := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := words[len(words)-1]; !strings.HasSuffix(last, "lost 0, twice 0") {
		t.Errorf("the demo's last line is %q, want it to say lost 0, twice 0", last)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("the demo leaves %v behind (%v)", left, err)
	}
}
