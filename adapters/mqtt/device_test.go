package mqtt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"ampra/core/credential"
	"ampra/core/fault"
)

const testKey = "ak_right"

// brokerHook lets one device in and asks publish what to do with each message.
type brokerHook struct {
	mqtt.HookBase
	publish func(n int, payload string) error

	mu       sync.Mutex
	payloads []string
	connects int
}

func (h *brokerHook) ID() string { return "test" }

func (h *brokerHook) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck || b == mqtt.OnPublish
}

func (h *brokerHook) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connects++
	return p.Connect.ClientIdentifier == "sunsource_1" && string(p.Connect.Password) == testKey
}

func (h *brokerHook) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

func (h *brokerHook) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	h.mu.Lock()
	n := len(h.payloads)
	h.payloads = append(h.payloads, string(p.Payload))
	h.mu.Unlock()
	if h.publish == nil {
		return p, nil
	}
	return p, h.publish(n, string(p.Payload))
}

func (h *brokerHook) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.payloads)
}

// startBroker serves on the address ("127.0.0.1:0" for any) until stop or the
// test's end.
func startBroker(t *testing.T, address string, secure *tls.Config, hook *brokerHook) (at string, server *mqtt.Server, stop func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	at = listener.Addr().String()
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	server = mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(hook, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listeners.NewNet("test", listener)); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { _ = server.Close() })
	t.Cleanup(stop)
	return at, server, stop
}

func cutOff(server *mqtt.Server) {
	for _, client := range server.Clients.GetAll() {
		client.Stop(errors.New("cut off by the test"))
	}
}

// outcomes gathers what became of messages.
type outcomes struct {
	mu  sync.Mutex
	all map[string][]error
	n   chan struct{}
}

func newOutcomes() *outcomes {
	return &outcomes{all: map[string][]error{}, n: make(chan struct{}, 10_000)}
}

func (o *outcomes) of(payload string) func(error) {
	return func(err error) {
		o.mu.Lock()
		o.all[payload] = append(o.all[payload], err)
		o.mu.Unlock()
		o.n <- struct{}{}
	}
}

func (o *outcomes) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for i := range n {
		select {
		case <-o.n:
		case <-deadline:
			t.Fatalf("only %d of %d messages had an outcome in time", i, n)
		}
	}
}

// onceEach fails unless each payload had exactly one outcome, and want(err).
func (o *outcomes) onceEach(t *testing.T, payloads []string, want func(error) bool) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, payload := range payloads {
		if got := o.all[payload]; len(got) != 1 || !want(got[0]) {
			t.Errorf("%s ended with %v", payload, got)
		}
	}
}

func acknowledged(err error) bool { return err == nil }

// startDevice runs a device until stop, which returns what Run returned.
func startDevice(t *testing.T, cfg DeviceConfig) (d *Device, stop func() error) {
	t.Helper()
	if cfg.ClientID == "" {
		cfg.ClientID = "sunsource_1"
	}
	if cfg.Key.IsZero() {
		cfg.Key = credential.NewSecret(testKey)
	}
	cfg.Topic = "sunsource/1/data"
	cfg.MinBackoff, cfg.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	d, err := NewDevice(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- d.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-result:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("Run did not end")
		}
	})
	t.Cleanup(func() { _ = stop() })
	return d, stop
}

func send(t *testing.T, d *Device, o *outcomes, payloads ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, payload := range payloads {
		if err := d.Publish(ctx, []byte(payload), o.of(payload)); err != nil {
			t.Fatalf("publishing %s: %v", payload, err)
		}
	}
}

func numbered(n int) []string {
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprintf("m%04d", i)
	}
	return payloads
}

func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func TestADevicePublishesInOrderAndEachMessageIsAcknowledgedOnce(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{}
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, stop := startDevice(t, DeviceConfig{URL: "mqtt://" + at, Window: 7})
	o, payloads := newOutcomes(), numbered(300)
	send(t, d, o, payloads...)
	o.wait(t, len(payloads))
	o.onceEach(t, payloads, acknowledged)
	if !slices.Equal(hook.seen(), payloads) {
		t.Errorf("the broker saw %d messages, not the %d in order", len(hook.seen()), len(payloads))
	}
	if err := stop(); err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

func TestWhatALostConnectionLeftUnacknowledgedIsSentAgainFirstAndInOrder(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{}
	held := make(chan struct{})
	hook.publish = func(n int, _ string) error {
		if n < 2 {
			return nil // acknowledged
		}
		if n < 5 { // three are taken and never acknowledged
			if n == 4 {
				close(held)
			}
			return packets.ErrRejectPacket
		}
		return nil
	}
	at, server, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at, Window: 5})
	o, payloads := newOutcomes(), numbered(5)
	send(t, d, o, payloads...)
	<-held
	cutOff(server)
	more := []string{"later1", "later2"}
	send(t, d, o, more...)
	o.wait(t, 7)
	o.onceEach(t, append(payloads, more...), acknowledged)
	want := []string{"m0000", "m0001", "m0002", "m0003", "m0004", "m0002", "m0003", "m0004", "later1", "later2"}
	if got := hook.seen(); !slices.Equal(got, want) {
		t.Errorf("the broker saw %v, want %v", got, want)
	}
}

func TestADeviceOutlivesItsBroker(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{}
	at, _, stopFirst := startBroker(t, "127.0.0.1:0", nil, hook)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at})
	o := newOutcomes()
	send(t, d, o, "before")
	o.wait(t, 1)
	stopFirst()
	send(t, d, o, "between")
	startBroker(t, at, nil, hook)
	send(t, d, o, "after")
	o.wait(t, 2)
	o.onceEach(t, []string{"before", "between", "after"}, acknowledged)
}

func TestAMessageThatIsNotAcknowledgedInTimeIsSentAgainOnANewConnection(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{publish: func(n int, _ string) error {
		if n == 0 {
			return packets.ErrRejectPacket // swallowed
		}
		return nil
	}}
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at, AckTimeout: 100 * time.Millisecond})
	o := newOutcomes()
	send(t, d, o, "once")
	o.wait(t, 1)
	o.onceEach(t, []string{"once"}, acknowledged)
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if len(hook.payloads) < 2 || hook.connects != len(hook.payloads) {
		t.Errorf("%d messages on %d connections, want one on each, and two or more", len(hook.payloads), hook.connects)
	}
}

func TestARefusedMessageTellsItsReasonCodeAndHoldsUpNothing(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{publish: func(_ int, payload string) error {
		if payload == "bad" {
			return packets.Code{Code: 0x99, Reason: "payload format invalid"}
		}
		return nil
	}}
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at})
	o := newOutcomes()
	send(t, d, o, "good", "bad", "fine")
	o.wait(t, 3)
	o.onceEach(t, []string{"good", "fine"}, acknowledged)
	o.onceEach(t, []string{"bad"}, func(err error) bool {
		refused, ok := errors.AsType[*Refused](err)
		return ok && refused.Code == 0x99
	})
}

func TestAMessageOverTheQuotaIsSentAgainLater(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{publish: func(n int, _ string) error {
		if n == 0 {
			return packets.Code{Code: 0x97, Reason: "quota exceeded"}
		}
		return nil
	}}
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at, Window: 1})
	o := newOutcomes()
	send(t, d, o, "first", "second")
	o.wait(t, 2)
	o.onceEach(t, []string{"first", "second"}, acknowledged)
	if want := []string{"first", "first", "second"}; !slices.Equal(hook.seen(), want) {
		t.Errorf("the broker saw %v, want %v", hook.seen(), want)
	}
}

func TestAWrongKeyEndsTheDeviceWithTheBrokersCode(t *testing.T) {
	noLeaks(t)
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, &brokerHook{})
	d, _ := startDevice(t, DeviceConfig{URL: "mqtt://" + at, Key: credential.NewSecret("ak_wrong")})
	select {
	case <-d.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it went on with a wrong key")
	}
	if err := d.Publish(t.Context(), []byte("x"), func(error) { t.Error("done was called") }); !errors.Is(err, ErrUnacknowledged) {
		t.Errorf("publishing after the end: %v", err)
	}
}

func TestRunReturnsTheRefusalOfAWrongKey(t *testing.T) {
	noLeaks(t)
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, &brokerHook{})
	d, err := NewDevice(DeviceConfig{URL: "mqtt://" + at, ClientID: "sunsource_1", Topic: "t", Key: credential.NewSecret("ak_wrong")})
	if err != nil {
		t.Fatal(err)
	}
	refused, ok := errors.AsType[*Refused](d.Run(t.Context()))
	if !ok || refused.Code != 0x86 {
		t.Errorf("Run returned %v, want the refusal 0x86", refused)
	}
}

func TestAFullWindowHoldsTheNextMessageAndStoppingAnswersAll(t *testing.T) {
	noLeaks(t)
	hook := &brokerHook{publish: func(int, string) error { return packets.ErrRejectPacket }}
	at, _, _ := startBroker(t, "127.0.0.1:0", nil, hook)
	d, stop := startDevice(t, DeviceConfig{URL: "mqtt://" + at, Window: 3})
	o := newOutcomes()
	send(t, d, o, "a", "b", "c")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := d.Publish(ctx, []byte("d"), o.of("d")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the fourth of a window of three: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run ended with %v", err)
	}
	o.wait(t, 3)
	o.onceEach(t, []string{"a", "b", "c"}, func(err error) bool { return errors.Is(err, ErrUnacknowledged) })
}

func TestTLSWithASelfMadeCertificateNeedsItToBeTrusted(t *testing.T) {
	noLeaks(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	hook := &brokerHook{}
	at, _, _ := startBroker(t, "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, hook)

	problems := make(chan error, 100)
	startDevice(t, DeviceConfig{URL: "mqtts://" + at, OnProblem: func(err error) {
		select {
		case problems <- err:
		default:
		}
	}})
	if _, ok := errors.AsType[*tls.CertificateVerificationError](<-problems); !ok {
		t.Error("a certificate that nobody trusts was taken")
	}

	trusted := x509.NewCertPool()
	trusted.AddCert(certificate)
	d, _ := startDevice(t, DeviceConfig{URL: "mqtts://" + at, TLS: &tls.Config{RootCAs: trusted}})
	o, payloads := newOutcomes(), numbered(50)
	send(t, d, o, payloads...)
	o.wait(t, len(payloads))
	o.onceEach(t, payloads, acknowledged)
	if !slices.Equal(hook.seen(), payloads) {
		t.Errorf("the broker saw %d messages, not the %d in order", len(hook.seen()), len(payloads))
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for name, cfg := range map[string]DeviceConfig{
		"no scheme":     {URL: "127.0.0.1:1883", ClientID: "c", Topic: "t"},
		"http":          {URL: "http://127.0.0.1", ClientID: "c", Topic: "t"},
		"no host":       {URL: "mqtt://", ClientID: "c", Topic: "t"},
		"no client id":  {URL: "mqtt://h", Topic: "t"},
		"no topic":      {URL: "mqtt://h", ClientID: "c"},
		"a wide window": {URL: "mqtt://h", ClientID: "c", Topic: "t", Window: 65_536},
	} {
		if _, err := NewDevice(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
