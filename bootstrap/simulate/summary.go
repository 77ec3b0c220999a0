package simulate

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Summary is what a run came to.
type Summary struct {
	Counts
	Sources int
	// Sending is how long it took until the last acknowledgement, Finding how long
	// from there until the last reading was found.
	Sending, Finding time.Duration
	// AckMedian and Ack95 are how long an acknowledgement took at the median and
	// for 95 of 100 readings.
	AckMedian, Ack95 time.Duration
	// Problems counts what passed: lost connections, requests sent again.
	Problems    int
	LastProblem error
	// Failures are sources that did not come through.
	Failures []error
	// Interrupted says that the context ended first.
	Interrupted bool
	// Notes are lines about readings that are not as they should be.
	Notes []string
}

// LastLine is "sent N, acknowledged N, found N, lost N, twice N".
func (s Summary) LastLine() string {
	return fmt.Sprintf("%s, lost %d, twice %d", s.Counts, s.Lost(), s.Twice)
}

// Err is nil only when every reading that was acknowledged was found exactly
// once with its values, nothing was found that was not sent, and, unless it was
// interrupted, every reading was acknowledged.
func (s Summary) Err() error {
	var wrongs []string
	say := func(n int, text string) {
		if n > 0 {
			wrongs = append(wrongs, fmt.Sprintf("%d %s", n, text))
		}
	}
	say(s.Lost(), "lost")
	say(s.Twice, "found twice")
	say(s.Unexpected, "found that were never sent")
	say(s.Refused, "refused")
	if missing := s.Sent - s.Acknowledged - s.Refused; !s.Interrupted {
		say(missing, "never acknowledged")
	}
	if len(wrongs) > 0 {
		return errors.New("readings: " + strings.Join(wrongs, ", "))
	}
	if len(s.Failures) > 0 {
		return fmt.Errorf("%d sources did not come through, the first: %w", len(s.Failures), s.Failures[0])
	}
	return nil
}

// write prints the summary; its last line is LastLine.
func (s Summary) write(out io.Writer) {
	rate := 0.0
	if s.Sending > 0 {
		rate = float64(s.Acknowledged) / s.Sending.Seconds()
	}
	fmt.Fprintf(out, "%d sources; sending took %s (%.0f readings/s), finding the rest %s\n",
		s.Sources, s.Sending.Round(10*time.Millisecond), rate, s.Finding.Round(10*time.Millisecond))
	if s.Acknowledged > 0 {
		fmt.Fprintf(out, "acknowledged within %s at the median, %s for 95 of 100\n", short(s.AckMedian), short(s.Ack95))
	}
	if s.Problems > 0 {
		fmt.Fprintf(out, "%d passing problems, the last: %v\n", s.Problems, s.LastProblem)
	}
	for _, note := range s.Notes {
		fmt.Fprintln(out, note)
	}
	for _, failure := range s.Failures {
		fmt.Fprintln(out, failure)
	}
	fmt.Fprintln(out, s.LastLine())
}

// short rounds a duration to what is worth reading.
func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// summary gathers what a fleet came to.
func (f *fleet) summary() Summary {
	problems, last := f.troubles()
	s := Summary{
		Counts: f.counts(), Sources: len(f.sources),
		AckMedian: f.latencies.at(0.5), Ack95: f.latencies.at(0.95),
		Problems: problems, LastProblem: last, Failures: f.failures,
	}
	for _, source := range f.sources {
		s.Notes = append(s.Notes, source.notes()...)
	}
	if len(s.Notes) > 10 {
		s.Notes = append(s.Notes[:10], "and so on")
	}
	return s
}

// notes are lines about a source's readings that are not as they should be.
func (s *Source) notes() (notes []string) {
	if text := s.wrongValues(); text != "" {
		notes = append(notes, text)
	}
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	c := s.ledger.counts
	if c.Refused > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d readings were refused, the last: %v", s.Name, c.Refused, s.ledger.refusal))
	}
	for i, m := range s.ledger.marks {
		at := time.UnixMilli(s.ledger.times[i]).UTC().Format(time.RFC3339Nano)
		if m&twice != 0 {
			return append(notes, fmt.Sprintf("%s: %d readings are shown twice, the first of %s", s.Name, c.Twice, at))
		}
		if m&acknowledged != 0 && m&seen == 0 {
			return append(notes, fmt.Sprintf("%s: %d readings are lost, the first of %s", s.Name, c.Lost(), at))
		}
	}
	return notes
}
