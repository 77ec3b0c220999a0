package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

const (
	// connectTimeout bounds an attempt to connect and sign in, and the wait for the
	// answer to a subscription.
	connectTimeout = 10 * time.Second
	// ackInterval is how often acknowledgements go out. A broker that has no more
	// than 20 messages on the way sends those 20 in each interval.
	ackInterval = 5 * time.Millisecond
	// farewell bounds the acknowledging at the end.
	farewell = 5 * time.Second
	// steady is how long a connection must last to be taken for a good one.
	steady = 10 * time.Second
	// maxPacket is the largest packet that the broker is to send, in bytes. It keeps
	// what is larger from us and goes on; the embedded broker refuses it alike.
	maxPacket = 1<<20 + 64<<10
	// takenOver is the broker's word that another connection has the same client id.
	takenOver = 0x8E
)

// member is one connection's place in the share group, with its own session at
// the broker, for as long as the subscriber runs.
type member struct {
	*Subscriber
	clientID string
	log      *slog.Logger

	granted bool
	brief   int    // connections in a row that ended soon after they were subscribed
	said    string // the problem that was logged last
	running sync.WaitGroup
	// left is what the connection before had in hand. It is still stored, since the
	// broker may have lost it; unless the broker knows the session, then it sends
	// all of it again.
	left *hand
}

// stay connects, and connects again, until ctx ends.
func (m *member) stay(ctx context.Context) {
	defer m.running.Wait()
	delay := m.cfg.RetryMin
	for {
		began := time.Now()
		err := m.connection(ctx)
		err = m.suspect(err, time.Since(began))
		m.grant(ctx, false)
		if ctx.Err() != nil {
			m.leftBy(nil)
			return
		}
		m.complain(ctx, err)
		if time.Since(began) > steady {
			delay = m.cfg.RetryMin
		}
		// Members that lost one broker together do not come back together.
		wait(ctx, delay/2+rand.N(delay/2+1)) //nolint:gosec // not a secret
		delay = min(2*delay, m.cfg.RetryMax)
	}
}

// suspect adds a likely reason to the end of a connection. Mosquitto gives none
// when it cuts off one client for another.
func (m *member) suspect(err error, lasted time.Duration) error {
	if !m.granted || lasted > steady {
		m.brief = 0
		return err
	}
	m.brief++
	if m.brief < 3 {
		return err
	}
	return fmt.Errorf("cut off again and again, perhaps another process uses the same name %q: %w", m.cfg.Name, err)
}

// leftBy puts a hand in the place of the one before, which stops.
func (m *member) leftBy(h *hand) {
	if m.left != nil {
		m.left.stop()
	}
	m.left = h
}

// connection is one connection from dialling to its end. It returns what ended
// it.
func (m *member) connection(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := m.dial(connecting, m.cfg.TLS)
	if err != nil {
		return err
	}
	live, end := context.WithCancelCause(ctx)
	defer end(nil)
	h := newHand(context.WithoutCancel(ctx), m.Subscriber)
	client := paho.NewClient(m.clientConfig(conn, h, end))
	h.client = client
	answer, err := client.Connect(connecting, m.connect())
	if err != nil {
		_ = conn.Close()
		h.stop()
		if answer != nil && answer.ReasonCode >= 0x80 {
			return refusedBy(answer.ReasonCode, answer.Properties.ReasonString)
		}
		return fmt.Errorf("signing in: %w", err)
	}
	if answer.SessionPresent {
		m.leftBy(nil)
	}
	m.log.DebugContext(ctx, "connected to the MQTT broker", "session", answer.SessionPresent)
	m.running.Go(h.work)
	m.running.Go(h.acknowledge)

	err = m.subscribed(live, client, h)
	goodbye := &paho.Disconnect{}
	if ctx.Err() != nil {
		goodbye = m.finish(context.WithoutCancel(ctx), client, h)
	}
	// A peer that reads nothing must not hold up the end.
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = client.Disconnect(goodbye)
	<-client.Done()
	m.leftBy(h)
	return err
}

func (m *member) clientConfig(conn net.Conn, h *hand, end context.CancelCauseFunc) paho.ClientConfig {
	return paho.ClientConfig{
		Conn: conn, ClientID: m.clientID, PacketTimeout: connectTimeout,
		PingHandler: h.pinger, Session: &counted{State: state.NewInMemory(), hand: h},
		EnableManualAcknowledgment: true, SendAcksInterval: ackInterval,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) {
				h.take(p.Packet)
				return true, nil
			},
		},
		OnClientError: func(err error) { end(err) },
		OnServerDisconnect: func(p *paho.Disconnect) {
			reason := ""
			if p.Properties != nil {
				reason = p.Properties.ReasonString
			}
			err := fmt.Errorf("cut off by the broker: %w", refusedBy(p.ReasonCode, reason))
			if p.ReasonCode == takenOver {
				err = fmt.Errorf("another process uses the same name %q: %w", m.cfg.Name, err)
			}
			end(err)
		},
	}
}

func (m *member) connect() *paho.Connect {
	expiry := uint32(min(m.cfg.SessionExpiry/time.Second, math.MaxUint32)) //nolint:gosec // bounded
	return &paho.Connect{
		ClientID: m.clientID, KeepAlive: uint16(min(max(m.cfg.KeepAlive/time.Second, 1), math.MaxUint16)),
		UsernameFlag: m.user != "", Username: m.user,
		PasswordFlag: !m.key.IsZero(), Password: []byte(m.key.Reveal()),
		Properties: &paho.ConnectProperties{
			RequestProblemInfo: true, SessionExpiryInterval: &expiry,
			// Without it paho makes room for 65,535 packets a connection.
			ReceiveMaximum: &m.cfg.Window, MaximumPacketSize: paho.Uint32(maxPacket),
		},
	}
}

func refusedBy(code byte, reason string) error { return &Refused{Code: code, Reason: reason} }

// subscribed asks for the readings of all sources until it is granted, and again
// from time to time. It returns when the connection or the subscriber ends, or
// when the broker does not answer.
func (m *member) subscribed(live context.Context, client *paho.Client, h *hand) error {
	retry := m.cfg.RetryMin
	for {
		err := m.subscribe(live, client)
		pause := m.cfg.Confirm
		switch {
		case live.Err() != nil:
			return context.Cause(live)
		case err == nil:
			m.grant(live, true)
			retry = m.cfg.RetryMin
		case errors.Is(err, context.DeadlineExceeded) && h.full():
			// It may well be behind the messages that are not read.
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("no answer to the subscription: %w", err)
		default:
			m.grant(live, false)
			m.complain(live, fmt.Errorf("the subscription is not granted: %w", err))
			pause, retry = retry, min(2*retry, m.cfg.RetryMax)
		}
		if !wait(live, pause) {
			return context.Cause(live)
		}
	}
}

func (m *member) subscribe(live context.Context, client *paho.Client) error {
	asking, cancel := context.WithTimeout(live, connectTimeout)
	defer cancel()
	answer, err := client.Subscribe(asking, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: m.filter(), QoS: 1}},
	})
	switch {
	case answer == nil || len(answer.Reasons) != 1:
		return err
	case answer.Reasons[0] >= 0x80:
		reason := ""
		if answer.Properties != nil {
			reason = answer.Properties.ReasonString
		}
		return refusedBy(answer.Reasons[0], reason)
	case answer.Reasons[0] == 0:
		return errors.New("it is granted for QoS 0 only, and what is sent while nobody reads would be lost")
	}
	return nil
}

// grant notes whether the subscription is granted.
func (m *member) grant(ctx context.Context, granted bool) {
	if granted == m.granted {
		return
	}
	m.granted = granted
	if !granted {
		m.connected.Add(-1)
		return
	}
	m.said = ""
	m.connected.Add(1)
	m.log.InfoContext(ctx, "subscribed at the MQTT broker", "filter", m.filter())
}

// complain logs why nothing is read, once for as long as it stays the same.
func (m *member) complain(ctx context.Context, err error) {
	if err.Error() == m.said {
		return
	}
	m.said = err.Error()
	m.log.WarnContext(ctx, "not subscribed at the MQTT broker, trying again", "broker", m.address, "filter", m.filter(), "error", err)
}

// finish sees to it that what the journal took is acknowledged, and returns the
// DISCONNECT to send.
func (m *member) finish(ctx context.Context, client *paho.Client, h *hand) *paho.Disconnect {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	gone := make(chan struct{})
	defer close(gone)
	m.running.Go(func() { // nothing more can be acknowledged on a lost connection
		select {
		case <-client.Done():
			cancel()
		case <-gone:
		}
	})
	goodbye := &paho.Disconnect{}
	if m.cfg.Leave {
		err := depart(ctx, client, h, m.filter())
		if err == nil {
			now := uint32(0)
			goodbye.Properties = &paho.DisconnectProperties{SessionExpiryInterval: &now}
			return goodbye
		}
		m.log.WarnContext(ctx, "the MQTT broker keeps messages for this process, which leaves the share group", "error", err)
	}
	h.drain(ctx)
	// When the broker answers, it has read the acknowledgements. Without that a
	// start that follows at once would take the connection over before it does.
	asking, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	_ = m.subscribe(asking, client)
	return goodbye
}

// depart unsubscribes and takes all that the broker still has for this session.
func depart(ctx context.Context, client *paho.Client, h *hand, filter string) error {
	for {
		before, idle := h.progress()
		_, err := client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{filter}})
		if err != nil {
			return fmt.Errorf("unsubscribing: %w", err)
		}
		// The broker answers in order. With nothing in hand before the question and
		// nothing come before the answer, it has nothing more.
		if after, _ := h.progress(); idle && before == after {
			return nil
		}
		if !h.untilIdle(ctx) {
			return ctx.Err()
		}
	}
}
