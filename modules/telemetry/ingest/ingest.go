// Package ingest takes what devices send, understands it, and hands it to the
// journal. Who sends is settled before: a delivery comes from its source.
package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Deps are the ports that ingest stands on.
type Deps struct {
	Journal     telemetry.Journal
	DeadLetters telemetry.DeadLetters
	Clock       clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
	// Limits bound what a source and a user may send, Queue says whose turn it is;
	// nil: there are none.
	Limits *Limits
	Queue  *Queue
	// Owners is asked for the user of deliveries that do not name theirs; nil:
	// nobody is.
	Owners Owners
	// Gather holds values that come on topics of their own until they are a reading;
	// nil: each is a reading. See Service.Gathering.
	Gather *Gatherer
	// Sites is asked how sources are understood, Notes hear of how they were; nil:
	// nothing was decided, nobody listens.
	Sites Sites
	Notes Notes
}

// Owners tells whose a source is.
type Owners interface {
	// Owner is the user of a source; an error says that it can't be told now.
	Owner(ctx context.Context, source uuid.UUID) (uuid.UUID, error)
}

// Service takes deliveries.
type Service struct {
	d        Deps
	decoders decoders
}

// New returns the use case on its ports.
func New(d Deps) *Service { return &Service{d: d} }

// Delivery is a payload of a source that was let in.
type Delivery struct {
	SourceID uuid.UUID
	// OwnerID is the source's user, Nil where the sender does not know.
	OwnerID uuid.UUID
	Payload []byte
	// SignedAt is the time that a signature vouches for; zero without one.
	SignedAt time.Time
	// Origin is "mqtt" or "webhook", Topic the MQTT topic or the URL's path.
	Origin string
	Topic  string
	// Name is the rest of a topic below ".../data": a payload there that is no object
	// or list is one value, which the last levels name.
	Name string
	// Unanswered is set when the sender wants no answer (QoS 0).
	Unanswered bool
}

// Receipt is what became of a delivery.
type Receipt struct {
	// Accepted is how many readings are durable.
	Accepted int
	Rejected []telemetry.Rejection
	// Harmless is set when what was rejected is known to be no reading: it is no fault
	// of the device's.
	Harmless bool
	Warnings []telemetry.Warning
	// DroppedExtra counts unknown fields beyond the bound.
	DroppedExtra int
	// ClockOff is by how much a time in it that was refused is ahead of now, negative
	// behind it.
	ClockOff time.Duration
}

// Submit understands a delivery and queues its readings. When it returns nil,
// done is called once: with a nil error when every reading that was not rejected
// is durable; with Invalid when nothing of the payload could be read (it is in
// the dead letters then); with Unavailable when it is not known to be durable
// and should be sent again. When Submit itself returns an error (Unavailable, or
// ctx's), done is not called. It waits for its source's turn, and while the
// journal's queue is full. It counts against the source's limits and does not
// wait for them: see Limits.Wait.
// The payload is not used any more when Submit returns.
func (s *Service) Submit(ctx context.Context, d Delivery, done func(Receipt, error)) error {
	now := telemetry.Truncate(s.d.Clock.Now())
	in, err := s.intake(ctx, d.SourceID, d.Name, now, d.SignedAt)
	if err != nil {
		return err
	}
	if s.gathers(d, in) {
		s.known(ctx, &d)
		s.d.Limits.Charge(d.SourceID, d.OwnerID, 1, len(d.Payload))
		return s.submitValue(ctx, d, now, done)
	}
	report, err := s.decoders.decode(d.Payload, in)
	receipt := Receipt{Rejected: report.Rejected, Warnings: report.Warnings, DroppedExtra: report.DroppedExtra, ClockOff: report.ClockOff}
	s.known(ctx, &d)
	s.d.Limits.Charge(d.SourceID, d.OwnerID, max(1, len(report.Readings)+len(report.Rejected)), len(d.Payload))
	if err == nil && report.Harmless {
		receipt.Harmless = true
		done(receipt, nil)
		return nil
	}
	if err == nil && len(report.Readings) == 0 {
		err = fault.New(fault.Invalid, "Nothing in it can be read: %s.", firstReasons(report.Rejected))
	}
	if err != nil {
		if putErr := s.bury(ctx, d, now, kindOf(err, report), err.Error()); putErr != nil {
			return putErr
		}
		done(receipt, err)
		return nil
	}
	if len(report.Rejected) > 0 {
		if err := s.bury(ctx, d, now, telemetry.LetterRefused, firstReasons(report.Rejected)); err != nil {
			return err
		}
	}
	s.note(d.SourceID, &report)
	entry := telemetry.Entry{SourceID: d.SourceID, Readings: report.Readings}
	return s.hand(ctx, d.OwnerID, entry, len(d.Payload), func(err error, errs []error) {
		done(settle(receipt, len(entry.Readings), err, errs))
	})
}

// hand gives an entry of a user to the journal when it is its turn. It came in so
// many bytes.
func (s *Service) hand(ctx context.Context, user uuid.UUID, entry telemetry.Entry, payload int, done telemetry.Done) error {
	q := s.d.Queue
	if q == nil {
		return s.d.Journal.Append(ctx, entry, done)
	}
	source, readings := entry.SourceID, len(entry.Readings)
	if err := q.Enter(ctx, user, source, readings, payload); err != nil {
		return err
	}
	began := s.d.Clock.Now()
	err := s.d.Journal.Append(ctx, entry, func(err error, errs []error) {
		q.Leave(user, source, readings, payload, s.d.Clock.Now().Sub(began), err == nil)
		done(err, errs)
	})
	if err != nil {
		q.Leave(user, source, readings, payload, 0, false)
	}
	return err
}

// known names the user of a delivery that does not. Where it can't be told now
// the user's limit is not counted, the source's is, and in the queue each such
// source stands for itself.
func (s *Service) known(ctx context.Context, d *Delivery) {
	if d.OwnerID != uuid.Nil || s.d.Owners == nil {
		return
	}
	if owner, err := s.d.Owners.Owner(ctx, d.SourceID); err == nil {
		d.OwnerID = owner
	}
}

// intakeOf says how a payload came in.
func intakeOf(source uuid.UUID, name string, received, signed time.Time) telemetry.Intake {
	intake := telemetry.Intake{SourceID: source, ReceivedAt: received, Default: received, Name: name}
	if !signed.IsZero() {
		intake.Default = telemetry.Truncate(signed)
	}
	return intake
}

// Accept is Submit for callers that wait: it returns when the fate is known. A
// source that is over its limits is TooMany, with the time after which it is not.
func (s *Service) Accept(ctx context.Context, d Delivery) (Receipt, error) {
	s.known(ctx, &d)
	if wait := s.d.Limits.Refuse(d.SourceID, d.OwnerID); wait > 0 {
		return Receipt{}, s.tooMuch(d, wait)
	}
	type outcome struct {
		receipt Receipt
		err     error
	}
	settled := make(chan outcome, 1)
	if err := s.Submit(ctx, d, func(r Receipt, err error) { settled <- outcome{r, err} }); err != nil {
		return Receipt{}, err
	}
	select {
	case o := <-settled:
		return o.receipt, o.err
	case <-ctx.Done():
		return Receipt{}, fault.Wrap(fault.Unavailable, ctx.Err(), "The readings could not be stored in time. Send them again.")
	}
}

// tooMuch says which limit it is.
func (s *Service) tooMuch(d Delivery, wait time.Duration) error {
	refused := fault.Retry(fault.TooMany, wait, "This source, or all of its owner's together, sends more than it may. Wait as long as Retry-After says.")
	if excess := s.d.Limits.Excess(d.SourceID, d.OwnerID); excess != nil {
		refused.Message, refused.Cause = excess.message(), excess
	}
	return refused
}

// bury puts a payload that could not be read, or not wholly, into the dead
// letters.
func (s *Service) bury(ctx context.Context, d Delivery, now time.Time, kind telemetry.LetterKind, reason string) error {
	letter := telemetry.DeadLetter{
		SourceID: d.SourceID, At: now, Origin: d.Origin, Topic: d.Topic, Name: d.Name, SignedAt: d.SignedAt, Kind: kind, Reason: reason,
		Raw:  bytes.Clone(d.Payload[:min(len(d.Payload), telemetry.MaxRaw)]), // the caller's buffer is its own again
		Size: len(d.Payload), Truncated: len(d.Payload) > telemetry.MaxRaw,
	}
	if letter.ID = letter.Identity(); letter.SignedAt.IsZero() {
		// Nothing tells whether it is the same delivery once more or the next one.
		id, err := uuid.NewRandomFromReader(s.d.Random)
		if err != nil {
			return fmt.Errorf("drawing an id: %w", err)
		}
		letter.ID = id
	}
	return s.d.DeadLetters.Put(ctx, letter)
}

// settle works the journal's answer into the receipt. A reading that the journal
// refused for good is rejected under its index in the payload; anything passing
// means that the whole is to be sent again.
func settle(receipt Receipt, count int, err error, errs []error) (Receipt, error) {
	if err == nil {
		receipt.Accepted = count
		return receipt, nil
	}
	if errs == nil || fault.Passing(err) {
		return receipt, asUnavailable(err)
	}
	rejected := map[int]bool{}
	for _, r := range receipt.Rejected {
		rejected[r.Index] = true
	}
	index := 0
	for _, err := range errs {
		for rejected[index] {
			index++
		}
		switch {
		case err == nil:
			receipt.Accepted++
		case fault.Passing(err):
			return receipt, asUnavailable(err)
		default:
			receipt.Rejected = append(receipt.Rejected, telemetry.Rejection{Index: index, Reason: "it can't be stored"})
		}
		index++
	}
	if receipt.Accepted == 0 {
		return receipt, fault.Wrap(fault.Invalid, err, "Nothing in it can be stored.")
	}
	return receipt, nil
}

func asUnavailable(err error) error {
	if fault.Passing(err) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The readings could not be stored. Send them again.")
}

// shown is how many rejections a reason spells out.
const shown = 3

func firstReasons(rejected []telemetry.Rejection) string {
	if len(rejected) == 0 {
		return "no reading"
	}
	text := ""
	for i, r := range rejected {
		if i == shown {
			return text + fmt.Sprintf("; and %d more", len(rejected)-shown)
		}
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("reading %d: %s", r.Index, r.Reason)
	}
	return text
}
