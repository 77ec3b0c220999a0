package mqttbroker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/sunsource"
)

func FuzzReadHeader(f *testing.F) {
	for _, seed := range [][]byte{{}, {0x30}, {0x30, 0}, {0x32, 0x80, 0x01}, {0x30, 0xFF, 0xFF, 0xFF, 0x7F}, {0x30, 0x80, 0x80, 0x80, 0x80, 1}, {0xC0, 0x80, 0}, {0x36, 1}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		h, err := readHeader(r, 1<<20)
		if err != nil {
			return
		}
		// The library reads the same, and writing it again gives the same bytes.
		var fh packets.FixedHeader
		if err := fh.Decode(b[0]); err != nil {
			t.Fatalf("% X was taken, the library says: %v", b, err)
		}
		n, size, err := packets.DecodeLength(bytes.NewReader(b[1:]))
		if err != nil || n != h.remaining || fh.Type != h.kind || fh.Dup != h.dup() || fh.Retain != h.retain() && h.kind == packets.Publish {
			t.Fatalf("% X is %+v, the library says %+v with %d (%v)", b, h, fh, n, err)
		}
		if again := appendLength([]byte{b[0]}, n); !bytes.Equal(again, b[:1+size]) {
			t.Fatalf("% X becomes % X", b[:1+size], again)
		}
		if 1+size+n > 1<<20 {
			t.Fatalf("%d bytes are beyond the bound", n)
		}
		if left := len(b) - 1 - size; left != r.Buffered() {
			t.Fatalf("%d bytes are left, want %d", r.Buffered(), left)
		}
	})
}

func FuzzParsePublish(f *testing.F) {
	whole := func(version, qos byte, properties packets.Properties) []byte {
		d := &device{TB: f, version: version, account: account{source: uuid.Nil}}
		return encode(f, d.reading(qos, uint16(qos), "payload", func(pk *packets.Packet) {
			pk.Properties, pk.Mods.AllowResponseInfo = properties, true
		}))
	}
	full := packets.Properties{
		PayloadFormat: 1, PayloadFormatFlag: true, MessageExpiryInterval: 30, ContentType: "a", ResponseTopic: "b",
		CorrelationData: []byte{0, 1}, User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}},
	}
	for _, version := range both {
		for qos := byte(0); qos <= 2; qos++ {
			f.Add(qos<<1, whole(version, qos, packets.Properties{})[2:], version == 5)
		}
	}
	f.Add(byte(2), whole(5, 1, full)[2:], true)
	f.Add(byte(0), []byte("\x00\x01a\x03\x23\x00\x01"), true)
	f.Fuzz(func(t *testing.T, flags byte, body []byte, new bool) {
		h := header{kind: packets.Publish, flags: flags & 15, remaining: len(body)}
		if !h.flagsValid() {
			return
		}
		version := byte(4)
		if new {
			version = 5
		}
		p, err := parsePublish(h, body, version)
		if err != nil {
			var v violation
			if !errors.As(err, &v) || v.code < 0x80 {
				t.Fatalf("the error is no violation: %v", err)
			}
			return
		}
		if len(p.topic) == 0 || !utf8.Valid(p.topic) || bytes.ContainsAny(p.topic, "#+\x00") || p.qos > 0 && p.id == 0 {
			t.Fatalf("taken: %+v", p)
		}
		// The library reads the same.
		pk := packets.Packet{ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: p.qos, Remaining: len(body)}}
		if err := pk.PublishDecode(body); err != nil {
			t.Fatalf("the library says: %v", err)
		}
		if code := pk.PublishValidate(0); code != packets.CodeSuccess {
			t.Fatalf("the library says: %v", code)
		}
		if pk.TopicName != string(p.topic) || !bytes.Equal(pk.Payload, p.payload) || pk.PacketID != p.id {
			t.Fatalf("%+v is %+v to the library", p, pk)
		}
		// What goes back to the device is what came, but for the expiry's place.
		st := newState(uuid.Nil)
		st.subscribe("#", subscription{qos: 2, keepRetain: true})
		if m := st.echo(string(p.topic), p); m != nil {
			out := appendPublish(nil, *m, p.id, version, false, pk.Properties.MessageExpiryInterval)
			if len(out) != publishSize(*m, version) {
				t.Fatalf("it has %d bytes, publishSize says %d", len(out), publishSize(*m, version))
			}
			back := packets.Packet{ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: m.qos}}
			_, rest, _ := takeLength(out[1:])
			if err := back.PublishDecode(rest); err != nil || back.TopicName != pk.TopicName || !bytes.Equal(back.Payload, pk.Payload) {
				t.Fatalf("%+v comes back as %+v (%v)", pk, back, err)
			}
			if back.Properties.ContentType != pk.Properties.ContentType || len(back.Properties.User) != len(pk.Properties.User) ||
				version == 5 && back.Properties.MessageExpiryInterval != pk.Properties.MessageExpiryInterval {
				t.Fatalf("%+v comes back as %+v", pk.Properties, back.Properties)
			}
		}
	})
}

func FuzzPublishProperties(f *testing.F) {
	for _, seed := range []string{"", "\x01\x00", "\x02\x00\x00\x00\x05", "\x03\x00\x01a", "\x26\x00\x01a\x00\x01b", "\x23\x00\x01", "\x0B\x01", "\x08\x00\x01#", "\x7F", "\x01\x00\x01\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		if err := checkPublishProperties(block); err != nil {
			return
		}
		var p packets.Properties
		whole := append(appendLength(nil, len(block)), block...)
		if n, err := p.Decode(packets.Publish, bytes.NewBuffer(whole)); err != nil || n != len(whole) {
			t.Fatalf("% X was taken, the library says: %v after %d bytes", block, err, n)
		}
		if p.TopicAliasFlag || len(p.SubscriptionIdentifier) > 0 {
			t.Fatalf("% X was taken", block)
		}
		size := 0
		_ = eachProperty(block, publishProps, func(p property) error { size += len(p.raw); return nil })
		if size != len(block) {
			t.Fatalf("the parts of % X have %d bytes", block, size)
		}
	})
}

func FuzzParseConnect(f *testing.F) {
	for _, version := range both {
		d := &device{TB: f, version: version, account: account{clientID: "sunsource_00000000", key: "ak_x"}}
		for _, change := range []func(*packets.Packet){func(*packets.Packet) {}, persistent, willing(d.account, 5)} {
			b := encode(f, d.hello(change))
			_, rest, _ := takeLength(b[1:])
			f.Add(rest)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseConnect(body)
		if err != nil {
			return
		}
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect, Remaining: len(body)}}
		if err := pk.ConnectDecode(body); err != nil {
			t.Fatalf("the library says: %v", err)
		}
		switch code := pk.ConnectValidate(); code { // it refuses what MQTT allows: an empty will, an empty password
		case packets.CodeSuccess, packets.ErrProtocolViolationWillFlagNoPayload, packets.ErrProtocolViolationFlagNoPassword:
		default:
			t.Fatalf("the library says: %v", code)
		}
		if c.version != pk.ProtocolVersion || c.clean != pk.Connect.Clean || c.clientID != pk.Connect.ClientIdentifier ||
			c.username != string(pk.Connect.Username) || c.password.Reveal() != string(pk.Connect.Password) ||
			c.keepAlive.Seconds() != float64(pk.Connect.Keepalive) || (c.will != nil) != pk.Connect.WillFlag {
			t.Fatalf("%+v is %+v to the library", c, pk.Connect)
		}
		if c.will != nil && (c.will.topic != pk.Connect.WillTopic || string(c.will.payload) != string(pk.Connect.WillPayload) ||
			c.will.delay.Seconds() != float64(pk.Connect.WillProperties.WillDelayInterval)) {
			t.Fatalf("%+v is %+v to the library", c.will, pk.Connect)
		}
		if c.expiry != pk.Properties.SessionExpiryInterval || c.receiveMaximum != pk.Properties.ReceiveMaximum ||
			c.maxPacket != pk.Properties.MaximumPacketSize {
			t.Fatalf("%+v is %+v to the library", c, pk.Properties)
		}
	})
}

func FuzzParseOthers(f *testing.F) {
	for _, seed := range []string{"", "\x00\x01", "\x00\x01\x00", "\x00\x01\x00\x00", "\x00\x01\x00\x01a\x01", "\x00\x01\x00\x00\x01a\x01", "\x00\x05\x11\x00\x00\x00\x09"} {
		for kind := byte(1); kind < 15; kind++ {
			f.Add(kind<<4, []byte(seed), true)
			f.Add(kind<<4, []byte(seed), false)
		}
	}
	f.Fuzz(func(t *testing.T, first byte, body []byte, new bool) {
		version := byte(4)
		if new {
			version = 5
		}
		if parse(first, body, version) != nil {
			return
		}
		pk := packets.Packet{ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: first >> 4, Qos: 1, Remaining: len(body)}}
		switch first >> 4 {
		case packets.Subscribe:
			ours, _ := parseSubscribe(body, version)
			if err := pk.SubscribeDecode(body); err != nil || pk.SubscribeValidate() != packets.CodeSuccess || len(pk.Filters) != len(ours.wishes) {
				t.Fatalf("%+v is %+v to the library (%v)", ours, pk.Filters, err)
			}
			for i, w := range ours.wishes {
				l := pk.Filters[i]
				if w.filter != l.Filter || w.qos != l.Qos || w.noLocal != l.NoLocal || w.keepRetain != l.RetainAsPublished {
					t.Fatalf("%+v is %+v to the library", w, l)
				}
			}
			if ours.identified != (len(pk.Properties.SubscriptionIdentifier) > 0) {
				t.Fatal("the identifier is overlooked")
			}
		case packets.Unsubscribe:
			id, filters, _ := parseUnsubscribe(body, version)
			if err := pk.UnsubscribeDecode(body); err != nil || pk.PacketID != id || len(pk.Filters) != len(filters) {
				t.Fatalf("%v is %+v to the library (%v)", filters, pk.Filters, err)
			}
		case packets.Puback, packets.Pubrel:
			id, _ := parseAck(body, version)
			if err := pk.PubackDecode(body); err != nil && len(body) != 3 || pk.PacketID != id {
				t.Fatalf("%d is %d to the library (%v)", id, pk.PacketID, err)
			}
		case packets.Disconnect:
			g, _ := parseDisconnect(body, version)
			if err := pk.DisconnectDecode(body); err != nil || g.changed != pk.Properties.SessionExpiryIntervalFlag || g.expiry != pk.Properties.SessionExpiryInterval {
				t.Fatalf("%+v is %+v to the library (%v)", g, pk, err)
			}
		}
	})
}

// plainMatch says the same as matches, level by level (MQTT 5.0, 4.7).
func plainMatch(filter, topic []string) bool {
	if len(filter) == 0 {
		return len(topic) == 0
	}
	if filter[0] == "#" {
		return true
	}
	return len(topic) > 0 && (filter[0] == "+" || filter[0] == topic[0]) && plainMatch(filter[1:], topic[1:])
}

func FuzzMatches(f *testing.F) {
	for _, seed := range [][2]string{
		{"#", "a"},
		{"a/#", "a"},
		{"a/#", "a/b/c"},
		{"a/+", "a/b"},
		{"a/+", "a/"},
		{"a/+", "a"},
		{"+/+", "/"},
		{"+", "/"},
		{"/", "/"},
		{"a/+/c", "a/b/c"},
		{"a", "a/"},
		{"a/", "a"},
		{"+/#", "a"},
		{"a/+/#", "a"},
		{"a/+/#", "a/b"},
		{"a#", "a"},
		{"#/a", "a"},
		{"+a", "a"},
		{"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, filter, topic string) {
		levels := strings.Split(filter, "/")
		valid := filter != ""
		for i, level := range levels {
			if strings.ContainsAny(level, "+#") && len(level) > 1 || level == "#" && i < len(levels)-1 {
				valid = false
			}
		}
		if got := validFilter(filter); got != valid {
			t.Fatalf("validFilter(%q) is %t, want %t", filter, got, valid)
		}
		if !valid || topic == "" || strings.ContainsAny(topic, "+#") {
			return
		}
		if got, want := matches(filter, topic), plainMatch(levels, strings.Split(topic, "/")); got != want {
			t.Fatalf("matches(%q, %q) is %t, want %t", filter, topic, got, want)
		}
	})
}

// alarm is a log that fails the test on an error.
type alarm struct{ testing.TB }

func (alarm) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (a alarm) WithAttrs([]slog.Attr) slog.Handler             { return a }
func (a alarm) WithGroup(string) slog.Handler                  { return a }

func (a alarm) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(at slog.Attr) bool { a.Log(at); return true })
	a.Error(r.Message)
	return nil
}

// FuzzSession feeds a session with whatever follows a good CONNECT: it never
// panics, says nothing that the library can't read, takes only what the device may
// send, and ends.
func FuzzSession(f *testing.F) {
	a := account{source: uuid.MustParse("7c9e6679-7425-40de-944b-e07fc1f90ae7")}
	for _, version := range both {
		d := &device{TB: f, version: version, account: a}
		var all []byte
		for _, pk := range []packets.Packet{
			{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 1, Filters: packets.Subscriptions{{Filter: a.data(), Qos: 1}}},
			d.reading(0, 0, "x"), d.reading(1, 1, "x"), d.reading(2, 2, "x"), d.reading(2, 2, "x", dup),
			{FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: 2},
			{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: 1},
			{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}},
			{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 3, Filters: packets.Subscriptions{{Filter: a.data()}}},
			d.reading(1, 4, "x", func(pk *packets.Packet) { pk.TopicName = "other" }),
			{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}},
		} {
			pk.ProtocolVersion = version
			one := encode(f, pk)
			f.Add(one, version == 5)
			all = append(all, one...)
		}
		f.Add(all, version == 5)
	}
	f.Fuzz(func(t *testing.T, bytes []byte, new bool) {
		gate, sink, usage := newGate(), newIngest(), &fakeUsage{}
		known := gate.add()
		known.source = a.source
		gate.sources[known.clientID].id = a.source
		b := New(Config{MaxPacket: 1 << 16}, Deps{Gate: gate, Ingest: sink, Usage: usage, Limits: nil, Foreign: nil, Log: slog.New(alarm{t})})
		client, server := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.admit(server)
			b.serve(context.WithoutCancel(t.Context()), server)
			b.running.Wait()
		}()
		version := byte(4)
		if new {
			version = 5
		}
		d := &device{TB: t, conn: client, reader: bufio.NewReader(client), version: version, account: known}
		d.send(d.hello())
		d.welcomed()
		go func() {
			_, _ = client.Write(bytes)
			_, _ = client.Write([]byte{0xE0, 0}) // DISCONNECT, if it is one there
			client.Close()
		}()
		for {
			_, err := d.receive()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the broker said what can't be read: %v", err)
				}
				break
			}
		}
		client.Close()
		<-ended
		if usage.total() != 0 || len(b.sessions) != 0 {
			t.Error("the session did not end")
		}
		own := sunsource.Topic(a.source)
		for _, delivery := range sink.deliveries() {
			if delivery.SourceID != a.source || delivery.Topic != own && !strings.HasPrefix(delivery.Topic, own+"/") {
				t.Errorf("taken: %+v", delivery)
			}
		}
	})
}
