package mqttbroker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Reason codes that the broker sends (MQTT 5.0, 2.4).
const (
	success              byte = 0x00
	malformedPacket      byte = 0x81
	protocolError        byte = 0x82
	notAuthorized        byte = 0x87
	serverBusy           byte = 0x89
	serverShuttingDown   byte = 0x8B
	keepAliveTimeout     byte = 0x8D
	sessionTakenOver     byte = 0x8E
	packetIDNotFound     byte = 0x92
	receiveMaximumPassed byte = 0x93
	topicAliasInvalid    byte = 0x94
	packetTooLarge       byte = 0x95
	administrativeAction byte = 0x98
	payloadInvalid       byte = 0x99
)

// violation is a breach of the protocol: the session ends with its code.
type violation struct {
	code byte
	text string
}

func (v violation) Error() string { return v.text }

// header is a packet's first byte and its length.
type header struct {
	kind      byte
	flags     byte
	remaining int
}

func (h header) qos() byte { return h.flags >> 1 & 3 }
func (h header) dup() bool { return h.flags&8 != 0 }

// readHeader reads a fixed header. max bounds the packet.
func readHeader(r *bufio.Reader, max int) (header, error) {
	first, err := r.ReadByte()
	if err != nil {
		return header{}, err
	}
	h := header{kind: first >> 4, flags: first & 15}
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return header{}, violation{malformedPacket, "the remaining length has more than 4 bytes"}
		}
		b, err := r.ReadByte()
		if err != nil {
			return header{}, noEOF(err)
		}
		h.remaining |= int(b&127) << shift
		if b&128 == 0 {
			break
		}
	}
	if h.remaining > max {
		return header{}, violation{packetTooLarge, "the packet is too large"}
	}
	switch h.kind {
	case packets.Publish:
		if h.qos() == 3 || (h.qos() == 0 && h.dup()) {
			return header{}, violation{malformedPacket, "the flags of PUBLISH are wrong"}
		}
	case packets.Pubrel, packets.Subscribe, packets.Unsubscribe:
		if h.flags != 2 {
			return header{}, violation{malformedPacket, "the fixed header's flags are wrong"}
		}
	default:
		if h.flags != 0 {
			return header{}, violation{malformedPacket, "the fixed header's flags are wrong"}
		}
	}
	return h, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// publish is an incoming PUBLISH. Its parts point into the packet's bytes.
type publish struct {
	qos     byte
	dup     bool
	id      uint16
	topic   []byte
	payload []byte
}

// parsePublish reads a PUBLISH. version is the protocol's: 4 or 5.
func parsePublish(h header, body []byte, version byte) (publish, error) {
	p := publish{qos: h.qos(), dup: h.dup()}
	topic, rest, ok := takeText(body)
	if !ok || !utf8.Valid(topic) || bytes.IndexByte(topic, 0) >= 0 {
		return p, violation{malformedPacket, "the topic is malformed"}
	}
	if bytes.ContainsAny(topic, "+#") {
		return p, violation{malformedPacket, "a topic to publish to has no wildcards"}
	}
	p.topic = topic
	if p.qos > 0 {
		if len(rest) < 2 {
			return p, violation{malformedPacket, "the packet identifier is missing"}
		}
		p.id, rest = binary.BigEndian.Uint16(rest), rest[2:]
		if p.id == 0 {
			return p, violation{protocolError, "the packet identifier is 0"}
		}
	}
	if version == 5 {
		var err error
		if rest, err = skipPublishProperties(rest); err != nil {
			return p, err
		}
	}
	if len(topic) == 0 {
		return p, violation{protocolError, "the topic is empty"}
	}
	p.payload = rest
	return p, nil
}

func takeText(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// takeLength reads a variable byte integer.
func takeLength(b []byte) (n int, rest []byte, ok bool) {
	for i := 0; i < 4 && i < len(b); i++ {
		n |= int(b[i]&127) << (7 * i)
		if b[i]&128 == 0 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

var errProperties = violation{malformedPacket, "the properties of PUBLISH are malformed"} //nolint:gochecknoglobals // a constant

// skipPublishProperties checks and passes over the properties of a PUBLISH
// (MQTT 5.0, 3.3.2.3): none of them changes what a reading says.
func skipPublishProperties(b []byte) (rest []byte, err error) {
	n, b, ok := takeLength(b)
	if !ok || n > len(b) {
		return nil, errProperties
	}
	props, rest := b[:n], b[n:]
	for len(props) > 0 {
		kind := props[0]
		props = props[1:]
		size := 0
		switch kind {
		case packets.PropPayloadFormat:
			size = 1
		case packets.PropMessageExpiryInterval:
			size = 4
		case packets.PropTopicAlias:
			return nil, violation{topicAliasInvalid, "topic aliases are not taken"}
		case packets.PropSubscriptionIdentifier:
			return nil, violation{protocolError, "a client sends no subscription identifier with PUBLISH"}
		case packets.PropContentType, packets.PropResponseTopic, packets.PropCorrelationData:
			if _, props, ok = takeText(props); !ok {
				return nil, errProperties
			}
		case packets.PropUser:
			if _, props, ok = takeText(props); ok {
				_, props, ok = takeText(props)
			}
			if !ok {
				return nil, errProperties
			}
		default:
			return nil, errProperties
		}
		if size > len(props) {
			return nil, errProperties
		}
		props = props[size:]
	}
	return rest, nil
}

// parseID reads the packet identifier that PUBACK, PUBREC, PUBREL and PUBCOMP
// begin with.
func parseID(body []byte) (uint16, error) {
	if len(body) < 2 {
		return 0, violation{malformedPacket, "the packet identifier is missing"}
	}
	return binary.BigEndian.Uint16(body), nil
}

// appendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP. MQTT 3.1.1 has no reason
// code, MQTT 5 leaves out that of success.
func appendAck(dst []byte, kind byte, id uint16, code, version byte) []byte {
	first := kind << 4
	if kind == packets.Pubrel {
		first |= 2
	}
	if version < 5 || code == success {
		return append(dst, first, 2, byte(id>>8), byte(id))
	}
	return append(dst, first, 3, byte(id>>8), byte(id), code)
}

// appendPublish appends a PUBLISH to a device.
func appendPublish(dst []byte, m message, id uint16, qos, version byte, dup bool) []byte {
	first := byte(packets.Publish)<<4 | qos<<1
	if dup {
		first |= 8
	}
	size := 2 + len(m.topic) + len(m.payload)
	if qos > 0 {
		size += 2
	}
	if version == 5 {
		size++
	}
	dst = appendLength(append(dst, first), size)
	dst = append(dst, byte(len(m.topic)>>8), byte(len(m.topic)))
	dst = append(dst, m.topic...)
	if qos > 0 {
		dst = append(dst, byte(id>>8), byte(id))
	}
	if version == 5 {
		dst = append(dst, 0) // no properties
	}
	return append(dst, m.payload...)
}

func appendLength(dst []byte, n int) []byte {
	for {
		b := byte(n & 127)
		if n >>= 7; n == 0 {
			return append(dst, b)
		}
		dst = append(dst, b|128)
	}
}

// appendDisconnect appends a DISCONNECT of MQTT 5.
func appendDisconnect(dst []byte, code byte) []byte {
	return append(dst, byte(packets.Disconnect)<<4, 2, code, 0)
}
