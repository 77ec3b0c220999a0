package telemetry

import (
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/payload"
)

// MaxReadings is how many readings one delivery may bring.
const MaxReadings = 10_000

// Decode reads a payload: in canonical names, one reading (an object) or a list
// of them, or, when in.Name is set, the value of that one field. What has no
// canonical name at its top level is understood as payload.Normalise does; when
// that recognises nothing either, its numbers are kept in extra.
//
// What can't be read of a reading is left out and named in the report; what
// can't be read at all is refused whole with a fault: Invalid for malformed JSON
// (with the byte, counted from 0), for an empty list and for anything that is
// neither an object nor a list; TooLarge for more than MaxReadings. A report
// without readings is no error. Two readings of a list may have one timestamp;
// they merge later, in their order.
func Decode(data []byte, in Intake) (Report, error) { return new(Decoder).Decode(data, in) }

// Decoder is Decode with the memory that it works in, for those who decode often
// and from goroutines whose stacks shall stay small. The zero value is ready; it
// serves one goroutine at a time.
type Decoder struct{ parser parser }

// Decode is the function Decode. The decoder holds on to nothing of the payload.
func (d *Decoder) Decode(data []byte, in Intake) (Report, error) {
	p := &d.parser
	p.reset(data, in)
	report, err := p.decode(data)
	p.reset(nil, Intake{})
	return report, err
}

func (p *parser) decode(data []byte) (Report, error) {
	if p.in.Name != "" && !holdsReadings(data) {
		if linesOfText(data, lastLevel(p.in.Name)) {
			if ok, err := p.foreignReadings(data); ok {
				return p.whole(err)
			}
		}
		if err := p.scalar(data); err != nil {
			return Report{}, err
		}
		return p.report, nil
	}
	kind := p.scan.Kind()
	p.overridden = payload.Overridden(data, p.options())
	var known bool
	if p.foreign, known = p.pinned(data); !known {
		p.foreign = kind != payload.Object && kind != payload.Array || !mentionsCanonical(data)
	}
	if !p.foreign {
		if report, err := p.readings(kind); !p.foreign {
			return report, err
		}
	}
	if ok, err := p.foreignReadings(data); ok {
		return p.whole(err)
	}
	overridden := p.overridden
	p.reset(data, p.in)
	p.canonical, p.overridden = true, overridden // nothing else knows it
	return p.readings(p.scan.Kind())
}

// whole is the report, or nothing beside an error.
func (p *parser) whole(err error) (Report, error) {
	if err != nil {
		return Report{}, err
	}
	return p.report, nil
}

// readings reads a reading or a list of them in canonical names. It stops with
// p.foreign set when there are none.
func (p *parser) readings(kind payload.Kind) (Report, error) {
	elements := 0
	switch kind {
	case payload.Object:
		p.reading(0)
	case payload.Array:
		p.scan.Open()
		for p.list = true; p.scan.More() && !p.foreign; elements++ {
			if elements == MaxReadings {
				return Report{}, fault.New(fault.TooLarge, "A list holds at most %d readings.", MaxReadings)
			}
			p.element(elements)
		}
	default:
		p.scan.Skip()
	}
	if p.foreign {
		return Report{}, nil
	}
	if err := p.scan.End(); err != nil {
		return Report{}, fault.New(fault.Invalid, "%s", err.Error())
	}
	switch {
	case kind != payload.Object && kind != payload.Array:
		return Report{}, fault.New(fault.Invalid, "Expected a reading (an object) or a list of readings, not %s.", kind)
	case kind == payload.Array && elements == 0:
		return Report{}, fault.New(fault.Invalid, "The list of readings is empty.")
	}
	return p.report, nil
}

// Intake says how a payload came in.
type Intake struct {
	SourceID uuid.UUID
	// ReceivedAt is now. Timestamps are bounded by it.
	ReceivedAt time.Time
	// Default is the time of a reading that has none of its own: the signed time of
	// a webhook, or ReceivedAt, which the zero time stands for.
	Default time.Time
	// Name is the rest of the topic of what was published below the source's own: a
	// scalar there is the value of the field that its last level names.
	Name string
	// Zone is the site's, for devices that tell local times without a zone. Without
	// it such a time is left out with a warning, and the reading has the default
	// time.
	Zone *time.Location
	// Meter is where a device stands that is a meter and nothing else.
	Meter payload.Meter
	// Profile is one of payload.Profiles that reads whatever comes, "" to recognise.
	Profile string
	// Overrides win over all rules, also over canonical names.
	Overrides *payload.Overrides
}

// Report is what was understood of a payload.
type Report struct {
	Readings []Reading
	// Rejected are readings of which nothing could be taken, by their index in the
	// payload.
	Rejected []Rejection
	// Harmless is set when nothing was to be read: all that was rejected is known to
	// be no reading, such as what devices publish so that Home Assistant finds them.
	Harmless bool
	// Warnings name fields that were left out of readings that were taken.
	Warnings []Warning
	// DroppedExtra counts unknown numeric fields beyond MaxExtra or with a name
	// beyond MaxExtraName.
	DroppedExtra int
	// ClockOff is by how much a time that is out of the allowed range is ahead of
	// when the payload was received, negative behind it; 0 without such a time.
	ClockOff time.Duration
	// Format is the vendor or format that was recognised, "" for canonical names and
	// for what general rules alone understood.
	Format string
	// Given says, for each reading, which rule gave which field. What is in no entry
	// came under its canonical name; it is nil where all of it did.
	Given [][]payload.Given
}

// Rejection is a reading that was refused.
type Rejection struct {
	Index  int
	Reason string
}

// Warning is a field that was left out.
type Warning struct {
	Index  int
	Field  string
	Reason string
}
