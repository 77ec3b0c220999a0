package mqttbroker

import (
	"context"

	"github.com/mochi-mqtt/server/v2/packets"

	health "ampra/core/device"
	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
)

// owed is the answer to a publish, given in order.
type owed struct {
	id      uint16
	kind    byte // PUBACK or PUBREC
	code    byte
	settled bool
}

// origin is what ingest is told of where deliveries come from.
const origin = "mqtt"

// onPublish takes a reading. Its answer leaves when the journal has it.
func (s *session) onPublish(h header, body []byte) error {
	p, err := parsePublish(h, body, s.version)
	if err != nil {
		return err
	}
	if err := s.allowed(); err != nil {
		return err
	}
	topic, own := s.own(p.topic)
	if !own {
		s.broker.counts[p.qos][countForeign].Add(1)
		if foreign := s.broker.d.Foreign; foreign != nil {
			foreign(s.ctx, s.identity.SourceID, health.Shortened(string(p.topic)))
		}
	}
	if !own && (s.version < 5 || p.qos == 0) { // MQTT 3.1.1 can't be told: its connection closes
		return violation{notAuthorized, "the topic is not the device's own"}
	}
	number, err := s.owe(p)
	if err != nil {
		return err
	}
	if !own {
		s.resolve(number, notAuthorized)
		return nil
	}
	if p.qos == 2 {
		fate, err := s.state.receive(p.id, waiter{s, number})
		switch {
		case err != nil:
			return err
		case fate == taken:
			s.resolve(number, success)
			return nil
		case fate == pending: // its answer comes with that of the first
			return nil
		}
	}
	return s.submit(p, topic, number)
}

// allowed refuses a publish of a session that can't be believed.
func (s *session) allowed() error {
	if s.ctx.Err() != nil {
		return errOver
	}
	if s.broker.d.Gate.Trusted() {
		return nil
	}
	// Cut off from the news of revocations: ask each time.
	ctx, cancel := context.WithTimeout(s.ctx, confirmTime)
	defer cancel()
	if holds, err := s.broker.d.Gate.Holds(ctx, s.identity); err != nil || !holds {
		s.broker.revoke(s)
		return errOver
	}
	return nil
}

// submit hands a reading over to ingest.
func (s *session) submit(p publish, topic string, number uint64) error {
	delivery := ingest.Delivery{SourceID: s.identity.SourceID, OwnerID: s.identity.OwnerID, Payload: p.payload, Origin: origin, Topic: topic, Name: s.name(topic), Unanswered: p.qos == 0}
	echo := s.state.echo(topic, p)
	st, id, qos, second := s.state, p.id, p.qos, p.qos == 2
	s.mu.Lock()
	s.submitting = number
	s.mu.Unlock()
	err := s.broker.d.Ingest.Submit(s.ctx, delivery, func(_ ingest.Receipt, err error) {
		s.broker.count(qos, err)
		if second {
			st.conclude(id, err)
		} else {
			s.settle(number, err)
		}
		if err == nil && echo != nil {
			st.deliver(*echo)
		}
	})
	s.mu.Lock()
	s.submitting = 0
	s.mu.Unlock()
	if err == nil {
		s.broker.published.Add(1)
		return nil
	}
	s.broker.count(qos, err)
	if second {
		st.conclude(id, err)
	} else {
		s.settle(number, err)
	}
	return nil
}

// owe notes that a publish needs an answer and returns its number. It waits for
// a place among those that are owed already. QoS 0 needs none: its number is 0.
func (s *session) owe(p publish) (number uint64, err error) {
	if p.qos == 0 {
		return 0, nil
	}
	kind := packets.Puback
	if p.qos == 2 {
		kind = packets.Pubrec
	}
	limit := int(s.broker.cfg.ReceiveMaximum)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == 5 {
		if s.open >= limit {
			return 0, violation{receiveMaximumPassed, "more publishes are unanswered than the receive maximum"}
		}
		s.open++
	}
	for len(s.acks) >= limit {
		s.wake() // what the reader has to say, too
		if err := s.waitForRoom(); err != nil {
			return 0, err
		}
	}
	s.acks = append(s.acks, owed{id: p.id, kind: kind})
	return s.firstAck + uint64(len(s.acks)) - 1, nil
}

// waitForRoom waits until an answer was given. The caller is the reader, and holds
// mu.
func (s *session) waitForRoom() error {
	if s.room == nil {
		s.room = make(chan struct{}, 1)
	}
	room := s.room
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-room:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// settle works what became of a delivery into its answer.
func (s *session) settle(number uint64, err error) {
	switch {
	case err == nil:
		s.resolve(number, success)
	case refused(err):
		s.resolve(number, payloadInvalid)
	default:
		// Not known to be durable: no answer. The device comes back and sends again.
		s.abort(violation{serverBusy, "the reading can't be stored now"})
	}
}

// refused reports whether a delivery was refused for good: it is in the dead
// letters, and sending it again would change nothing.
func refused(err error) bool { return fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) }

// resolve fixes an answer and sends all that are next in order.
func (s *session) resolve(number uint64, code byte) {
	if number == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &s.acks[number-s.firstAck]
	answer.code, answer.settled = code, true
	given := 0
	for ; given < len(s.acks) && s.acks[given].settled; given++ {
		a := s.acks[given]
		s.out = appendAck(s.out, a.kind, a.id, a.code, s.version)
		if a.kind == packets.Puback || a.code >= 0x80 {
			s.closeOne()
		}
	}
	if given == 0 {
		return
	}
	s.acks = s.acks[:copy(s.acks, s.acks[given:])]
	s.firstAck += uint64(given)
	select {
	case s.room <- struct{}{}: // never without a reader that waits or waited
	default:
	}
	if number == s.submitting { // the reader is here itself
		s.due = true
		return
	}
	s.wake()
}

// onPubrel completes a QoS 2 publish.
func (s *session) onPubrel(body []byte) error {
	id, err := parseAck(body, s.version)
	if err != nil {
		return err
	}
	code := packetIDNotFound
	if s.state.release(id) {
		code = success
	}
	s.answer(packets.Pubcomp, id, code)
	return nil
}
