package mqttbroker

import (
	"encoding/binary"

	"github.com/mochi-mqtt/server/v2/packets"
)

// property is one property of an MQTT 5 packet.
type property struct {
	kind byte
	// number is the value of a number's property, text that of the others: for a
	// user property its name.
	number uint32
	text   []byte
	// raw is the property as it came, with its identifier.
	raw []byte
}

// propertySet says which properties a packet may have, a bit for each.
type propertySet uint64

func setOf(kinds ...byte) propertySet {
	var set propertySet
	for _, k := range kinds {
		set |= 1 << k
	}
	return set
}

func (s propertySet) has(kind byte) bool { return kind < 64 && s&(1<<kind) != 0 }

// The properties that a client may send with each packet (MQTT 5.0, 2.2.2.2).
//
//nolint:gochecknoglobals // constants of the protocol
var (
	userProperties = setOf(packets.PropUser)
	ackProperties  = setOf(packets.PropUser, packets.PropReasonString)
	connectProps   = setOf(packets.PropSessionExpiryInterval, packets.PropAuthenticationMethod, packets.PropAuthenticationData,
		packets.PropRequestProblemInfo, packets.PropRequestResponseInfo, packets.PropReceiveMaximum,
		packets.PropTopicAliasMaximum, packets.PropUser, packets.PropMaximumPacketSize)
	willProps = setOf(packets.PropWillDelayInterval, packets.PropPayloadFormat, packets.PropMessageExpiryInterval,
		packets.PropContentType, packets.PropResponseTopic, packets.PropCorrelationData, packets.PropUser)
	publishProps = setOf(packets.PropPayloadFormat, packets.PropMessageExpiryInterval, packets.PropContentType,
		packets.PropResponseTopic, packets.PropCorrelationData, packets.PropUser,
		packets.PropTopicAlias, packets.PropSubscriptionIdentifier)
	subscribeProps  = setOf(packets.PropSubscriptionIdentifier, packets.PropUser)
	disconnectProps = setOf(packets.PropSessionExpiryInterval, packets.PropReasonString, packets.PropUser)
)

// takeProperties splits off a packet's properties, with their length in front.
func takeProperties(b []byte) (block, rest []byte, err error) {
	n, b, ok := takeLength(b)
	if !ok || n > len(b) {
		return nil, nil, malformed("the properties are cut off")
	}
	return b[:n], b[n:], nil
}

// eachProperty reads a block of properties: each is one that the packet may have
// and, but for the user's, comes once. visit sees them in order; its error is
// returned.
func eachProperty(block []byte, allowed propertySet, visit func(property) error) error {
	var seen propertySet
	for len(block) > 0 {
		p, rest, ok := takeProperty(block)
		if !ok || !allowed.has(p.kind) {
			return malformed("the properties are malformed")
		}
		if seen.has(p.kind) && p.kind != packets.PropUser {
			return violation{protocolError, "a property comes twice"}
		}
		seen |= 1 << p.kind
		p.raw = block[:len(block)-len(rest)]
		block = rest
		if err := p.check(); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeProperty reads the next property, of those that a client may send.
func takeProperty(b []byte) (p property, rest []byte, ok bool) {
	p.kind, b = b[0], b[1:]
	switch p.kind {
	case packets.PropPayloadFormat, packets.PropRequestProblemInfo, packets.PropRequestResponseInfo:
		if len(b) < 1 {
			return p, nil, false
		}
		p.number = uint32(b[0])
		return p, b[1:], true
	case packets.PropReceiveMaximum, packets.PropTopicAliasMaximum, packets.PropTopicAlias:
		if len(b) < 2 {
			return p, nil, false
		}
		p.number = uint32(binary.BigEndian.Uint16(b))
		return p, b[2:], true
	case packets.PropMessageExpiryInterval, packets.PropSessionExpiryInterval, packets.PropWillDelayInterval, packets.PropMaximumPacketSize:
		if len(b) < 4 {
			return p, nil, false
		}
		p.number = binary.BigEndian.Uint32(b)
		return p, b[4:], true
	case packets.PropSubscriptionIdentifier:
		n, rest, ok := takeLength(b)
		p.number = uint32(n) //nolint:gosec // of at most 28 bits
		return p, rest, ok
	case packets.PropCorrelationData, packets.PropAuthenticationData:
		p.text, rest, ok = takeBytes(b)
		return p, rest, ok
	case packets.PropContentType, packets.PropResponseTopic, packets.PropAuthenticationMethod, packets.PropReasonString:
		p.text, rest, ok = takeText(b)
		return p, rest, ok
	case packets.PropUser:
		if p.text, rest, ok = takeText(b); ok {
			_, rest, ok = takeText(rest)
		}
		return p, rest, ok
	default:
		return p, nil, false
	}
}

// check looks at the values that are breaches by themselves.
func (p property) check() error {
	switch p.kind {
	case packets.PropPayloadFormat, packets.PropRequestProblemInfo, packets.PropRequestResponseInfo:
		if p.number > 1 {
			return violation{protocolError, "a property that is 0 or 1 has another value"}
		}
	case packets.PropReceiveMaximum, packets.PropMaximumPacketSize, packets.PropSubscriptionIdentifier:
		if p.number == 0 {
			return violation{protocolError, "a property that is not 0 is 0"}
		}
	case packets.PropResponseTopic:
		if len(p.text) == 0 || hasWildcard(p.text) {
			return violation{protocolError, "the response topic is none to publish to"}
		}
	}
	return nil
}
