package mqttbroker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Reason codes that the broker sends (MQTT 5.0, 2.4).
const (
	success               byte = 0x00
	noSubscription        byte = 0x11
	subscriptionFailed    byte = 0x80 // MQTT 3.1.1 has no other
	malformedPacket       byte = 0x81
	protocolError         byte = 0x82
	unsupportedProtocol   byte = 0x84
	clientIDInvalid       byte = 0x85
	badCredentials        byte = 0x86
	notAuthorized         byte = 0x87
	serverUnavailable     byte = 0x88
	serverBusy            byte = 0x89
	serverShuttingDown    byte = 0x8B
	badAuthentication     byte = 0x8C
	keepAliveTimeout      byte = 0x8D
	sessionTakenOver      byte = 0x8E
	filterInvalid         byte = 0x8F
	packetIDNotFound      byte = 0x92
	receiveMaximumPassed  byte = 0x93
	topicAliasInvalid     byte = 0x94
	packetTooLarge        byte = 0x95
	quotaExceeded         byte = 0x97
	administrativeAction  byte = 0x98
	payloadInvalid        byte = 0x99
	noSharedSubscriptions byte = 0x9E
	noSubscriptionIDs     byte = 0xA1
)

// violation is a breach of the protocol: the session ends with its code.
type violation struct {
	code byte
	text string
}

func (v violation) Error() string { return v.text }

func malformed(text string) error { return violation{malformedPacket, text} }

// header is a packet's first byte and its length.
type header struct {
	kind      byte
	flags     byte
	remaining int
}

func (h header) qos() byte    { return h.flags >> 1 & 3 }
func (h header) dup() bool    { return h.flags&8 != 0 }
func (h header) retain() bool { return h.flags&1 != 0 }

// readHeader reads a fixed header. limit bounds the whole packet in bytes.
func readHeader(r io.ByteReader, limit int) (header, error) {
	first, err := r.ReadByte()
	if err != nil {
		return header{}, err
	}
	h := header{kind: first >> 4, flags: first & 15}
	size := 1
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return header{}, malformed("the remaining length has more than 4 bytes")
		}
		b, err := r.ReadByte()
		if err != nil {
			return header{}, noEOF(err)
		}
		size++
		h.remaining |= int(b&127) << shift
		if b&128 != 0 {
			continue
		}
		if b == 0 && shift > 0 {
			return header{}, malformed("the remaining length has a byte too many")
		}
		break
	}
	if size+h.remaining > limit {
		return header{}, violation{packetTooLarge, "the packet is too large"}
	}
	if !h.flagsValid() {
		return header{}, malformed("the fixed header's flags are wrong")
	}
	return h, nil
}

// flagsValid checks the flags of the fixed header, which only PUBLISH may choose.
func (h header) flagsValid() bool {
	switch h.kind {
	case packets.Reserved:
		return false
	case packets.Publish:
		return h.qos() < 3 && (h.qos() > 0 || !h.dup())
	case packets.Pubrel, packets.Subscribe, packets.Unsubscribe:
		return h.flags == 2
	default:
		return h.flags == 0
	}
}

// noEOF makes an end inside a packet what it is: unexpected.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// takeBytes reads a length of two bytes and what it counts.
func takeBytes(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// takeText is takeBytes for a UTF-8 string, which holds no U+0000.
func takeText(b []byte) (text, rest []byte, ok bool) {
	text, rest, ok = takeBytes(b)
	if !ok || !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, nil, false
	}
	return text, rest, true
}

// takeLength reads a variable byte integer, which has no byte too many.
func takeLength(b []byte) (n int, rest []byte, ok bool) {
	for i := 0; i < 4 && i < len(b); i++ {
		n |= int(b[i]&127) << (7 * i)
		if b[i]&128 == 0 {
			return n, b[i+1:], i == 0 || b[i] != 0
		}
	}
	return 0, nil, false
}

// takeID reads a packet identifier, which is not 0.
func takeID(b []byte) (id uint16, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, malformed("the packet identifier is missing")
	}
	if id = binary.BigEndian.Uint16(b); id == 0 {
		return 0, nil, violation{protocolError, "the packet identifier is 0"}
	}
	return id, b[2:], nil
}

// appendAck appends a PUBACK, PUBREC or PUBCOMP. MQTT 3.1.1 has no reason code,
// MQTT 5 leaves out that of success.
func appendAck(dst []byte, kind byte, id uint16, code, version byte) []byte {
	if version < 5 || code == success {
		return binary.BigEndian.AppendUint16(append(dst, kind<<4, 2), id)
	}
	return append(binary.BigEndian.AppendUint16(append(dst, kind<<4, 3), id), code)
}

// appendDisconnect appends a DISCONNECT of MQTT 5.
func appendDisconnect(dst []byte, code byte) []byte {
	return append(dst, packets.Disconnect<<4, 2, code, 0)
}

// publishSize is how many bytes appendPublish appends.
func publishSize(m message, version byte) int {
	size := publishRest(m, version)
	return 1 + lengthSize(size) + size
}

// publishRest is the remaining length of a PUBLISH.
func publishRest(m message, version byte) int {
	size := 2 + len(m.topic) + len(m.payload)
	if m.qos > 0 {
		size += 2
	}
	if version == 5 {
		n := len(m.properties)
		if !m.expires.IsZero() {
			n += expiryProperty
		}
		size += lengthSize(n) + n
	}
	return size
}

// expiryProperty is the size of a message expiry interval with its identifier.
const expiryProperty = 5

// appendPublish appends a PUBLISH to a device. seconds are what is left of a
// message that expires.
func appendPublish(dst []byte, m message, id uint16, version byte, dup bool, seconds uint32) []byte {
	first := packets.Publish<<4 | m.qos<<1
	if dup {
		first |= 8
	}
	if m.retain {
		first |= 1
	}
	dst = appendLength(append(dst, first), publishRest(m, version))
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(m.topic))), m.topic...) //nolint:gosec // it came with two bytes of length
	if m.qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	if version == 5 {
		n := len(m.properties)
		if !m.expires.IsZero() {
			dst = append(appendLength(dst, n+expiryProperty), packets.PropMessageExpiryInterval)
			dst = binary.BigEndian.AppendUint32(dst, seconds)
		} else {
			dst = appendLength(dst, n)
		}
		dst = append(dst, m.properties...)
	}
	return append(dst, m.payload...)
}

func appendLength(dst []byte, n int) []byte {
	for ; n > 127; n >>= 7 {
		dst = append(dst, byte(n&127)|128)
	}
	return append(dst, byte(n&127))
}

func lengthSize(n int) int {
	size := 1
	for ; n > 127; n >>= 7 {
		size++
	}
	return size
}
