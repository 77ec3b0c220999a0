package mqttbroker

import (
	"context"
	"time"

	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// will is what a device asked to be published when it is lost.
type will struct {
	topic   string
	payload []byte
	delay   time.Duration
}

// legacy is the will of a session that is gone.
type legacy struct {
	*will
	identity credentials.Session
	topics
	due time.Time
}

// inherit decides what becomes of the will of a session that ends (MQTT 5.0,
// 3.1.2.5): nothing after a DISCONNECT or a revocation; nor when the server stops,
// since the device is not lost then. It is published at once when it has no delay
// or the session is over, else it is kept until the delay is, or the device comes
// back. It returns what is to be published. The caller holds mu.
func (b *Broker) inherit(s *session) *legacy {
	if s.will == nil || s.revoked || b.stopping {
		return nil
	}
	left := &legacy{will: s.will, identity: s.identity, topics: s.topics}
	delay := min(s.will.delay, s.expiry)
	switch {
	case delay == 0, s.succeeded && !s.resumed:
		return left
	case !s.succeeded:
		left.due = time.Now().Add(delay)
		b.wills[s.identity.SourceID] = left
	}
	return nil
}

// publishWill hands a will over as a delivery of the device that left it, unless
// its credential opens nothing any more.
func (b *Broker) publishWill(ctx context.Context, left *legacy) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	log := b.d.Log.With("source", left.identity.SourceID)
	if holds, err := b.d.Gate.Holds(ctx, left.identity); err != nil || !holds {
		log.Debug("a will was not published", "holds", holds, "error", err)
		return
	}
	delivery := ingest.Delivery{
		SourceID: left.identity.SourceID, OwnerID: left.identity.OwnerID, Payload: left.payload, Origin: origin, Topic: left.topic, Name: left.name(left.topic),
	}
	err := b.d.Ingest.Submit(ctx, delivery, func(_ ingest.Receipt, err error) {
		if err != nil && !refused(err) {
			log.Warn("a will was not stored", "error", err)
		}
	})
	if err != nil {
		log.Warn("a will was not stored", "error", err)
	}
}
