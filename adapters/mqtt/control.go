package mqtt

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The topics of Mosquitto's dynamic-security plugin.
const (
	controlTopic  = "$CONTROL/dynamic-security/v1"
	controlAnswer = controlTopic + "/response"
)

// controlTime bounds a question to the plugin: its commands take milliseconds,
// but it writes its whole file after each.
const controlTime = 5 * time.Second

// command is one of the plugin's commands.
type command map[string]any

// answer is what the plugin says of one command.
type answer struct {
	Command     string         `json:"command"`
	Error       string         `json:"error"`
	Correlation string         `json:"correlationData"`
	Data        jsontext.Value `json:"data"`
}

// answers are those of one message, in the order of its commands.
type answers struct {
	Responses []answer `json:"responses"`
}

// parseAnswers reads a message of the plugin. Names of clients come from people:
// they need not be UTF-8.
func parseAnswers(text []byte) ([]answer, error) {
	var a answers
	err := json.Unmarshal(text, &a, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	return a.Responses, err
}

// commandError is a command that the plugin refused.
type commandError struct{ command, text string }

// Error gives the plugin's words.
func (e *commandError) Error() string {
	return fmt.Sprintf("Mosquitto's dynamic security refuses %s: %s", e.command, e.text)
}

// control is one connection to the plugin. Every client that listens there hears
// all answers: what belongs to this connection is known by a name that was drawn.
type control struct {
	client *paho.Client
	name   string
	// life ends with the connection, for the reason that is its cause.
	life context.Context //nolint:containedctx // it is the connection's own
	end  context.CancelCauseFunc

	mu      sync.Mutex
	asked   uint64
	waiting map[string]chan []answer
}

// openControl connects as the plugin's administrator.
func openControl(ctx context.Context, cfg KeeperConfig, to endpoint) (*control, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := to.dial(ctx, cfg.TLS)
	if err != nil {
		return nil, err
	}
	c := &control{name: rand.Text(), waiting: map[string]chan []answer{}}
	c.life, c.end = context.WithCancelCause(context.WithoutCancel(ctx))
	c.client = paho.NewClient(paho.ClientConfig{
		Conn: conn, ClientID: "ampra-keeper-" + c.name, PacketTimeout: controlTime,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.hear(p.Packet.Payload)
			return true, nil
		}},
		OnClientError: func(err error) { c.end(err) },
		OnServerDisconnect: func(p *paho.Disconnect) {
			c.end(fmt.Errorf("cut off by the broker: %w", refusedBy(p.ReasonCode, "")))
		},
	})
	said, err := c.client.Connect(ctx, &paho.Connect{
		ClientID: "ampra-keeper-" + c.name, CleanStart: true, KeepAlive: uint16(max(cfg.KeepAlive/time.Second, 1)), //nolint:gosec // a setting of seconds
		UsernameFlag: to.user != "", Username: to.user, PasswordFlag: !to.key.IsZero(), Password: []byte(to.key.Reveal()),
	})
	if err != nil {
		_ = conn.Close()
		if said != nil && said.ReasonCode >= 0x80 {
			err = refusedBy(said.ReasonCode, "")
		}
		return nil, fmt.Errorf("signing in as the administrator: %w", err)
	}
	granted, err := c.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: controlAnswer, QoS: 1}}})
	if err == nil && granted.Reasons[0] >= 0x80 {
		err = refusedBy(granted.Reasons[0], "")
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("listening to Mosquitto's dynamic security: %w", err)
	}
	return c, nil
}

// ended is why the connection did.
func (c *control) ended() error { return context.Cause(c.life) }

func (c *control) close() {
	c.end(errors.New("closed"))
	_ = c.client.Disconnect(&paho.Disconnect{})
	<-c.client.Done()
}

// hear hands a message to who waits for it. The answers to others are not even
// read: one may list thousands of clients.
func (c *control) hear(text []byte) {
	if !bytes.Contains(text, []byte(c.name)) {
		return
	}
	said, err := parseAnswers(text)
	if err != nil || len(said) == 0 {
		return // who asked waits in vain, and says so
	}
	c.mu.Lock()
	to := c.waiting[said[0].Correlation]
	delete(c.waiting, said[0].Correlation)
	c.mu.Unlock()
	if to != nil {
		to <- said
	}
}

// ask has commands carried out, all or, where the connection ends, perhaps some.
// It returns an answer for each; what the plugin refuses is no error here.
func (c *control) ask(ctx context.Context, commands ...command) ([]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	heard := make(chan []answer, 1)
	c.mu.Lock()
	c.asked++
	about := c.name + "/" + strconv.FormatUint(c.asked, 36)
	c.waiting[about] = heard
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, about)
		c.mu.Unlock()
	}()
	for _, one := range commands {
		one["correlationData"] = about
	}
	text, err := json.Marshal(map[string]any{"commands": commands})
	if err != nil {
		return nil, err
	}
	if _, err := c.client.Publish(ctx, &paho.Publish{QoS: 1, Topic: controlTopic, Payload: text}); err != nil {
		return nil, fmt.Errorf("telling Mosquitto's dynamic security: %w", err)
	}
	select {
	case said := <-heard:
		if len(said) != len(commands) {
			return nil, fmt.Errorf("%d answers of Mosquitto's dynamic security to %d commands", len(said), len(commands))
		}
		return said, nil
	case <-c.life.Done():
		return nil, fmt.Errorf("the connection to Mosquitto's dynamic security ended: %w", c.ended())
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer of Mosquitto's dynamic security: %w", ctx.Err())
	}
}

// do is ask for commands that must succeed; refusals that end with the tolerated
// text count as success.
func (c *control) do(ctx context.Context, tolerated string, commands ...command) error {
	said, err := c.ask(ctx, commands...)
	if err != nil {
		return err
	}
	for _, one := range said {
		if one.Error != "" && (tolerated == "" || !strings.HasSuffix(one.Error, tolerated)) {
			return &commandError{one.Command, one.Error}
		}
	}
	return nil
}

// The plugin's words for what is there already, and for what is not.
const (
	saysExists  = "already exists"
	saysMissing = "not found"
)

// read asks one question, and reads the answer's data into to. It reports false
// where there is no such thing.
func (c *control) read(ctx context.Context, question command, to any) (bool, error) {
	said, err := c.ask(ctx, question)
	switch {
	case err != nil:
		return false, err
	case strings.HasSuffix(said[0].Error, saysMissing):
		return false, nil
	case said[0].Error != "":
		return false, &commandError{said[0].Command, said[0].Error}
	}
	err = json.Unmarshal(said[0].Data, to, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return false, fmt.Errorf("reading an answer of Mosquitto's dynamic security: %w", err)
	}
	return true, nil
}
