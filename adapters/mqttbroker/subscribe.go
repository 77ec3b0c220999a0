package mqttbroker

import (
	"bytes"
	"fmt"

	"github.com/mochi-mqtt/server/v2/packets"
)

// onSubscribe grants filters within the source's own topics, up to QoS 1.
func (s *session) onSubscribe(body []byte) error {
	asked, err := parseSubscribe(body, s.version)
	if err != nil {
		return err
	}
	codes := make([]byte, len(asked.wishes))
	for i, w := range asked.wishes {
		code := noSubscriptionIDs
		if !asked.identified {
			code = s.subscribe(w)
		}
		if s.version < 5 {
			code = min(code, subscriptionFailed)
		}
		codes[i] = code
	}
	ack := packets.Packet{
		ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: asked.id, ReasonCodes: codes,
	}
	var buf bytes.Buffer
	if err := ack.SubackEncode(&buf); err != nil {
		return fmt.Errorf("encoding SUBACK: %w", err)
	}
	s.say(buf.Bytes()...)
	return nil
}

// subscribe grants one filter and returns its reason code.
func (s *session) subscribe(w wish) byte {
	switch {
	case shared(w.filter):
		return noSharedSubscriptions
	case !validFilter(w.filter):
		return filterInvalid
	case !s.mayHear(w.filter):
		return notAuthorized
	case len(w.filter) > maxFilter:
		return quotaExceeded
	}
	w.qos = min(w.qos, 1)
	if !s.state.subscribe(w.filter, w.subscription) {
		return quotaExceeded
	}
	return w.qos
}

// onUnsubscribe drops filters.
func (s *session) onUnsubscribe(body []byte) error {
	id, filters, err := parseUnsubscribe(body, s.version)
	if err != nil {
		return err
	}
	codes := make([]byte, len(filters))
	for i, filter := range filters {
		if !s.state.unsubscribe(filter) {
			codes[i] = noSubscription
		}
	}
	ack := packets.Packet{
		ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: id, ReasonCodes: codes,
	}
	var buf bytes.Buffer
	if err := ack.UnsubackEncode(&buf); err != nil {
		return fmt.Errorf("encoding UNSUBACK: %w", err)
	}
	s.say(buf.Bytes()...)
	return nil
}
