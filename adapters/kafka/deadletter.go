package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.DeadLetters = (*DeadLetters)(nil)

// DeadLetters puts dead letters into the topic <prefix>.telemetry.dead, as JSON
// keyed by the source. Kafka drops the oldest by time and size. A letter that is
// put twice is there twice, under one id.
type DeadLetters struct{ cluster *Cluster }

// DeadLetters returns the dead letters' topic.
func (c *Cluster) DeadLetters() *DeadLetters { return &DeadLetters{c} }

// letter is a dead letter as it stands in the topic.
type letter struct {
	ID        uuid.UUID  `json:"id"`
	SourceID  *uuid.UUID `json:"sourceId"`
	At        time.Time  `json:"at"`
	Origin    string     `json:"origin"`
	Topic     string     `json:"topic"`
	Name      string     `json:"name,omitzero"`
	SignedAt  time.Time  `json:"signedAt,omitzero"`
	Kind      string     `json:"kind,omitzero"`
	Reason    string     `json:"reason"`
	Raw       []byte     `json:"raw"` // base64
	Size      int        `json:"size,omitzero"`
	Truncated bool       `json:"truncated"`
}

// EncodeLetter is a dead letter as a record's value.
func EncodeLetter(l telemetry.DeadLetter) ([]byte, error) {
	l = l.Bounded()
	out := letter{
		ID: l.ID, At: l.At.UTC(), Origin: l.Origin, Topic: l.Topic, Name: l.Name, SignedAt: l.SignedAt, Kind: string(l.Kind), Reason: l.Reason,
		Raw: l.Raw, Size: l.Size, Truncated: l.Truncated,
	}
	if l.SourceID != uuid.Nil {
		out.SourceID = &l.SourceID
	}
	value, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding a dead letter: %w", err)
	}
	return value, nil
}

// DecodeLetter reads a record's value, as EncodeLetter made it.
func DecodeLetter(value []byte) (telemetry.DeadLetter, error) {
	var in letter
	if err := json.Unmarshal(value, &in); err != nil {
		return telemetry.DeadLetter{}, fmt.Errorf("decoding a dead letter: %w", err)
	}
	l := telemetry.DeadLetter{
		ID: in.ID, At: in.At.UTC(), Origin: in.Origin, Topic: in.Topic, Name: in.Name, SignedAt: in.SignedAt,
		Kind: telemetry.LetterKind(in.Kind), Reason: in.Reason, Raw: in.Raw, Size: in.Size, Truncated: in.Truncated,
	}
	if in.SourceID != nil {
		l.SourceID = *in.SourceID
	}
	return l.Bounded(), nil
}

// Put makes letters durable. It tries until it succeeds, ctx ends, or
// Config.DeliveryTimeout is over; then some may be there.
func (d *DeadLetters) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	left, err := messagesOf(letters)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.cluster.cfg.DeliveryTimeout)
	defer cancel()
	for failures := 0; len(left) > 0; {
		n := batchOf(left)
		err := d.send(ctx, left[:n])
		switch {
		case err == nil:
			left, failures = left[n:], 0
			continue
		case ofRecord(err):
			return fmt.Errorf("storing dead letters: %w", fault.Wrap(fault.TooLarge, err, "The dead letter is too large."))
		}
		if !pause(ctx, backoff(failures)) {
			return fmt.Errorf("storing dead letters: %w", unavailable(errors.Join(ctx.Err(), err)))
		}
		failures++
	}
	return nil
}

func messagesOf(letters []telemetry.DeadLetter) ([]message, error) {
	messages := make([]message, len(letters))
	for i, l := range letters {
		value, err := EncodeLetter(l)
		if err != nil {
			return nil, err
		}
		messages[i].value = value
		if l.SourceID != uuid.Nil {
			messages[i].key = l.SourceID[:]
		}
	}
	return messages, nil
}

// batchOf is how many messages fit into one batch.
func batchOf(messages []message) int {
	size := 0
	for n, m := range messages {
		if size += m.size(); n > 0 && size > maxBatchBytes/2 {
			return n
		}
	}
	return len(messages)
}

func (d *DeadLetters) send(ctx context.Context, messages []message) error {
	var result error
	begun := outgoing{partition: 0, messages: messages}
	d.cluster.produce(ctx, d.cluster.deadTopic(), []outgoing{begun}, func(_ int, took time.Duration, err error) {
		result = err
		size := 0
		for _, m := range messages {
			size += m.size()
		}
		d.cluster.observer.Produced(Produced{
			Topic: d.cluster.deadTopic(), Records: len(messages), Bytes: size, Took: took, Err: err,
		})
	})
	return result
}
