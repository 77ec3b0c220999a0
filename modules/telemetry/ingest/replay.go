package ingest

import (
	"context"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Replay takes dead letters once more, in their order, each as it came: with its
// time of receipt, its topic and its signed time, so that what can be read now is
// the same reading as it would have been then. It says for each letter what
// became of it, and waits for that until ctx ends. Nothing goes to the dead
// letters.
func (s *Service) Replay(ctx context.Context, letters []telemetry.DeadLetter) []telemetry.Replayed {
	type outcome struct {
		index int
		receipt
	}
	results := make([]telemetry.Replayed, len(letters))
	settled := make(chan outcome, len(letters)) // a late answer finds room when nobody waits any more
	open := map[int]bool{}
	for i, letter := range letters {
		in, err := s.intake(ctx, letter.SourceID, letter.Name, telemetry.Truncate(letter.At), letter.SignedAt)
		if err != nil {
			results[i].Err = err
			continue
		}
		entry, refused := understand(letter, in)
		if len(entry.Readings) == 0 {
			results[i] = refused
			continue
		}
		results[i].Err = fault.New(fault.Unavailable, "The readings could not be stored in time.")
		err = s.d.Journal.Append(ctx, entry, func(err error, errs []error) {
			r, err := settle(Receipt{}, len(entry.Readings), err, errs)
			settled <- outcome{i, receipt{r, refused, err}}
		})
		if err != nil {
			results[i].Err = asUnavailable(err)
			for rest := i + 1; rest < len(letters); rest++ {
				results[rest].Err = results[i].Err
			}
			break
		}
		open[i] = true
	}
	for len(open) > 0 {
		select {
		case o := <-settled:
			delete(open, o.index)
			results[o.index] = o.replayed()
		case <-ctx.Done():
			return results
		}
	}
	return results
}

// receipt is the journal's answer about a letter, beside what was refused before.
type receipt struct {
	Receipt
	refused telemetry.Replayed
	err     error
}

func (r receipt) replayed() telemetry.Replayed {
	switch {
	case fault.Passing(r.err):
		return telemetry.Replayed{Err: r.err}
	case len(r.Rejected) > 0:
		r.refused.Kind, r.refused.Reason = telemetry.LetterUnstorable, firstReasons(r.Rejected)
	}
	r.refused.Accepted = r.Accepted
	r.refused.Rejected += len(r.Rejected)
	return r.refused
}

// understand reads a letter: its readings, and what is refused of it.
func understand(letter telemetry.DeadLetter, in telemetry.Intake) (telemetry.Entry, telemetry.Replayed) {
	if letter.Origin == telemetry.FromJournal {
		return understandRecord(letter)
	}
	report, err := telemetry.Decode(letter.Raw, in)
	switch {
	case err != nil:
		return telemetry.Entry{}, telemetry.Replayed{Rejected: 1, Kind: kindOf(err, report), Reason: err.Error()}
	case len(report.Readings) == 0:
		return telemetry.Entry{}, telemetry.Replayed{
			Rejected: max(len(report.Rejected), 1), Kind: telemetry.LetterRefused, Reason: firstReasons(report.Rejected),
		}
	}
	refused := telemetry.Replayed{Rejected: len(report.Rejected)}
	if len(report.Rejected) > 0 {
		refused.Kind, refused.Reason = telemetry.LetterRefused, firstReasons(report.Rejected)
	}
	return telemetry.Entry{SourceID: letter.SourceID, Readings: report.Readings}, refused
}

// understandRecord reads a record of the journal, which must be of the letter's
// own source.
func understandRecord(letter telemetry.DeadLetter) (telemetry.Entry, telemetry.Replayed) {
	entry, err := telemetry.DecodeEntry(letter.Raw)
	refused := telemetry.Replayed{Rejected: 1, Kind: telemetry.LetterUndecodable}
	switch {
	case err != nil:
		refused.Reason = err.Error()
	case entry.SourceID != letter.SourceID:
		refused.Reason = "the record is of another source"
	case len(entry.Readings) == 0:
		refused.Reason = firstReasons(nil)
	default:
		return entry, telemetry.Replayed{}
	}
	return telemetry.Entry{}, refused
}

// kindOf is the kind of reason why nothing of a payload was taken.
func kindOf(err error, report telemetry.Report) telemetry.LetterKind {
	switch {
	case fault.Is(err, fault.TooLarge):
		return telemetry.LetterTooLarge
	case len(report.Rejected) > 0:
		return telemetry.LetterRefused
	default:
		return telemetry.LetterMalformed
	}
}
