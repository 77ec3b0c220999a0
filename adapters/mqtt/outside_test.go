package mqtt

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/test/stack"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

type object = map[string]any

// outside is a real broker with a client and a share group of this test's own.
// Others use the broker at the same time.
type outside struct {
	t       testing.TB
	address string
	group   string // the client's name and its role's, too
	admin   *paho.Client
	answers chan string
}

const readerKey = "reads-all"

func newOutside(t testing.TB) *outside {
	t.Helper()
	u, err := url.Parse(stack.Mosquitto(t))
	if err != nil {
		t.Fatal("the broker's address is no URL")
	}
	o := &outside{t: t, address: u.Host, group: "g" + strings.ReplaceAll(uuid.NewString(), "-", "")[:16], answers: make(chan string, 64)}
	password, _ := u.User.Password()
	o.admin = o.client(u.User.Username(), password, func(p paho.PublishReceived) (bool, error) {
		select {
		case o.answers <- string(p.Packet.Payload):
		default:
		}
		return true, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := o.admin.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: controlTopic + "/response", QoS: 1}}}); err != nil {
		t.Fatalf("listening to Mosquitto's plugin: %v", err)
	}
	o.do(
		object{"command": "createRole", "rolename": o.group, "acls": []object{
			o.mayRead(),
			{"acltype": "publishClientReceive", "topic": "sunsource/#", "allow": true},
			{"acltype": "publishClientSend", "topic": "sunsource/#", "allow": true},
		}},
		object{"command": "createClient", "username": o.group, "password": readerKey, "roles": []object{{"rolename": o.group}}},
	)
	t.Cleanup(func() {
		o.do(object{"command": "deleteClient", "username": o.group}, object{"command": "deleteRole", "rolename": o.group})
	})
	return o
}

// mayRead is the right to subscribe as the share group. Mosquitto compares the
// filter as it is sent.
func (o *outside) mayRead() object {
	return object{"acltype": "subscribePattern", "topic": "$share/" + o.group + "/sunsource/+/data/#", "allow": true}
}

// client signs in with a clean session, which ends with the test.
func (o *outside) client(user, password string, receive func(paho.PublishReceived) (bool, error)) *paho.Client {
	o.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(o.t.Context(), "tcp", o.address)
	if err != nil {
		o.t.Fatalf("connecting to Mosquitto: %v", err)
	}
	cfg := paho.ClientConfig{Conn: conn, PacketTimeout: patience}
	if receive != nil {
		cfg.OnPublishReceived = append(cfg.OnPublishReceived, receive)
	}
	client := paho.NewClient(cfg)
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	if _, err := client.Connect(ctx, &paho.Connect{
		ClientID: "test-" + uuid.NewString(), KeepAlive: 60, CleanStart: true,
		UsernameFlag: true, Username: user, PasswordFlag: true, Password: []byte(password),
		Properties: &paho.ConnectProperties{ReceiveMaximum: paho.Uint16(100)},
	}); err != nil {
		o.t.Fatalf("signing in to Mosquitto: %v", err)
	}
	o.t.Cleanup(func() {
		_ = client.Disconnect(&paho.Disconnect{})
		<-client.Done()
	})
	return client
}

// do has the broker's plugin carry out commands.
func (o *outside) do(commands ...object) {
	o.t.Helper()
	about := uuid.NewString() // other tests' answers come here as well
	for _, c := range commands {
		c["correlationData"] = about
	}
	text, err := json.Marshal(object{"commands": commands})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.t.Context()), patience)
	defer cancel()
	if _, err := o.admin.Publish(ctx, &paho.Publish{QoS: 1, Topic: controlTopic, Payload: text}); err != nil {
		o.t.Errorf("telling Mosquitto's plugin: %v", err)
		return
	}
	for {
		select {
		case answer := <-o.answers:
			if !strings.Contains(answer, about) {
				continue
			}
			if strings.Contains(answer, `"error"`) {
				o.t.Errorf("Mosquitto's plugin refused: %s", answer)
			}
			return
		case <-ctx.Done():
			o.t.Error("Mosquitto's plugin did not answer")
			return
		}
	}
}

// config is a subscriber's at this broker, or at a proxy to it. Its sessions do
// not outlive the tests by much.
func (o *outside) config(at string) SubscriberConfig {
	u := url.URL{Scheme: "mqtt", Host: at, User: url.UserPassword(o.group, readerKey)}
	return SubscriberConfig{
		URL: credential.NewSecret(u.String()), Group: o.group, Name: "one",
		RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond, SessionExpiry: 10 * time.Minute,
	}
}

// publisher sends at QoS 1 and below, one message after another.
func (o *outside) publisher() func(topic string, qos byte, payload string) {
	o.t.Helper()
	client := o.client(o.group, readerKey, nil)
	return func(topic string, qos byte, payload string) {
		o.t.Helper()
		ctx, cancel := context.WithTimeout(o.t.Context(), patience)
		defer cancel()
		if _, err := client.Publish(ctx, &paho.Publish{QoS: qos, Topic: topic, Payload: []byte(payload)}); err != nil {
			o.t.Fatalf("publishing to %s: %v", topic, err)
		}
	}
}

// device is a publisher of many messages, which are on the way together.
func (o *outside) device(source uuid.UUID) *Device {
	o.t.Helper()
	d, err := NewDevice(DeviceConfig{
		URL: "mqtt://" + o.address, ClientID: "test-" + uuid.NewString(), Username: o.group, Key: credential.NewSecret(readerKey),
		Topic: "sunsource/" + source.String() + "/data", Window: 500,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(o.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.Run(ctx); err != nil {
			o.t.Error(err)
		}
	}()
	o.t.Cleanup(func() {
		cancel()
		<-ended
	})
	return d
}
