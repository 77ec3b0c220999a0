package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"ampra/test/stack"
)

func TestMain(m *testing.M) {
	if os.Getenv(partVariable) != "" {
		os.Exit(runPart())
	}
	os.Exit(m.Run())
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) } //nolint:gosec // not a secret

// lines writes what the program prints to the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(string(p))
	return len(p), nil
}

func TestAcknowledgedReadingsAreFoundOnceAfterAShortRoundOfFaults(t *testing.T) {
	for profile, seed := range map[string]uint64{embedded: 3, scale: 8} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			o, err := parse([]string{"--profile", profile, "--length", "8s", "--faults", "12", "--seed", strconv.FormatUint(seed, 10), "-v"}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			results, err := runAll(t.Context(), o, lines{t})
			lacking(t, err)
			if len(results) != 1 || results[0].broken() {
				t.Error("a promise was broken")
			}
			if r := results[0]; r.acked < 500 || r.faults < 3 {
				t.Errorf("%d readings acknowledged under %d faults: that shows little", r.acked, r.faults)
			}
		})
	}
}

// lacking ends a test on a machine that lacks what it needs.
func lacking(t *testing.T, err error) {
	t.Helper()
	ci, _ := strconv.ParseBool(os.Getenv("CI"))
	switch {
	case err == nil:
	case !stack.Missing(err) && !errors.Is(err, errLacking):
		t.Fatal(err)
	case ci:
		t.Fatalf("CI=true forbids to skip: %v (docs/testing.md)", err)
	default:
		t.Skipf("%v (docs/testing.md)", err)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--rounds", "0"}, {"--profile", "moon"}, {"--scenario", "moon"}, {"rounds"}, {"--length", "1s"}, {"--devices", "0", "--webhooks", "0"},
	} {
		if o, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q was taken: %+v", args, o)
		}
	}
	o, err := parse(nil, io.Discard)
	if err != nil || o.seed == 0 || o.length != 20*time.Second {
		t.Errorf("without flags: %+v, %v", o, err)
	}
}
