package payload

import "time"

// MaxSamples is how many elements one payload may have.
const MaxSamples = 10_000

// Limits of a sample.
const (
	maxLines  = 32   // strings or phases
	maxExtra  = 64   // names in extra
	maxLeaves = 1024 // numbers and texts that are looked at
	maxPath   = 256  // bytes of a flattened name
)

// Meter is where in the installation a bare meter stands.
type Meter uint8

// The places. Unknown takes a meter that counts both ways on three phases for
// the grid's, and one that counts one way for the source's own output, and marks
// that as assumed.
const (
	MeterUnknown Meter = iota
	MeterGrid
	MeterOutput
	MeterLoad
)

// Options say how a payload came in and what is known of the site.
type Options struct {
	// Name is the rest of the topic on which it came, "" for none.
	Name string
	// Received is now. Relative times begin there.
	Received time.Time
	// Zone is the site's. Without it a local time is not understood: the sample
	// then has no time of its own, and a warning says so.
	Zone  *time.Location
	Meter Meter
	// Profile is one of Profiles, which reads in place of the one that would be
	// recognised; "" recognises. What says itself what it is (SenML, an emoncms bulk,
	// PVOutput) is read as that.
	Profile string
	// Overrides win over all rules.
	Overrides *Overrides
}

// Line is a string or a phase: volts, amperes, watts.
type Line struct {
	Known  [parts]bool
	Number [parts]float64
}

// Status is what the device says of itself.
type Status struct {
	Code    int64
	Text    string
	HasCode bool
	HasText bool
}

// Extra is a number that no rule knew, under its flattened name.
type Extra struct {
	Name   string
	Number float64
}

// Sample is what was measured at one moment.
type Sample struct {
	// Index is the element of the payload from which it comes.
	Index int
	// Milli is its time, in unix milliseconds, if Timed.
	Milli int64
	Timed bool
	// TimeFrom is the name of the member that told the time.
	TimeFrom string
	// Clocked is set when a member was there that should tell the time, also when it
	// could not be read.
	Clocked bool
	// Replayed is set for what the device had stored and sends late.
	Replayed bool

	known  uint32
	number [NumFields]float64

	Strings, Phases []Line
	Status          Status
	Extra           []Extra
	Given           []Given
}

// Get returns a field and whether it is known.
func (s *Sample) Get(f Field) (float64, bool) { return s.number[f], s.known&(1<<f) != 0 }

// Recognised reports whether a rule gave anything but a time.
func (s *Sample) Recognised() bool {
	return s.known != 0 || len(s.Strings)+len(s.Phases) > 0 || s.Status.HasCode || s.Status.HasText
}

// Problem is what was refused or left out.
type Problem struct {
	// Index is the element of the payload.
	Index int
	// Field is the name in the payload, "" for the whole element.
	Field  string
	Reason string
	// Known is set for an element of which it is known what it is, and that it tells
	// nothing of what was measured: nobody has to look into it.
	Known bool
}

// Result is what was understood of a payload.
type Result struct {
	// Profile is the vendor's or format's name, "" when general rules alone read it.
	Profile string
	Samples []Sample
	// Rejected are elements that are no samples, Warnings members left out.
	Rejected, Warnings []Problem
	// Dropped counts what is beyond the limits.
	Dropped int
}

// Clocked reports whether a sample has a member for its time.
func (r *Result) Clocked() bool {
	for i := range r.Samples {
		if r.Samples[i].Clocked {
			return true
		}
	}
	return false
}

// Recognised reports whether anything was understood: a format, or one member at
// least by a rule.
func (r *Result) Recognised() bool {
	if r.Profile != "" {
		return true
	}
	for i := range r.Samples {
		if r.Samples[i].Recognised() {
			return true
		}
	}
	return false
}
