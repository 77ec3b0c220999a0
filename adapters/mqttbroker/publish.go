package mqttbroker

import (
	"strings"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"

	"github.com/mochi-mqtt/server/v2/packets"
)

// owed is the answer to a publish, given in order.
type owed struct {
	id      uint16
	kind    byte // PUBACK or PUBREC
	code    byte
	settled bool
}

// onPublish takes a reading. Its answer leaves when the journal has it.
func (s *session) onPublish(h header, body []byte) error {
	p, err := parsePublish(h, body, s.version)
	if err != nil {
		return err
	}
	if s.revoked.Load() {
		return violation{administrativeAction, "the session is revoked"}
	}
	if !s.broker.d.Gate.Trusted() {
		// Cut off from the news of revocations: ask each time.
		if holds, err := s.broker.d.Gate.Holds(s.ctx, s.identity); err != nil || !holds {
			return violation{administrativeAction, "the session can't be confirmed"}
		}
	}
	topic := string(p.topic)
	if !s.owns(topic) {
		return s.refusePublish(p)
	}
	if p.qos == 2 && s.state.received(p.id) {
		// It was taken before, and its PUBREC may have been lost.
		s.answer(packets.Pubrec, p.id, success)
		return nil
	}
	if p.qos == 2 && s.state.unreleased() >= maxUnreleased {
		return violation{receiveMaximumPassed, "too many QoS 2 publishes are not released"}
	}
	answer, err := s.owe(p)
	if err != nil {
		return err
	}
	s.broker.published.Add(1)
	delivery := ingest.Delivery{SourceID: s.identity.SourceID, Payload: p.payload, Origin: "mqtt", Topic: topic, Name: s.nameIn(topic)}
	echo := s.echo(topic, p)
	err = s.broker.d.Ingest.Submit(s.ctx, delivery, func(_ ingest.Receipt, err error) {
		s.settle(answer, err)
		if err == nil {
			echo()
		}
	})
	if err != nil {
		// The journal is away: no answer, so that the device sends again.
		return violation{serverBusy, "the reading can't be stored now"}
	}
	return nil
}

// nameIn is the last level of a topic below the data topic, "" for that itself.
func (s *session) nameIn(topic string) string {
	if len(topic) <= len(s.dataTopic)+1 {
		return ""
	}
	return topic[strings.LastIndexByte(topic, '/')+1:]
}

// refusePublish answers a publish to a topic that is not the device's own. MQTT
// 3.1.1 can't be told: its connection closes.
func (s *session) refusePublish(p publish) error {
	s.broker.d.Log.Debug("a device published to a topic that is not its own", "source", s.identity.SourceID)
	if s.version < 5 || p.qos == 0 {
		return violation{notAuthorized, "the topic is not the device's own"}
	}
	kind := packets.Puback
	if p.qos == 2 {
		kind = packets.Pubrec
	}
	answer, err := s.owe(p)
	if err != nil {
		return err
	}
	answer.kind = kind
	s.resolve(answer, notAuthorized)
	return nil
}

// owe notes that a publish needs an answer, and waits for a place among those in
// flight. QoS 0 needs none.
func (s *session) owe(p publish) (*owed, error) {
	if p.qos == 0 {
		return nil, nil //nolint:nilnil // nothing is owed
	}
	kind := packets.Puback
	if p.qos == 2 {
		kind = packets.Pubrec
	}
	limit := int(s.broker.cfg.ReceiveMaximum)
	s.mu.Lock()
	if s.inFlight >= limit && s.version == 5 {
		s.mu.Unlock()
		return nil, violation{receiveMaximumPassed, "more publishes are unanswered than the receive maximum"}
	}
	for s.inFlight >= limit {
		s.mu.Unlock()
		select {
		case <-s.room:
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.inFlight++
	answer := &owed{id: p.id, kind: kind}
	s.acks = append(s.acks, answer)
	return answer, nil
}

// settle works what became of a delivery into its answer.
func (s *session) settle(answer *owed, err error) {
	switch {
	case err == nil:
		s.resolve(answer, success)
	case fault.Passing(err) || !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge):
		// Not known to be durable: no answer. The device comes back and sends again.
		go s.end(serverBusy)
	default:
		s.resolve(answer, payloadInvalid)
	}
}

// resolve fixes an answer and sends all that are next in order.
func (s *session) resolve(answer *owed, code byte) {
	if answer == nil {
		return
	}
	s.mu.Lock()
	answer.code, answer.settled = code, true
	sent := 0
	for _, a := range s.acks {
		if !a.settled {
			break
		}
		sent++
		s.out = appendAck(s.out, a.kind, a.id, a.code, s.version)
		if a.kind == packets.Pubrec && (a.code < 0x80 || s.version < 5) {
			s.state.keep(a.id) // until PUBREL
		}
		s.release()
	}
	s.acks = append(s.acks[:0], s.acks[sent:]...)
	s.flush()
	s.mu.Unlock()
}

// release frees a place among those in flight. The caller holds mu.
func (s *session) release() {
	s.inFlight--
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// answer sends an acknowledgement that waits for nothing.
func (s *session) answer(kind byte, id uint16, code byte) {
	s.mu.Lock()
	s.out = appendAck(s.out, kind, id, code, s.version)
	s.flush()
	s.mu.Unlock()
}

// flush sees to it that s.out is written, by one goroutine at a time. The caller
// holds mu.
func (s *session) flush() {
	if s.flushing || len(s.out) == 0 {
		return
	}
	s.flushing = true
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for len(s.out) > 0 {
			chunk := s.out
			s.out = nil
			s.mu.Unlock()
			err := s.write(chunk)
			s.mu.Lock()
			if err != nil {
				go s.end(success)
				break
			}
		}
		s.flushing = false
	}()
}

// onPubrel completes a QoS 2 publish.
func (s *session) onPubrel(body []byte) error {
	id, err := parseID(body)
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
