package mqttbroker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
)

func TestOnlyFiltersWithinTheSourcesOwnTopicsAreGranted(t *testing.T) {
	t.Parallel()
	source := uuid.New()
	root := "sunsource/" + source.String() + "/"
	cases := []struct {
		filter string
		qos    byte
		want   byte // in MQTT 5; in 3.1.1 every failure is 0x80
	}{
		{root + "#", 0, 0},
		{root + "#", 1, 1},
		{root + "#", 2, 1},
		{root + "data", 1, 1},
		{root + "data/#", 2, 1},
		{root + "+", 1, 1},
		{root + "data/+/x", 0, 0},
		{root + "config", 1, 1},
		{root, 1, 1},
		{"#", 0, notAuthorized},
		{"+", 0, notAuthorized},
		{"sunsource/#", 0, notAuthorized},
		{"sunsource/+/data", 0, notAuthorized},
		{"+/" + source.String() + "/data", 0, notAuthorized},
		{"sunsource/" + source.String(), 0, notAuthorized},
		{"sunsource/" + source.String() + "x/data", 0, notAuthorized},
		{"sunsource/" + uuid.NewString() + "/#", 0, notAuthorized},
		{"$SYS/#", 0, notAuthorized},
		{"/" + root + "#", 0, notAuthorized},
		{"", 0, filterInvalid},
		{root + "#/x", 0, filterInvalid},
		{root + "a#", 0, filterInvalid},
		{root + "a+/b", 0, filterInvalid},
		{root + "+a", 0, filterInvalid},
		{"$share/group/" + root + "#", 0, noSharedSubscriptions},
		{"$share/group/#", 0, noSharedSubscriptions},
		{root + strings.Repeat("x", maxFilter), 0, quotaExceeded},
	}
	eachVersion(t, func(t *testing.T, version byte) {
		for _, c := range cases {
			h := open(t, Config{})
			a := h.gate.add()
			h.gate.sources[a.clientID].id = source
			d := h.join(t, version, a)
			want := c.want
			if version < 5 && want > 1 {
				want = subscriptionFailed
			}
			if got := d.subscribe(9, packets.Subscription{Filter: c.filter, Qos: c.qos}); !slices.Equal(got, []byte{want}) {
				t.Errorf("%s at QoS %d: SUBACK has % X, want %X", c.filter, c.qos, got, want)
			}
		}
	})
}

func TestEveryFilterOfASubscribeHasItsAnswer(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 5, a)
	got := d.subscribe(1, packets.Subscription{Filter: "#"}, packets.Subscription{Filter: a.data(), Qos: 2}, packets.Subscription{Filter: "$share/g/x"},
		packets.Subscription{Filter: a.data() + "/x"})
	if want := []byte{notAuthorized, 1, noSharedSubscriptions, 0}; !slices.Equal(got, want) {
		t.Errorf("SUBACK has % X, want % X", got, want)
	}
}

func TestASubscriptionIdentifierIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 5, a)
	d.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 1,
		Properties: packets.Properties{SubscriptionIdentifier: []int{5}},
		Filters:    packets.Subscriptions{{Filter: a.data()}, {Filter: "#"}},
	})
	if ack := d.expect(packets.Suback); !slices.Equal(ack.ReasonCodes, []byte{noSubscriptionIDs, noSubscriptionIDs}) {
		t.Errorf("SUBACK has % X, want twice A1", ack.ReasonCodes)
	}
	d.publish(0, 0, "x")
	d.silent()
}

func TestSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		want := byte(0)
		for i := range maxSubscriptions + 3 {
			if i >= maxSubscriptions {
				want = quotaExceeded
				if version < 5 {
					want = subscriptionFailed
				}
			}
			if got := d.subscribe(1, packets.Subscription{Filter: fmt.Sprint(a.data(), "/", i)}); !slices.Equal(got, []byte{want}) {
				t.Errorf("the SUBACK of filter %d has % X, want %X", i, got, want)
			}
		}
		if got := d.subscribe(2, packets.Subscription{Filter: a.data() + "/0", Qos: 1}); !slices.Equal(got, []byte{1}) {
			t.Errorf("one that is there is not renewed: % X", got)
		}
	})
}

func TestADeviceHearsItsOwnReadingsOnceTheyAreDurable(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		root := strings.TrimSuffix(a.data(), "data")
		d.subscribe(1, packets.Subscription{Filter: root + "#", Qos: 1}, packets.Subscription{Filter: a.data() + "/+"})
		h.ingest.set(func(f *fakeIngest) { f.hold = true })
		d.publish(1, 1, "x", func(pk *packets.Packet) { pk.TopicName = a.data() + "/power"; pk.FixedHeader.Retain = true })
		h.ingest.await(t, 1)
		d.silent()
		h.ingest.release(nil, 0)
		d.acked(packets.Puback, 1, success)
		got := d.expect(packets.Publish)
		if got.TopicName != a.data()+"/power" || string(got.Payload) != "x" || got.FixedHeader.Qos != 1 || got.FixedHeader.Retain || got.FixedHeader.Dup {
			t.Errorf("got %+v", got)
		}
		d.ack(packets.Puback, got.PacketID)
		d.silent() // once, though two filters match
	})
}

func TestAnEchoHasTheLesserQoS(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for granted := byte(0); granted <= 2; granted++ {
			for sent := byte(0); sent <= 2; sent++ {
				h := open(t, Config{})
				a := h.gate.add()
				d := h.join(t, version, a)
				d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: granted})
				d.publish(sent, uint16(sent), "x")
				if sent > 0 {
					d.acked(answerTo(sent), uint16(sent), success)
				}
				if got := d.expect(packets.Publish); got.FixedHeader.Qos != min(granted, sent, 1) {
					t.Errorf("QoS %d, granted %d, comes back with %d", sent, granted, got.FixedHeader.Qos)
				}
			}
		}
	})
}

func TestWhatWasNotTakenIsNotHeard(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	h.ingest.set(func(f *fakeIngest) { f.hold = true })
	a := h.gate.add()
	d := h.join(t, 5, a)
	d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
	d.publish(1, 1, "?")
	h.ingest.await(t, 1)
	h.ingest.release(errInvalid, 0)
	d.acked(packets.Puback, 1, payloadInvalid)
	d.silent()
}

func TestTheOptionsOfMQTT5SubscriptionsCount(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 5, a)
	retained := func(pk *packets.Packet) { pk.FixedHeader.Retain = true }
	d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1, NoLocal: true})
	d.publish(1, 1, "unheard")
	d.acked(packets.Puback, 1, success)
	d.silent()
	d.subscribe(2, packets.Subscription{Filter: a.data(), Qos: 1, RetainAsPublished: true})
	d.publish(0, 0, "heard", retained)
	if got := d.expect(packets.Publish); !got.FixedHeader.Retain || string(got.Payload) != "heard" {
		t.Errorf("got %+v, want it as it was published", got)
	}
}

func TestPropertiesComeBackWithTheEcho(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 5, a)
	d.subscribe(1, packets.Subscription{Filter: a.data()})
	want := packets.Properties{
		PayloadFormat: 1, PayloadFormatFlag: true, MessageExpiryInterval: 30, ContentType: "application/json",
		ResponseTopic: "answers", CorrelationData: []byte{0, 1, 2}, User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}},
	}
	d.publish(0, 0, "x", func(pk *packets.Packet) { pk.Mods.AllowResponseInfo = true; pk.Properties = want })
	if got := d.expect(packets.Publish).Properties; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestUnsubscribeEndsIt(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		d.subscribe(1, packets.Subscription{Filter: a.data()})
		d.publish(0, 0, "x")
		d.expect(packets.Publish)
		d.send(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 300,
			Filters: packets.Subscriptions{{Filter: a.data()}, {Filter: "never/was"}},
		})
		ack := d.expect(packets.Unsuback)
		var want []byte
		if version == 5 {
			want = []byte{success, noSubscription}
		}
		if ack.PacketID != 300 || !slices.Equal(ack.ReasonCodes, want) {
			t.Errorf("UNSUBACK has the id %d and % X, want 300 and % X", ack.PacketID, ack.ReasonCodes, want)
		}
		d.publish(0, 0, "y")
		d.silent()
	})
}

func TestTheDevicesWindowIsKept(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version byte
		maximum uint16
		want    int
	}{
		"MQTT 3.1.1": {version: 4, want: maxWindow}, "MQTT 5": {version: 5, want: maxWindow},
		"MQTT 5, 3 at once": {version: 5, maximum: 3, want: 3}, "MQTT 5, 60,000 at once": {version: 5, maximum: 60000, want: maxWindow},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, Config{})
			a := h.gate.add()
			d := h.join(t, c.version, a, func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = c.maximum })
			d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
			h.ingest.set(func(f *fakeIngest) { f.hold = true })
			for i := range 30 {
				d.publish(1, uint16(i+1), fmt.Sprint(i))
			}
			h.ingest.await(t, 30)
			for i := range 30 {
				h.ingest.release(nil, i)
			}
			heard, seen := d.sort(30, c.want)
			d.silent()
			for i := range 30 - c.want {
				d.ack(packets.Puback, seen[i])
				more, ids := d.sort(0, 1)
				heard, seen = append(heard, more...), append(seen, ids...)
			}
			for i, payload := range heard {
				if payload != fmt.Sprint(i) {
					t.Fatalf("message %d is %s", i, payload)
				}
			}
		})
	}
}

// subscribeOwn subscribes to the device's own readings.
func (d *device) subscribeOwn() {
	d.Helper()
	d.subscribe(1, packets.Subscription{Filter: d.data(), Qos: 1})
}

// sort reads so many PUBACKs and PUBLISHes, in any order, and returns the latters'
// payloads and ids.
func (d *device) sort(acks, publishes int) (payloads []string, ids []uint16) {
	d.Helper()
	for acks > 0 || publishes > 0 {
		pk, err := d.receive()
		switch {
		case err != nil:
			d.Fatal(err)
		case pk.FixedHeader.Type == packets.Puback:
			acks--
		case pk.FixedHeader.Type == packets.Publish:
			publishes--
			payloads, ids = append(payloads, string(pk.Payload)), append(ids, pk.PacketID)
		}
	}
	return payloads, ids
}

func TestADeviceGetsNoLargerPacketThanItTakes(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	size := len(a.data()) + 2 + 2 + 2 + 1 + 10 // with a payload of 10 bytes at QoS 1
	d := h.join(t, 5, a, func(pk *packets.Packet) { pk.Properties.MaximumPacketSize = uint32(size) })
	d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
	d.publish(1, 1, "11 is more!")
	d.acked(packets.Puback, 1, success)
	d.silent()
	d.publish(1, 2, "10 may go.")
	d.acked(packets.Puback, 2, success)
	if got := d.expect(packets.Publish); string(got.Payload) != "10 may go." {
		t.Errorf("got %q", got.Payload)
	}
}

func TestTheQueueDropsTheOldestThatWait(t *testing.T) {
	t.Parallel()
	count := func(st *state) (n int, bytes int) {
		for _, m := range st.queue {
			bytes += m.size()
		}
		return len(st.queue), bytes
	}
	small, large := message{topic: "t", payload: make([]byte, 9), qos: 1}, message{topic: "t", payload: make([]byte, 300<<10), qos: 1}
	cases := map[string]struct {
		message message
		sent    int
		want    int
	}{
		"by count": {small, 0, maxQueued}, "by bytes": {large, 0, 3}, "by bytes, with some sent": {large, 2, 3},
		"one that is too large alone": {message{topic: "t", payload: make([]byte, 2<<20)}, 0, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newState(uuid.Nil)
			for i := range 3 * maxQueued {
				m := c.message
				m.topic = fmt.Sprint(i)
				st.deliver(m)
				st.sent = min(c.sent, len(st.queue))
				n, bytes := count(st)
				if bytes != st.bytes || n > maxQueued || n > 1 && bytes > maxQueuedBytes {
					t.Fatalf("%d messages of %d bytes, noted are %d", n, bytes, st.bytes)
				}
			}
			if n, _ := count(st); n != c.want {
				t.Errorf("%d messages wait, want %d", n, c.want)
			}
			for i, m := range st.queue[:st.sent] {
				if m.topic != fmt.Sprint(i) {
					t.Errorf("one that was sent was dropped")
				}
			}
			if last := st.queue[len(st.queue)-1]; last.topic != fmt.Sprint(3*maxQueued-1) {
				t.Errorf("the newest is %s", last.topic)
			}
		})
	}
}

func TestAMessageThatExpiredIsDropped(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for after, want := range map[time.Duration]uint32{30 * time.Second: 30, 29*time.Second + time.Millisecond: 30, time.Millisecond: 1} {
		if left, expired := (message{expires: now.Add(after)}).left(now); left != want || expired {
			t.Errorf("%s before its end it has %d s left (expired: %t), want %d", after, left, expired, want)
		}
	}
	s := &session{version: 5, window: 10}
	s.state = newState(uuid.Nil)
	s.state.adopt(s)
	for _, expires := range []time.Time{now.Add(-time.Second), {}, now, now.Add(time.Hour)} {
		s.state.queue = append(s.state.queue, queued{message: message{topic: "t", qos: 1, expires: expires}})
	}
	if s.state.fill(s, nil); len(s.state.queue) != 2 || s.state.sent != 2 {
		t.Errorf("%d messages are kept and %d sent, want 2", len(s.state.queue), s.state.sent)
	}
}
