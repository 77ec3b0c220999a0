package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
)

// dynsec administers the clients of an outside Mosquitto by its dynamic-security
// plugin, as the operator of that broker would.
type dynsec struct {
	t       testing.TB
	url     *url.URL
	client  *paho.Client
	answers chan string
}

const control = "$CONTROL/dynamic-security/v1"

// administer signs in as the broker's administrator.
func administer(t testing.TB, address string) *dynsec {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the broker's address is no URL")
	}
	d := &dynsec{t: t, url: u, answers: make(chan string, 16)}
	d.client = paho.NewClient(paho.ClientConfig{
		Conn: dial(t, u.Host),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			d.answers <- string(p.Packet.Payload)
			return true, nil
		}},
	})
	password, _ := u.User.Password()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := d.client.Connect(ctx, &paho.Connect{
		KeepAlive: 60, CleanStart: true,
		UsernameFlag: true, Username: u.User.Username(), PasswordFlag: true, Password: []byte(password),
	}); err != nil {
		t.Fatalf("signing in to Mosquitto: %v", err)
	}
	if _, err := d.client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: control + "/response", QoS: 1}},
	}); err != nil {
		t.Fatalf("listening to Mosquitto's plugin: %v", err)
	}
	return d
}

type object = map[string]any

// do sends commands and waits for the answer to them. Other tests' answers come
// here as well, so one is known by what it is about.
func (d *dynsec) do(about string, commands ...object) {
	d.t.Helper()
	for _, c := range commands {
		c["correlationData"] = about
	}
	text, err := json.Marshal(object{"commands": commands})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), patience)
	defer cancel()
	if _, err := d.client.Publish(ctx, &paho.Publish{QoS: 1, Topic: control, Payload: text}); err != nil {
		d.t.Errorf("telling Mosquitto's plugin: %v", err)
		return
	}
	for {
		select {
		case answer := <-d.answers:
			if !strings.Contains(answer, about) {
				continue
			}
			if strings.Contains(answer, `"error"`) {
				d.t.Errorf("Mosquitto's plugin refused: %s", answer)
			}
			return
		case <-ctx.Done():
			d.t.Errorf("Mosquitto's plugin did not answer about %s", about)
			return
		}
	}
}

// make makes a client with these rights, and removes it after the test.
func (d *dynsec) make(name, password string, rights ...object) {
	d.t.Helper()
	d.do(name,
		object{"command": "createRole", "rolename": name, "acls": rights},
		object{"command": "createClient", "username": name, "password": password, "roles": []object{{"rolename": name}}},
	)
	d.t.Cleanup(func() {
		d.do(name+" goes", object{"command": "deleteClient", "username": name}, object{"command": "deleteRole", "rolename": name})
	})
}

// reader makes the client that reads all sources, and returns its URL.
func (d *dynsec) reader(name string) string {
	d.t.Helper()
	const topics = "sunsource/+/data/#"
	d.make(name, "reads-all", // Mosquitto compares the filter as it is sent, with its share group
		object{"acltype": "subscribePattern", "topic": "$share/" + name + "/" + topics, "allow": true},
		object{"acltype": "publishClientReceive", "topic": topics, "allow": true})
	u := *d.url
	u.User = url.UserPassword(name, "reads-all")
	return u.String()
}

// device makes the client of a source's device, who may publish below its topic.
func (d *dynsec) device(s source) {
	d.t.Helper()
	d.make(*s.Details.ClientID, *s.Details.Key,
		object{"acltype": "publishClientSend", "topic": *s.Details.Topic + "/#", "allow": true})
}
