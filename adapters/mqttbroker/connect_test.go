package mqttbroker

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/fault"
)

func TestConnectIsAnsweredByWhoAsks(t *testing.T) {
	t.Parallel()
	set := func(change func(c *packets.ConnectParams)) func(*packets.Packet, account) {
		return func(pk *packets.Packet, _ account) { change(&pk.Connect) }
	}
	will := func(payload string) func(*packets.Packet, account) {
		return func(pk *packets.Packet, a account) {
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, a.data()+"/status", []byte(payload)
			pk.Connect.WillQos, pk.Connect.WillRetain = 1, true
		}
	}
	cases := map[string]struct {
		prepare func(h *house, a account)
		change  func(pk *packets.Packet, a account)
		// old and now are the codes of CONNACK in MQTT 3.1.1 and 5.
		old, now byte
	}{
		"the client id as user name":   {},
		"the source's id as user name": {change: func(pk *packets.Packet, a account) { pk.Connect.Username = []byte(a.source.String()) }},
		"an empty user name":           {change: set(func(c *packets.ConnectParams) { c.Username = nil })},
		"a will on its own topic":      {change: will("offline")},
		"an empty will":                {change: will("")},
		"a will on a foreign topic": {change: func(pk *packets.Packet, a account) {
			will("x")(pk, a)
			pk.Connect.WillTopic = "sunsource/" + uuid.NewString() + "/data"
		}, old: 5, now: 0x87},
		"a wrong key":          {change: set(func(c *packets.ConnectParams) { c.Password = []byte("ak_wrong") }), old: 4, now: 0x86},
		"an empty key":         {change: set(func(c *packets.ConnectParams) { c.Password = nil }), old: 4, now: 0x86},
		"no key":               {change: set(func(c *packets.ConnectParams) { c.PasswordFlag, c.Password = false, nil }), old: 4, now: 0x86},
		"another's client id":  {change: set(func(c *packets.ConnectParams) { c.ClientIdentifier = "sunsource_ffffffff" }), old: 4, now: 0x86},
		"a wrong user name":    {change: set(func(c *packets.ConnectParams) { c.Username = []byte("admin") }), old: 4, now: 0x86},
		"an empty client id":   {change: set(func(c *packets.ConnectParams) { c.ClientIdentifier = "" }), old: 2, now: 0x85},
		"an inactive source":   {prepare: func(h *house, a account) { h.gate.setActive(a, false) }, old: 4, now: 0x86},
		"a source that's gone": {prepare: func(h *house, a account) { h.gate.remove(a) }, old: 4, now: 0x86},
		"the store is away": {
			prepare: func(h *house, _ account) { h.gate.fail(fault.Wrap(fault.Unavailable, errStore, "later"), nil) }, old: 3, now: 0x88,
		},
		"the gate has a fault":         {prepare: func(h *house, _ account) { h.gate.fail(errStore, nil) }, old: 3, now: 0x88},
		"the store goes away meantime": {prepare: func(h *house, _ account) { h.gate.fail(nil, errStore) }, old: 3, now: 0x88},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachVersion(t, func(t *testing.T, version byte) {
				h := open(t, Config{})
				a := h.gate.add()
				if c.prepare != nil {
					c.prepare(h, a)
				}
				d := attach(t, h.pipes.dial(t), version, a)
				d.send(d.hello(func(pk *packets.Packet) {
					if c.change != nil {
						c.change(pk, a)
					}
				}))
				want := c.old
				if version == 5 {
					want = c.now
				}
				ack := d.expect(packets.Connack)
				if ack.ReasonCode != want || ack.SessionPresent {
					t.Fatalf("CONNACK has 0x%02X (session present: %t), want 0x%02X", ack.ReasonCode, ack.SessionPresent, want)
				}
				if want == 0 {
					d.ping()
					return
				}
				d.closed()
				eventually(t, "it is counted", func() bool { return h.Stats().Refused == 1 && h.Stats().Sessions == 0 })
			})
		})
	}
}

func TestMQTT5TakesAKeyWithoutAUserName(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	h.join(t, 5, h.gate.add(), func(pk *packets.Packet) { pk.Connect.UsernameFlag, pk.Connect.Username = false, nil }).ping()
}

func TestConnackTellsMQTT5TheBounds(t *testing.T) {
	t.Parallel()
	h := open(t, Config{ReceiveMaximum: 7, MaxPacket: 5000})
	d := attach(t, h.pipes.dial(t), 5, h.gate.add())
	d.send(d.hello(func(pk *packets.Packet) {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 0xFFFFFFFF, true
	}))
	p := d.expect(packets.Connack).Properties
	if p.ReceiveMaximum != 7 || p.MaximumPacketSize != 5000 {
		t.Errorf("receive maximum %d and packet size %d, want 7 and 5000", p.ReceiveMaximum, p.MaximumPacketSize)
	}
	if !p.SharedSubAvailableFlag || p.SharedSubAvailable != 0 || !p.SubIDAvailableFlag || p.SubIDAvailable != 0 {
		t.Error("shared subscriptions and subscription identifiers are not said to be unavailable")
	}
	if !p.SessionExpiryIntervalFlag || p.SessionExpiryInterval != 24*3600 {
		t.Errorf("an endless session ends after %d s, want a day", p.SessionExpiryInterval)
	}
	if p.TopicAliasMaximum != 0 || p.MaximumQosFlag || p.RetainAvailableFlag {
		t.Error("there are topic aliases, or QoS 2 or retain is denied")
	}
}

// text is a string with its length in front.
func text(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	rest := "\x02\x00\x3C" + text("sunsource_00000000")
	cases := map[string]struct{ connect, want string }{
		"MQTT 3.1":            {text("MQIsdp") + "\x03" + rest, "\x20\x02\x00\x01"},
		"MQTT 3":              {text("MQTT") + "\x03" + rest, "\x20\x02\x00\x01"},
		"MQTT 6":              {text("MQTT") + "\x06" + rest, "\x20\x03\x00\x84\x00"},
		"another name":        {text("HTTP") + "\x04" + rest, ""},
		"another letter case": {text("mqtt") + "\x05" + rest, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, Config{})
			d := attach(t, h.pipes.dial(t), 4, account{})
			d.write(append([]byte{0x10, byte(len(c.connect))}, c.connect...)...)
			if got := d.rest(); got != c.want {
				t.Errorf("got % X, want % X", got, c.want)
			}
		})
	}
}

// rest is all that comes until the connection's end.
func (d *device) rest() string {
	d.Helper()
	_ = d.conn.SetReadDeadline(time.Now().Add(patience))
	var b bytes.Buffer
	if _, err := d.reader.WriteTo(&b); err != nil {
		d.Fatalf("the connection did not end: %v", err)
	}
	return b.String()
}

func TestTheFirstPacketHasToBeASoundConnect(t *testing.T) {
	t.Parallel()
	good := func(version byte) []byte {
		d := &device{TB: t, version: version, account: account{clientID: "sunsource_12345678", key: "k"}}
		return encode(t, d.hello())
	}
	cases := map[string][]byte{
		"PINGREQ":                   {0xC0, 0},
		"PUBLISH":                   {0x30, 3, 0, 1, 'a'},
		"no packet":                 []byte("GET / HTTP/1.1\r\n\r\n"),
		"a TLS hello":               {0x16, 0x03, 0x01, 0x02, 0x00, 0x01},
		"a length of five bytes":    {0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01},
		"a byte too many in length": {0x10, 0x80, 0x00},
		"more than its bound":       {0x10, 0xFF, 0xFF, 0x7F},
		"flags that are not 0":      append([]byte{0x11}, good(4)[1:]...),
		"nothing in it":             {0x10, 0},
	}
	for name, packet := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, Config{})
			d := attach(t, h.pipes.dial(t), 4, account{})
			_, _ = d.conn.Write(packet) // it may be closed before all is written
			if got := d.rest(); got != "" {
				t.Errorf("got % X, want nothing", got)
			}
		})
	}
}

func TestASecondConnectEndsTheSession(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		d.send(d.hello())
		d.cutOff(protocolError)
	})
}

func TestAnExchangeOfAuthPacketsIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := attach(t, h.pipes.dial(t), 5, a)
	d.send(d.hello(func(pk *packets.Packet) { pk.Properties.AuthenticationMethod = "SCRAM-SHA-1" }))
	if ack := d.expect(packets.Connack); ack.ReasonCode != 0x8C {
		t.Errorf("CONNACK has 0x%02X, want 0x8C", ack.ReasonCode)
	}
	d.closed()

	d = h.join(t, 5, a)
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Auth}, ReasonCode: 0x18})
	d.cutOff(protocolError)
}

func TestMoreConnectionsThanTheBoundAreClosed(t *testing.T) {
	t.Parallel()
	h := open(t, Config{MaxSessions: 2})
	first := h.join(t, 5, h.gate.add())
	h.join(t, 5, h.gate.add())
	attach(t, h.pipes.dial(t), 5, account{}).closed()
	first.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	first.closed()
	eventually(t, "there is a place again", func() bool { return h.Stats().Sessions == 1 })
	h.join(t, 5, h.gate.add())
}
