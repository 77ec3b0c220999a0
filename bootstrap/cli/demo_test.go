package cli

import (
	"context"
	"net"
	"strings"
	"testing"

	"ampra/bootstrap"
)

// taken is an address where somebody listens until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestTheDemoLeavesPortsThatAreTakenAndSaysSo(t *testing.T) {
	t.Parallel()
	http, mqtt, wanted := taken(t), taken(t), taken(t)
	c := bootstrap.Config{
		HTTPListen: http, MQTTListen: mqtt, MQTTTLSListen: wanted, PublicURL: "http://elsewhere",
		EMQXURL: "http://key:secret@emqx", MQTTAdminURL: "mqtt://admin:password@mosquitto",
	}
	got, moves := demoSettings(t.Context(), c, t.TempDir(), map[string]bool{"mqtt-tls-listen": true})
	if got.HTTPListen == http || got.MQTTListen == mqtt || got.MQTTTLSListen != wanted {
		t.Errorf("the demo listens at %s, %s and %s", got.HTTPListen, got.MQTTListen, got.MQTTTLSListen)
	}
	if len(moves) != 2 {
		t.Fatalf("it tells of %v", moves)
	}
	for i, want := range [][]string{{http, got.HTTPListen, "HTTP", "--http-listen"}, {mqtt, got.MQTTListen, "MQTT", "--mqtt-listen"}} {
		for _, word := range want {
			if !strings.Contains(moves[i].String(), word) {
				t.Errorf("%q does not name %s", moves[i], word)
			}
		}
	}
	if got.EMQXURL != "" || got.MQTTAdminURL != "" || got.PublicURL != "" {
		t.Error("the demo reaches what is no part of it")
	}
}

func TestTheDemoRunsWhereSomebodyElseHasThePortOfHTTP(t *testing.T) {
	t.Parallel()
	// Where this fails somebody else has it, which does as well.
	if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":8080"); err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	out := &screen{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, []string{"demo", "--mqtt-listen=127.0.0.1:0", "--mqtt-tls-listen=127.0.0.1:0"}, "v-test", out, out)
	}()
	eventually(t, "the demo tells how far it is", func() bool { return strings.Contains(out.String(), "found ") || len(ended) > 0 })
	cancel()
	if code := <-ended; code != ExitOK {
		t.Errorf("the demo ended with code %d", code)
	}
	for _, want := range []string{":8080 is taken: HTTP is on the free port 127.0.0.1:", "Ampra's demo is running", "lost 0, twice 0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in what the demo said:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "MQTT is on the free port") {
		t.Error("it tells of a port that it was given")
	}
}
