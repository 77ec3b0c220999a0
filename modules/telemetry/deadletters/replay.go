package deadletters

import (
	"context"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Outcome is what became of a replay.
type Outcome struct {
	// Replayed is how many letters were tried, Accepted how many readings of them
	// are durable, Rejected how many were refused still.
	Replayed, Accepted, Rejected int
	// Remaining is how many letters the source has after it.
	Remaining int
}

// replayedAtOnce bounds what a replay holds in memory.
const replayedAtOnce = 50

// Replay takes one letter once more. When all of it can be read now the letter is
// gone, else it stays with its new reason. A letter of which a part is missing is
// a Conflict. Repeated, it stores nothing new: the readings are the same ones.
// They stand at the journal's end, over what a later delivery said of their moment.
func (s *Service) Replay(ctx context.Context, who actor.Actor, source, id uuid.UUID) (Outcome, error) {
	letter, err := s.Get(ctx, who, source, id)
	if err != nil {
		return Outcome{}, err
	}
	if obstacle := letter.Obstacle(); obstacle != "" {
		return Outcome{}, fault.New(fault.Conflict, "%s", obstacle)
	}
	var all Outcome
	if err := s.replay(ctx, &all, []telemetry.DeadLetter{letter}); err != nil {
		return Outcome{}, err
	}
	return s.counted(ctx, source, all)
}

// ReplayAll takes all letters of a source once more, the oldest first. Those of
// which a part is missing are left as they are. An error may come when some are
// done already; to repeat it is safe.
func (s *Service) ReplayAll(ctx context.Context, who actor.Actor, source uuid.UUID) (Outcome, error) {
	if err := s.own(ctx, who, source); err != nil {
		return Outcome{}, err
	}
	var all Outcome
	span := telemetry.LetterSpan{SourceID: source, Order: telemetry.OldestFirst, Limit: replayedAtOnce}
	// New ones may come in as fast as they are tried: no more than a store keeps.
	for seen := 0; seen < telemetry.MaxLetters; {
		letters, err := s.d.Letters.List(ctx, span)
		if err != nil {
			return Outcome{}, err
		}
		if len(letters) == 0 {
			break
		}
		last := letters[len(letters)-1].Place()
		seen, span.After = seen+len(letters), &last
		if err := s.replay(ctx, &all, letters); err != nil {
			return Outcome{}, err
		}
	}
	return s.counted(ctx, source, all)
}

// replay takes letters once more and keeps of them what still can't be read.
func (s *Service) replay(ctx context.Context, all *Outcome, letters []telemetry.DeadLetter) error {
	whole := letters[:0:0]
	for _, letter := range letters {
		if letter.Obstacle() == "" {
			whole = append(whole, letter)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	var unknown error
	var done []uuid.UUID
	for i, r := range s.d.Ingest.Replay(ctx, whole) {
		switch {
		case r.Err != nil:
			unknown = r.Err
			continue
		case r.Reason == "":
			done = append(done, whole[i].ID)
		case r.Reason != whole[i].Reason || r.Kind != whole[i].Kind:
			if err := s.d.Letters.Amend(ctx, whole[i].SourceID, whole[i].ID, r.Kind, r.Reason); err != nil {
				return err
			}
		}
		all.Replayed++
		all.Accepted += r.Accepted
		all.Rejected += r.Rejected
	}
	if len(done) > 0 {
		if _, err := s.d.Letters.Remove(ctx, whole[0].SourceID, done...); err != nil {
			return err
		}
	}
	return unknown
}

func (s *Service) counted(ctx context.Context, source uuid.UUID, all Outcome) (Outcome, error) {
	var err error
	all.Remaining, err = s.d.Letters.Count(ctx, source)
	return all, err
}
