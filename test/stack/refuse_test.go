package stack

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (*recorder) Helper()        {}
func (*recorder) Name() string   { return "TestRecorded" }
func (*recorder) Cleanup(func()) {}
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs act as a test of its own, which it may end.
func record(act func(testing.TB)) (r recorder, returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		act(&r)
		returned = true
	}()
	<-done
	return r, returned
}

func TestAMissingServerSkipsAndFailsOnlyUnderCI(t *testing.T) {
	t.Parallel()
	absent := fmt.Errorf("programs: %w", missing("initdb is not on the path"))
	broken := errors.New("postgres ended before it answered")
	for _, c := range []struct {
		name            string
		ci              bool
		err             error
		skipped, failed string
	}{
		{"missing", false, absent, "initdb is not on the path", ""},
		{"missing under CI", true, absent, "", "initdb is not on the path"},
		{"broken", false, broken, "", "ended before it answered"},
		{"broken under CI", true, broken, "", "ended before it answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, returned := record(func(t testing.TB) { refuse(t, postgres{}, c.ci, c.err) })
			if returned {
				t.Error("the test went on without its server")
			}
			check := func(what, got, want string) {
				if (got == "") != (want == "") || !strings.Contains(got, want) {
					t.Errorf("%s with %q, want %q in it", what, got, want)
				}
				if strings.Contains(got, "\n") {
					t.Errorf("%s with more than one line: %q", what, got)
				}
			}
			check("skipped", got.skipped, c.skipped)
			check("failed", got.failed, c.failed)
		})
	}
}

func TestASkipSaysWhichVariableWouldHelp(t *testing.T) {
	for name, ask := range map[string]func(testing.TB){
		"AMPRA_TEST_POSTGRES_URL":  func(t testing.TB) { Postgres(t) },
		"AMPRA_TEST_MONGO_URL":     func(t testing.TB) { Mongo(t) },
		"AMPRA_TEST_KAFKA_BROKERS": func(t testing.TB) { Kafka(t) },
		"AMPRA_TEST_MQTT_URL":      func(t testing.TB) { Mosquitto(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "")
			t.Setenv("AMPRA_TEST_SERVERS", "none")
			t.Setenv("CI", "")
			if got, _ := record(ask); !strings.Contains(got.skipped, name) {
				t.Errorf("skipped with %q and failed with %q, want it skipped with %s in it", got.skipped, got.failed, name)
			}
			t.Setenv("CI", "true")
			if got, _ := record(ask); got.failed == "" {
				t.Errorf("skipped with %q under CI, want it failed", got.skipped)
			}
		})
	}
}

func TestAServerOfTheEnvironmentIsTakenAsItIs(t *testing.T) {
	t.Setenv("AMPRA_TEST_SERVERS", "none")
	t.Setenv("AMPRA_TEST_MQTT_URL", "mqtt://admin:pw@broker.example:1883")
	if got := Mosquitto(t); got != "mqtt://admin:pw@broker.example:1883" {
		t.Errorf("got %s", got)
	}
	t.Setenv("AMPRA_TEST_KAFKA_BROKERS", "one.example:9092,two.example:9092")
	var brokers []string
	if _, returned := record(func(t testing.TB) { brokers, _ = Kafka(t) }); !returned || len(brokers) != 2 || brokers[1] != "two.example:9092" {
		t.Errorf("got the brokers %v", brokers)
	}
}
