package mqttbroker

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
)

// framed puts a fixed header before a packet's rest.
func framed(first byte, body string) []byte {
	return append(appendLength([]byte{first}, len(body)), body...)
}

func TestWhatBreaksTheProtocolEndsTheSession(t *testing.T) {
	t.Parallel()
	source := uuid.New()
	own := text("sunsource/" + source.String() + "/data")
	id := "\x00\x01"
	utf8 := func(bad string) string { return text("sunsource/" + source.String() + "/data/" + bad) }
	properties := func(p string) string { return string(appendLength(nil, len(p))) + p }
	type breach struct {
		packet []byte
		code   byte
	}
	common := map[string]breach{
		"a kind that is reserved":            {framed(0x00, ""), malformedPacket},
		"a kind that servers send":           {framed(0x20, "\x00\x00"), protocolError},
		"SUBACK":                             {framed(0x90, id+"\x00"), protocolError},
		"PINGRESP":                           {framed(0xD0, ""), protocolError},
		"PUBREC for nothing":                 {framed(0x50, id), protocolError},
		"PUBCOMP for nothing":                {framed(0x70, id), protocolError},
		"a length of five bytes":             {[]byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, malformedPacket},
		"a length with a byte too many":      {[]byte{0xC0, 0x80, 0x00}, malformedPacket},
		"PUBLISH at QoS 3":                   {framed(0x36, own+id), malformedPacket},
		"PUBLISH at QoS 0 marked DUP":        {framed(0x38, own), malformedPacket},
		"PUBLISH without a topic":            {framed(0x30, ""), malformedPacket},
		"PUBLISH with half a topic":          {framed(0x30, own[:len(own)-1]), malformedPacket},
		"PUBLISH without an id":              {framed(0x32, own), malformedPacket},
		"PUBLISH with half an id":            {framed(0x32, own+"\x00"), malformedPacket},
		"PUBLISH with the id 0":              {framed(0x32, own+"\x00\x00"), protocolError},
		"PUBLISH to a wildcard":              {framed(0x30, utf8("+")), malformedPacket},
		"PUBLISH to a wildcard for all":      {framed(0x30, utf8("#")), malformedPacket},
		"PUBLISH to U+0000":                  {framed(0x30, utf8("a\x00b")), malformedPacket},
		"PUBLISH to bytes that are no UTF-8": {framed(0x30, utf8("\xFF")), malformedPacket},
		"PUBLISH to a surrogate":             {framed(0x30, utf8("\xED\xA0\x80")), malformedPacket},
		"PUBLISH to overlong UTF-8":          {framed(0x30, utf8("\xC0\x80")), malformedPacket},
		"PUBREL with wrong flags":            {framed(0x60, id), malformedPacket},
		"PUBREL without an id":               {framed(0x62, ""), malformedPacket},
		"PUBREL with the id 0":               {framed(0x62, "\x00\x00"), protocolError},
		"PUBACK with flags":                  {framed(0x42, id), malformedPacket},
		"PUBACK with half an id":             {framed(0x40, "\x01"), malformedPacket},
		"SUBSCRIBE with wrong flags":         {framed(0x80, id+own+"\x00"), malformedPacket},
		"SUBSCRIBE with nothing":             {framed(0x82, ""), malformedPacket},
		"UNSUBSCRIBE with wrong flags":       {framed(0xA0, id+own), malformedPacket},
		"UNSUBSCRIBE with nothing":           {framed(0xA2, ""), malformedPacket},
		"PINGREQ with flags":                 {framed(0xC1, ""), malformedPacket},
		"PINGREQ with a body":                {framed(0xC0, "x"), malformedPacket},
		"DISCONNECT with flags":              {framed(0xE1, ""), malformedPacket},
		"a SUBSCRIBE of megabytes":           {[]byte{0x82, 0x80, 0x80, 0x20}, packetTooLarge},
		"a packet beyond the bound":          {[]byte{0x30, 0xFF, 0xFF, 0x7F}, packetTooLarge},
	}
	old := map[string]breach{
		"an empty topic":                 {framed(0x30, "\x00\x00"), protocolError},
		"SUBSCRIBE without an id":        {framed(0x82, "\x00\x00"+own+"\x00"), protocolError},
		"SUBSCRIBE without a filter":     {framed(0x82, id), protocolError},
		"SUBSCRIBE without a QoS":        {framed(0x82, id+own), malformedPacket},
		"SUBSCRIBE at QoS 3":             {framed(0x82, id+own+"\x03"), malformedPacket},
		"SUBSCRIBE with half a filter":   {framed(0x82, id+own+"\x00"+own[:9]), malformedPacket},
		"SUBSCRIBE with options of 5":    {framed(0x82, id+own+"\x04"), malformedPacket},
		"UNSUBSCRIBE without a filter":   {framed(0xA2, id), protocolError},
		"UNSUBSCRIBE with half a filter": {framed(0xA2, id+own[:9]), malformedPacket},
		"PUBACK with more than the id":   {framed(0x40, id+"\x00"), malformedPacket},
		"PUBREL with more than the id":   {framed(0x62, id+"\x00"), malformedPacket},
		"DISCONNECT with a code":         {framed(0xE0, "\x00"), malformedPacket},
		"AUTH":                           {framed(0xF0, ""), protocolError},
	}
	now := map[string]breach{
		"an empty topic":                            {framed(0x30, "\x00\x00\x00"), protocolError},
		"a topic alias":                             {framed(0x30, own+properties("\x23\x00\x01")), topicAliasInvalid},
		"a topic alias alone":                       {framed(0x30, text("")+properties("\x23\x00\x01")), topicAliasInvalid},
		"a subscription identifier":                 {framed(0x30, own+properties("\x0B\x01")), protocolError},
		"properties beyond the packet":              {framed(0x30, own+"\x7F"), malformedPacket},
		"properties with an endless length":         {framed(0x30, own+"\xFF\xFF\xFF\xFF\x01"), malformedPacket},
		"properties with a byte too many in length": {framed(0x30, own+"\x80\x00"), malformedPacket},
		"no properties at all":                      {framed(0x30, own), malformedPacket},
		"a property that there is not":              {framed(0x30, own+properties("\x7E")), malformedPacket},
		"a property of another packet":              {framed(0x30, own+properties("\x11\x00\x00\x00\x01")), malformedPacket},
		"a property that is cut off":                {framed(0x30, own+properties("\x02\x00\x00")), malformedPacket},
		"a property with text cut off":              {framed(0x30, own+properties("\x03\x00\x05ab")), malformedPacket},
		"a property that is no UTF-8":               {framed(0x30, own+properties("\x03\x00\x01\xFF")), malformedPacket},
		"a property twice":                          {framed(0x30, own+properties("\x01\x00\x01\x00")), protocolError},
		"a payload format of 2":                     {framed(0x30, own+properties("\x01\x02")), protocolError},
		"a response topic with a wildcard":          {framed(0x30, own+properties("\x08\x00\x01#")), protocolError},
		"half a user property":                      {framed(0x30, own+properties("\x26\x00\x01a\x00")), malformedPacket},
		"SUBSCRIBE without an id":                   {framed(0x82, "\x00\x00\x00"+own+"\x00"), protocolError},
		"SUBSCRIBE without a filter":                {framed(0x82, id+"\x00"), protocolError},
		"SUBSCRIBE without options":                 {framed(0x82, id+"\x00"+own), malformedPacket},
		"SUBSCRIBE with reserved bits":              {framed(0x82, id+"\x00"+own+"\x40"), malformedPacket},
		"SUBSCRIBE at QoS 3":                        {framed(0x82, id+"\x00"+own+"\x03"), protocolError},
		"SUBSCRIBE with retain handling 3":          {framed(0x82, id+"\x00"+own+"\x30"), protocolError},
		"SUBSCRIBE with the identifier 0":           {framed(0x82, id+"\x02\x0B\x00"+own+"\x00"), protocolError},
		"SUBSCRIBE with a property of PUBLISH":      {framed(0x82, id+"\x02\x01\x00"+own+"\x00"), malformedPacket},
		"UNSUBSCRIBE without a filter":              {framed(0xA2, id+"\x00"), protocolError},
		"UNSUBSCRIBE with properties cut off":       {framed(0xA2, id+"\x09"), malformedPacket},
		"PUBREL with properties cut off":            {framed(0x62, id+"\x00\x05"), malformedPacket},
		"PUBREL with a property of CONNECT":         {framed(0x62, id+"\x00\x05\x11\x00\x00\x00\x01"), malformedPacket},
		"PUBACK with more than properties":          {framed(0x40, id+"\x00\x00\x00"), malformedPacket},
		"DISCONNECT with properties cut off":        {framed(0xE0, "\x00\x05\x11"), malformedPacket},
		"DISCONNECT with a property of a server":    {framed(0xE0, "\x00"+properties("\x1C\x00\x01a")), malformedPacket},
	}
	eachVersion(t, func(t *testing.T, version byte) {
		special := old
		if version == 5 {
			special = now
		}
		for _, table := range []map[string]breach{common, special} {
			for name, b := range table {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					h := onTCP(t, Config{})
					a := h.gate.add()
					h.gate.mu.Lock()
					h.gate.sources[a.clientID].id = source
					h.gate.mu.Unlock()
					d := h.joinTCP(t, version, a)
					d.write(b.packet...)
					d.cutOff(b.code)
					if got := h.ingest.payloads(); len(got) > 0 {
						t.Errorf("deliveries are %q", got)
					}
				})
			}
		}
	})
}

func TestAMalformedConnectIsRefused(t *testing.T) {
	t.Parallel()
	name, client := text("MQTT"), text("sunsource_12345678")
	cases := map[string]struct {
		connect string
		want    string
	}{
		"the reserved flag, 3.1.1":                 {name + "\x04\x03\x00\x00" + client, ""},
		"the reserved flag":                        {name + "\x05\x03\x00\x00\x00" + client, "\x20\x03\x00\x81\x00"},
		"a will at QoS 3":                          {name + "\x05\x1E\x00\x00\x00" + client, "\x20\x03\x00\x81\x00"},
		"a will's QoS without a will":              {name + "\x05\x0A\x00\x00\x00" + client, "\x20\x03\x00\x81\x00"},
		"a retained will without a will":           {name + "\x05\x22\x00\x00\x00" + client, "\x20\x03\x00\x81\x00"},
		"a will with a wildcard":                   {name + "\x05\x06\x00\x00\x00" + client + "\x00" + text("a/#") + text("x"), "\x20\x03\x00\x81\x00"},
		"a will without a topic":                   {name + "\x05\x06\x00\x00\x00" + client + "\x00" + text("") + text("x"), "\x20\x03\x00\x81\x00"},
		"a key without a user name, 3.1.1":         {name + "\x04\x42\x00\x00" + client + text("k"), ""},
		"a client id that is no UTF-8":             {name + "\x05\x02\x00\x00\x00" + text("\xFF"), "\x20\x03\x00\x81\x00"},
		"a client id with U+0000":                  {name + "\x05\x02\x00\x00\x00" + text("a\x00"), "\x20\x03\x00\x81\x00"},
		"a user name that is missing":              {name + "\x05\x82\x00\x00\x00" + client, "\x20\x03\x00\x81\x00"},
		"a user name that is no UTF-8":             {name + "\x05\x82\x00\x00\x00" + client + text("\xFE"), "\x20\x03\x00\x81\x00"},
		"more than its fields":                     {name + "\x05\x02\x00\x00\x00" + client + "x", "\x20\x03\x00\x81\x00"},
		"a receive maximum of 0":                   {name + "\x05\x02\x00\x00\x03\x21\x00\x00" + client, "\x20\x03\x00\x82\x00"},
		"a packet size of 0":                       {name + "\x05\x02\x00\x00\x05\x27\x00\x00\x00\x00" + client, "\x20\x03\x00\x82\x00"},
		"an expiry twice":                          {name + "\x05\x02\x00\x00\x0A\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01" + client, "\x20\x03\x00\x82\x00"},
		"authentication data without a method":     {name + "\x05\x02\x00\x00\x03\x16\x00\x00" + client, "\x20\x03\x00\x82\x00"},
		"properties that take more than they have": {name + "\x05\x02\x00\x00\x03\x11\x00\x00\x00\x01" + client, "\x20\x03\x00\x81\x00"},
		"a property of PUBLISH":                    {name + "\x05\x02\x00\x00\x03\x23\x00\x01" + client, "\x20\x03\x00\x81\x00"},
		"problem information that is 2":            {name + "\x05\x02\x00\x00\x02\x17\x02" + client, "\x20\x03\x00\x82\x00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onTCP(t, Config{})
			d := attach(t, h.dialTCP(t), 5, account{})
			d.write(framed(0x10, c.connect)...)
			if got := d.rest(); got != c.want {
				t.Errorf("got % X, want % X", got, c.want)
			}
		})
	}
}

// Each packet is cut off at each byte, by its length and by the connection.
func TestPacketsThatAreCutOffNeverPass(t *testing.T) {
	t.Parallel()
	a := account{source: uuid.New()}
	eachVersion(t, func(t *testing.T, version byte) {
		d := &device{TB: t, version: version, account: a}
		user := packets.Properties{}
		if version == 5 {
			user.User = []packets.UserProperty{{Key: "k", Val: "v"}}
		}
		filters := packets.Subscriptions{{Filter: "sunsource/" + a.source.String() + "/#", Qos: 1}}
		all := map[string]packets.Packet{
			"PUBLISH":     d.reading(1, 1, "", func(pk *packets.Packet) { pk.Properties = user }),
			"PUBREL":      {FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: 1, Properties: user},
			"SUBSCRIBE":   {FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 1, Filters: filters, Properties: user},
			"UNSUBSCRIBE": {FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 1, Filters: filters, Properties: user},
			"CONNECT":     d.hello(func(pk *packets.Packet) { pk.Properties = user; pk.Connect.ClientIdentifier = "c" }),
		}
		for name, pk := range all {
			pk.ProtocolVersion = version
			whole := encode(t, pk)
			body := whole[2:]
			if whole[1]&0x80 != 0 {
				body = whole[3:]
			}
			if err := parse(whole[0], body, version); err != nil {
				t.Errorf("the whole %s: %v", name, err)
			}
			for n := range body {
				err := parse(whole[0], body[:n:n], version)
				reason := name == "PUBREL" && (n == 2 || version == 5 && n == 3) // its short forms
				if (err == nil) != reason {
					t.Errorf("%s cut off at byte %d of %d: %v", name, n, len(body), err)
				}
			}
		}
	})
}

// parse reads a packet's rest by its kind.
func parse(first byte, body []byte, version byte) error {
	var err error
	switch h := (header{kind: first >> 4, flags: first & 15, remaining: len(body)}); h.kind {
	case packets.Connect:
		_, err = parseConnect(body)
	case packets.Publish:
		_, err = parsePublish(h, body, version)
	case packets.Puback, packets.Pubrel:
		_, err = parseAck(body, version)
	case packets.Subscribe:
		_, err = parseSubscribe(body, version)
	case packets.Unsubscribe:
		_, _, err = parseUnsubscribe(body, version)
	case packets.Disconnect:
		_, err = parseDisconnect(body, version)
	}
	return err
}

func TestAConnectionThatEndsInsideAPacketLeavesNothing(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		whole := encode(t, (&device{TB: t, version: version, account: a}).reading(1, 1, "payload"))
		for n := range whole {
			d := h.join(t, version, a)
			d.write(whole[:n]...)
			h.away(t, d)
		}
		if got := h.ingest.payloads(); len(got) > 0 {
			t.Errorf("deliveries are %q", got)
		}
	})
}

func TestPacketsMayComeByteByByte(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := attach(t, h.pipes.dial(t), version, a)
		slowly := func(b []byte) {
			for i := range b {
				d.write(b[i])
			}
		}
		slowly(encode(t, d.hello()))
		d.welcomed()
		slowly(encode(t, d.reading(1, 1, strings.Repeat("x", 300))))
		d.acked(packets.Puback, 1, success)
		slowly([]byte{0xC0, 0})
		d.expect(packets.Pingresp)
	})
}

func TestTheLargestPacketIsTakenAndOneByteMoreIsNot(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{MaxPacket: 1000})
		a := h.gate.add()
		d := h.joinTCP(t, version, a)
		empty := len(encode(t, d.reading(1, 1, strings.Repeat("x", 200)))) - 200
		d.publish(1, 1, strings.Repeat("x", 1000-empty))
		d.acked(packets.Puback, 1, success)
		d.publish(1, 2, strings.Repeat("x", 1001-empty))
		d.cutOff(packetTooLarge)
	})
}

func TestMemoryIsTakenAsBytesCome(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100, firstRead - 1, firstRead, firstRead + 1, 3 * firstRead, 1 << 20} {
		content := strings.Repeat("x", n)
		body, err := readBody(strings.NewReader(content+"more"), n, nil)
		if err != nil || string(body) != content {
			t.Errorf("%d bytes came as %d (%v)", n, len(body), err)
		}
	}
	offered := &shortReader{left: 20_000}
	if body, err := readBody(offered, 100<<20, nil); err == nil || body != nil || offered.most > 32<<10 {
		t.Errorf("of 100 MiB came 20,000 bytes: %v, and room was made for %d", err, offered.most)
	}
	kept := make([]byte, 0, 64)
	if body, _ := readBody(strings.NewReader(strings.Repeat("y", 64)), 64, kept); &body[0] != &kept[:1][0] {
		t.Error("the buffer that was there is not used")
	}
}

// shortReader has a few bytes, and notes how many it was asked for at once.
type shortReader struct{ left, most int }

func (r *shortReader) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	n := min(len(p), r.left)
	if r.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestAHandshakeThatStallsIsCutOff(t *testing.T) {
	t.Parallel()
	hello := encode(t, (&device{TB: t, version: 5}).hello(func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "x" }))
	for n := range len(hello) {
		if n > 3 && n%9 > 0 && n < len(hello)-1 {
			continue
		}
		t.Run(fmt.Sprintf("after %d bytes", n), func(t *testing.T) {
			t.Parallel()
			h := onTCP(t, Config{Handshake: 100 * time.Millisecond})
			d := attach(t, h.dialTCP(t), 5, account{})
			if n > 0 {
				d.write(hello[:n]...)
			}
			began := time.Now()
			if got := d.rest(); got != "" {
				t.Errorf("got % X", got)
			}
			if took := time.Since(began); took < 50*time.Millisecond || took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
