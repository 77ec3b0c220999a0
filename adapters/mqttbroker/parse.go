package mqttbroker

import (
	"bytes"

	"github.com/mochi-mqtt/server/v2/packets"
)

// publish is an incoming PUBLISH. Its parts point into the packet's bytes.
type publish struct {
	qos    byte
	dup    bool
	retain bool
	id     uint16
	topic  []byte
	// properties are those of MQTT 5, checked.
	properties []byte
	payload    []byte
}

// parsePublish reads a PUBLISH. version is the protocol's: 4 or 5.
func parsePublish(h header, body []byte, version byte) (publish, error) {
	p := publish{qos: h.qos(), dup: h.dup(), retain: h.retain()}
	topic, rest, ok := takeText(body)
	if !ok {
		return publish{}, malformed("the topic is malformed")
	}
	if hasWildcard(topic) {
		return publish{}, malformed("a topic to publish to has no wildcards")
	}
	p.topic = topic
	var err error
	if p.qos > 0 {
		if p.id, rest, err = takeID(rest); err != nil {
			return publish{}, err
		}
	}
	if version == 5 {
		if p.properties, rest, err = takeProperties(rest); err != nil {
			return publish{}, err
		}
		if err := checkPublishProperties(p.properties); err != nil {
			return publish{}, err
		}
	}
	if len(topic) == 0 {
		return publish{}, violation{protocolError, "the topic is empty"}
	}
	p.payload = rest
	return p, nil
}

func hasWildcard(topic []byte) bool { return bytes.ContainsAny(topic, "+#") }

// checkPublishProperties checks the properties of a PUBLISH (MQTT 5.0, 3.3.2.3):
// none of them changes what a reading says.
func checkPublishProperties(block []byte) error {
	return eachProperty(block, publishProps, func(p property) error {
		switch p.kind {
		case packets.PropTopicAlias:
			return violation{topicAliasInvalid, "topic aliases are not taken"}
		case packets.PropSubscriptionIdentifier:
			return violation{protocolError, "a client sends no subscription identifier with PUBLISH"}
		default:
			return nil
		}
	})
}

// parseAck reads the packet identifier of a PUBACK or PUBREL. What else MQTT 5
// says in them changes nothing here.
func parseAck(body []byte, version byte) (uint16, error) {
	id, rest, err := takeID(body)
	if err != nil {
		return 0, err
	}
	if version < 5 && len(rest) > 0 {
		return 0, malformed("the packet is too long")
	}
	if len(rest) < 2 { // a reason code at the most
		return id, nil
	}
	return id, lastProperties(rest[1:], ackProperties, nil)
}

// lastProperties reads the properties that end a packet.
func lastProperties(b []byte, allowed propertySet, visit func(property) error) error {
	block, rest, err := takeProperties(b)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return malformed("the packet is too long")
	}
	return eachProperty(block, allowed, visit)
}

// wish is one filter of a SUBSCRIBE.
type wish struct {
	filter string
	subscription
}

// subscribe is an incoming SUBSCRIBE.
type subscribe struct {
	id uint16
	// identified is set when it has a subscription identifier.
	identified bool
	wishes     []wish
}

// parseSubscribe reads a SUBSCRIBE. The library's decoder panics where one is cut
// off.
func parseSubscribe(body []byte, version byte) (subscribe, error) {
	id, rest, err := takeID(body)
	if err != nil {
		return subscribe{}, err
	}
	s := subscribe{id: id}
	if version == 5 {
		var block []byte
		if block, rest, err = takeProperties(rest); err != nil {
			return subscribe{}, err
		}
		err = eachProperty(block, subscribeProps, func(p property) error {
			s.identified = s.identified || p.kind == packets.PropSubscriptionIdentifier
			return nil
		})
		if err != nil {
			return subscribe{}, err
		}
	}
	if len(rest) == 0 {
		return subscribe{}, violation{protocolError, "SUBSCRIBE without a filter"}
	}
	for len(rest) > 0 {
		filter, more, ok := takeText(rest)
		if !ok || len(more) == 0 {
			return subscribe{}, malformed("a filter is malformed")
		}
		wished, err := parseOptions(more[0], version)
		if err != nil {
			return subscribe{}, err
		}
		s.wishes = append(s.wishes, wish{filter: string(filter), subscription: wished})
		rest = more[1:]
	}
	return s, nil
}

// parseOptions reads the byte behind a filter: in MQTT 3.1.1 it is the QoS.
func parseOptions(b, version byte) (subscription, error) {
	const reserved = 0xC0
	switch {
	case version < 5 && b > 2, b&reserved != 0:
		return subscription{}, malformed("a subscription's options are malformed")
	case b&3 == 3, b>>4 == 3:
		return subscription{}, violation{protocolError, "a subscription's options are none that there are"}
	}
	return subscription{qos: b & 3, noLocal: b&4 != 0, keepRetain: b&8 != 0}, nil
}

// parseUnsubscribe reads an UNSUBSCRIBE.
func parseUnsubscribe(body []byte, version byte) (id uint16, filters []string, err error) {
	id, rest, err := takeID(body)
	if err != nil {
		return 0, nil, err
	}
	if version == 5 {
		var block []byte
		if block, rest, err = takeProperties(rest); err != nil {
			return 0, nil, err
		}
		if err = eachProperty(block, userProperties, nil); err != nil {
			return 0, nil, err
		}
	}
	if len(rest) == 0 {
		return 0, nil, violation{protocolError, "UNSUBSCRIBE without a filter"}
	}
	for len(rest) > 0 {
		filter, more, ok := takeText(rest)
		if !ok {
			return 0, nil, malformed("a filter is malformed")
		}
		filters = append(filters, string(filter))
		rest = more
	}
	return id, filters, nil
}

// goodbye is an incoming DISCONNECT.
type goodbye struct {
	code byte
	// expiry, in seconds, is what the session's expiry becomes, if changed.
	expiry  uint32
	changed bool
}

// parseDisconnect reads a DISCONNECT.
func parseDisconnect(body []byte, version byte) (goodbye, error) {
	var g goodbye
	if len(body) == 0 {
		return g, nil
	}
	if version < 5 {
		return g, malformed("the packet is too long")
	}
	g.code = body[0]
	if len(body) == 1 {
		return g, nil
	}
	err := lastProperties(body[1:], disconnectProps, func(p property) error {
		if p.kind == packets.PropSessionExpiryInterval {
			g.expiry, g.changed = p.number, true
		}
		return nil
	})
	return g, err
}
