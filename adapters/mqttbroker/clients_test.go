package mqttbroker

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"ampra/core/change"
)

// programs runs Mosquitto's clients against a house.
type programs struct {
	testing.TB
	house   *house
	options []string
}

// run gives a program the account and more options, and returns what it prints.
func (p *programs) command(ctx context.Context, program string, a account, options ...string) *exec.Cmd {
	p.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		p.Skipf("%s is not installed (Debian's package mosquitto-clients has it)", program)
	}
	host, port, err := net.SplitHostPort(p.house.tcp.Addr().String())
	if err != nil {
		p.Fatal(err)
	}
	all := slices.Concat([]string{"-h", host, "-p", port, "-i", a.clientID, "-u", a.clientID, "-P", a.key}, p.options, options)
	return exec.CommandContext(ctx, path, all...)
}

func (p *programs) run(program string, a account, options ...string) (out string, err error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	b, err := p.command(ctx, program, a, options...).CombinedOutput()
	return string(b), err
}

func (p *programs) must(program string, a account, options ...string) string {
	p.Helper()
	out, err := p.run(program, a, options...)
	if err != nil {
		p.Fatalf("%s %q: %v: %s", program, options, err, out)
	}
	return out
}

// eachWay runs a test with each protocol, in the clear and over TLS.
func eachWay(t *testing.T, test func(t *testing.T, p *programs, version byte)) {
	t.Helper()
	for _, secure := range []bool{false, true} {
		for name, version := range map[string]byte{"mqttv311": 4, "mqttv5": 5} {
			t.Run(fmt.Sprintf("%s, TLS: %t", name, secure), func(t *testing.T) {
				t.Parallel()
				l, p := loopback(t), &programs{TB: t, options: []string{"-V", name}}
				if secure {
					server, _ := certificates(t)
					l = tls.NewListener(l, server)
					file := filepath.Join(t.TempDir(), "ca.pem")
					block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificates[0].Certificate[0]})
					if err := os.WriteFile(file, block, 0o600); err != nil {
						t.Fatal(err)
					}
					p.options = append(p.options, "--cafile", file)
				}
				p.house = open(t, Config{}, l)
				test(t, p, version)
			})
		}
	}
}

func TestMosquittosClientPublishes(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, p *programs, _ byte) {
		a := p.house.gate.add()
		var want []string
		publish := func(topic string, qos int, payload string, times int, options ...string) {
			options = append(options, "-t", topic, "-q", fmt.Sprint(qos), "-m", payload, "--repeat", fmt.Sprint(times))
			p.must("mosquitto_pub", a, options...)
			want = append(want, slices.Repeat([]string{payload}, times)...)
			p.house.ingest.await(t, len(want)) // at QoS 0 the next would take over from what is not read yet
		}
		for qos := range 3 {
			publish(a.data(), qos, fmt.Sprintf(`{"acPowerWatts":%d}`, qos), 1)
			publish(a.data()+"/acPowerWatts", qos, "5", 1, "-r")
			publish(a.data(), qos, "many", 100)
		}
		if got := p.house.ingest.payloads(); !slices.Equal(got, want) {
			t.Errorf("%d deliveries, want %d; the first are %q", len(got), len(want), got[:min(3, len(got))])
		}
	})
}

func TestMosquittosClientIsToldOfRefusals(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, p *programs, version byte) {
		a := p.house.gate.add()
		wrong := a
		wrong.key = "ak_wrong"
		out, err := p.run("mosquitto_pub", wrong, "-t", a.data(), "-m", "x")
		if err == nil || !strings.Contains(strings.ToLower(out), "bad user") {
			t.Errorf("with a wrong key: %v: %s", err, out)
		}
		if out, _ := p.run("mosquitto_sub", a, "-t", "#", "-W", "2"); !strings.Contains(out, "denied") {
			t.Errorf("subscribing to all: %s", out)
		}
		if version == 5 {
			if out, err := p.run("mosquitto_pub", a, "-t", "other", "-q", "1", "-m", "x"); err != nil || !strings.Contains(out, "Not authorized") {
				t.Errorf("publishing elsewhere: %v: %s", err, out)
			}
		}
		if got := p.house.ingest.payloads(); len(got) > 0 {
			t.Errorf("deliveries are %q", got)
		}
	})
}

func TestMosquittosClientHearsAndGoesOnWithItsSession(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, p *programs, version byte) {
		a := p.house.gate.add()
		keep := []string{"-c", "-q", "1", "-t", a.data() + "/#"}
		if version == 5 {
			keep = append(keep, "-x", "300")
		}
		p.must("mosquitto_sub", a, append(keep, "-E")...) // subscribes and leaves

		pub := []string{"-c", "-q", "1", "-t", a.data(), "-m", "heard"}
		if version == 5 {
			pub = append(pub, "-x", "300")
		}
		// Its own echo comes to the same session, which the subscriber goes on with.
		p.house.ingest.set(func(f *fakeIngest) { f.hold = true })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		publisher := p.command(ctx, "mosquitto_pub", a, pub...)
		if err := publisher.Start(); err != nil {
			t.Fatal(err)
		}
		p.house.ingest.await(t, 1)
		_ = publisher.Process.Kill()
		_ = publisher.Wait()
		eventually(t, "it is away", func() bool { return p.house.Stats().Sessions == 0 })
		p.house.ingest.release(nil, 0)
		if out := p.must("mosquitto_sub", a, append(keep, "-C", "1", "-v")...); strings.TrimSpace(out) != a.data()+" heard" {
			t.Errorf("heard %q", out)
		}
	})
}

func TestMosquittosClientIsCutOffByARotation(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, p *programs, version byte) {
		a := p.house.gate.add()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		listener := p.command(ctx, "mosquitto_sub", a, "-t", a.data(), "-d")
		var out bytes.Buffer
		listener.Stdout, listener.Stderr = &out, &out
		if err := listener.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is there", func() bool { return p.house.Stats().Sessions == 1 })
		p.house.gate.rotate(a, 0)
		p.house.Apply(ctx, change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
		err := listener.Wait()
		want := map[byte]string{4: "CONNACK (4)", 5: "DISCONNECT (152)"}[version] // 3.1.1 tries again with the old key
		if ctx.Err() != nil || !strings.Contains(out.String(), want) {
			t.Errorf("it ended with %v: %s", err, out.String())
		}
	})
}

// pahoClient is a client of eclipse/paho.golang.
func pahoClient(t *testing.T, h *house, a account, change func(*paho.ClientConfig, *paho.Connect)) *paho.Client {
	t.Helper()
	connect := &paho.Connect{
		ClientID: a.clientID, KeepAlive: 30, CleanStart: true,
		UsernameFlag: true, Username: a.source.String(), PasswordFlag: true, Password: []byte(a.key),
	}
	cfg := paho.ClientConfig{Conn: h.dialTCP(t)}
	if change != nil {
		change(&cfg, connect)
	}
	client := paho.NewClient(cfg)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ack, err := client.Connect(ctx, connect)
	if err != nil || ack.ReasonCode != 0 {
		t.Fatalf("connecting: %v (%+v)", err, ack)
	}
	return client
}

func TestPahoPublishesAndHears(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	heard := make(chan string, 100)
	client := pahoClient(t, h, a, func(cfg *paho.ClientConfig, _ *paho.Connect) {
		cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			heard <- string(p.Packet.Payload)
			return true, nil
		}}
	})
	if _, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: a.data() + "/#", QoS: 2}}}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 60 {
		payload := fmt.Sprint(i)
		answer, err := client.Publish(t.Context(), &paho.Publish{Topic: a.data(), QoS: byte(i % 3), Payload: []byte(payload)})
		if err != nil || answer != nil && answer.ReasonCode != 0 {
			t.Fatalf("publish %d: %v (%+v)", i, err, answer)
		}
		want = append(want, payload)
	}
	h.ingest.await(t, len(want))
	if got := h.ingest.payloads(); !slices.Equal(got, want) {
		t.Errorf("deliveries are %q", got)
	}
	for i := range want {
		select {
		case got := <-heard:
			if got != want[i] {
				t.Fatalf("heard %s, want %s", got, want[i])
			}
		case <-time.After(patience):
			t.Fatalf("heard %d messages", i)
		}
	}
	answer, err := client.Publish(t.Context(), &paho.Publish{Topic: "other", QoS: 2, Payload: []byte("x")})
	if answer == nil || answer.ReasonCode != notAuthorized {
		t.Errorf("publishing elsewhere: %v (%+v)", err, answer)
	}
	if err := client.Disconnect(&paho.Disconnect{}); err != nil {
		t.Error(err)
	}
}

func TestPahoIsToldWhyItIsCutOffWhileItPublishes(t *testing.T) {
	t.Parallel()
	for i := range 10 {
		h := onTCP(t, Config{})
		a := h.gate.add()
		told := make(chan byte, 1)
		client := pahoClient(t, h, a, func(cfg *paho.ClientConfig, _ *paho.Connect) {
			cfg.OnServerDisconnect = func(d *paho.Disconnect) { told <- d.ReasonCode }
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				_, _ = client.PublishWithOptions(ctx, &paho.Publish{Topic: a.data(), QoS: 1, Payload: make([]byte, 500)}, paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
			}
		}()
		h.ingest.await(t, 20)
		h.gate.rotate(a, 0)
		h.Apply(t.Context(), change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
		select {
		case code := <-told:
			if code != administrativeAction {
				t.Errorf("round %d: it was told 0x%02X", i, code)
			}
		case <-time.After(patience):
			t.Errorf("round %d: it was told nothing", i)
		}
		cancel()
		<-client.Done()
	}
}
