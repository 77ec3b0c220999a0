package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// Guest is what a program makes for itself on a Mosquitto with the
// dynamic-security plugin: a client that reads all sources, and one for all
// devices, each of which has a client id of its own.
type Guest struct {
	// Name is that of the share group of the reader.
	Name    string
	broker  *url.URL
	client  *paho.Client
	answers chan string
}

const (
	control       = "$CONTROL/dynamic-security/v1"
	guestPassword = "for-this-run-alone"
	controlTime   = 20 * time.Second
)

type object = map[string]any

// Admit signs in as the broker's administrator, as whom the URL signs in, and makes
// the clients.
func Admit(ctx context.Context, broker *url.URL) (*Guest, error) {
	g := &Guest{Name: "guest" + strings.ToLower(rand.Text()[:8]), broker: broker, answers: make(chan string, 16)}
	dialer := net.Dialer{Timeout: controlTime}
	conn, err := dialer.DialContext(ctx, "tcp", broker.Host)
	if err != nil {
		return nil, err
	}
	g.client = paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			select {
			case g.answers <- string(p.Packet.Payload):
			default:
			}
			return true, nil
		}},
	})
	password, _ := broker.User.Password()
	limited, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	if _, err := g.client.Connect(limited, &paho.Connect{
		KeepAlive: 60, CleanStart: true, UsernameFlag: true, Username: broker.User.Username(), PasswordFlag: true, Password: []byte(password),
	}); err != nil {
		return nil, fmt.Errorf("signing in to Mosquitto: %w", err)
	}
	if _, err := g.client.Subscribe(limited, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: control + "/response", QoS: 1}}}); err != nil {
		return nil, fmt.Errorf("listening to Mosquitto's plugin: %w", err)
	}
	const topics = "sunsource/+/data/#"
	allow := func(kind, topic string) object { return object{"acltype": kind, "topic": topic, "allow": true} }
	return g, g.do(ctx,
		object{"command": "createRole", "rolename": g.Name + "-reads", "acls": []object{
			allow("subscribePattern", "$share/"+g.Name+"/"+topics), allow("publishClientReceive", topics),
		}},
		object{"command": "createRole", "rolename": g.Name + "-sends", "acls": []object{allow("publishClientSend", topics)}},
		object{"command": "createClient", "username": g.Name + "-reads", "password": guestPassword, "roles": []object{{"rolename": g.Name + "-reads"}}},
		object{"command": "createClient", "username": g.Name + "-sends", "password": guestPassword, "roles": []object{{"rolename": g.Name + "-sends"}}},
	)
}

// do sends commands and waits for the answer to them.
func (g *Guest) do(ctx context.Context, commands ...object) error {
	mark := rand.Text()
	for _, c := range commands {
		c["correlationData"] = mark
	}
	text, err := json.Marshal(object{"commands": commands})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	if _, err := g.client.Publish(ctx, &paho.Publish{QoS: 1, Topic: control, Payload: text}); err != nil {
		return fmt.Errorf("telling Mosquitto's plugin: %w", err)
	}
	for {
		select {
		case answer := <-g.answers:
			switch {
			case !strings.Contains(answer, mark):
			case strings.Contains(answer, `"error"`):
				return fmt.Errorf("Mosquitto's plugin refused: %s", answer) //nolint:staticcheck // a name
			default:
				return nil
			}
		case <-ctx.Done():
			return errors.New("Mosquitto's plugin did not answer") //nolint:staticcheck // a name
		}
	}
}

// Reader is the URL of the client that reads all sources.
func (g *Guest) Reader() string {
	u := *g.broker
	u.User = url.UserPassword(g.Name+"-reads", guestPassword)
	return u.String()
}

// Device is the user and password of every device.
func (g *Guest) Device() (user, password string) { return g.Name + "-sends", guestPassword }

// Leave removes what Admit made.
func (g *Guest) Leave(ctx context.Context) error {
	err := g.do(ctx,
		object{"command": "deleteClient", "username": g.Name + "-reads"},
		object{"command": "deleteClient", "username": g.Name + "-sends"},
		object{"command": "deleteRole", "rolename": g.Name + "-reads"},
		object{"command": "deleteRole", "rolename": g.Name + "-sends"},
	)
	if err = errors.Join(err, g.client.Disconnect(&paho.Disconnect{})); err != nil {
		return fmt.Errorf("leaving Mosquitto: %w", err)
	}
	return nil
}
