package telemetry

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"ampra/core/payload"
)

// lineDraft is a string or phase while it is read.
type lineDraft struct {
	known  [3]bool
	number [3]float64
}

// linePart is one quantity of a string or phase. Negative ones occur: noise at
// night, and phases that export.
type linePart struct {
	name, unit string
	max        float64
}

// lineParts are in the order of Line's fields.
//
//nolint:gochecknoglobals // a table that nobody writes to
var lineParts = [3]linePart{
	{"voltageVolts", "V", 1e6}, {"currentAmperes", "A", 1e6}, {"powerWatts", "W", maxPowerWatts},
}

// linePartNamed is the index of a part, -1 if there is none of this name.
func linePartNamed(name []byte) int {
	switch string(name) {
	case "voltageVolts":
		return 0
	case "currentAmperes":
		return 1
	case "powerWatts":
		return 2
	default:
		return -1
	}
}

// readLines reads the list of strings or phases. ok is false when there is
// nothing in it.
func (p *parser) readLines(field string) (lines []Line, ok bool) {
	if p.scan.Kind() != payload.Array {
		p.scan.Skip()
		p.warn(field, "must be a list of objects")
		return nil, false
	}
	p.scan.Open()
	count, numbers := 0, 0
	for ; p.scan.More(); count++ {
		if count >= MaxLines {
			p.scan.Skip()
			continue
		}
		numbers += p.line(&p.lines[count], field, count)
	}
	if count > MaxLines {
		p.warn(field, "must have at most "+strconv.Itoa(MaxLines)+" entries")
		return nil, false
	}
	if numbers == 0 {
		return nil, false
	}
	return p.drafted(count, numbers), true
}

// drafted makes lines of the drafts, with one array for all their numbers
// instead of an allocation each.
func (p *parser) drafted(count, numbers int) []Line {
	store := make([]float64, 0, numbers)
	lines := make([]Line, count)
	for i := range lines {
		draft, line := &p.lines[i], &lines[i]
		for part, to := range [...]**float64{&line.VoltageVolts, &line.CurrentAmperes, &line.PowerWatts} {
			if draft.known[part] {
				store = append(store, draft.number[part])
				*to = &store[len(store)-1]
			}
		}
	}
	return lines
}

// line reads one entry and returns how many numbers it has. null is an entry of
// which nothing is known.
func (p *parser) line(draft *lineDraft, field string, index int) (numbers int) {
	*draft = lineDraft{}
	switch p.scan.Kind() {
	case payload.Object:
	case payload.Null:
		p.scan.Skip()
		return 0
	default:
		p.scan.Skip()
		p.warn(field+"["+strconv.Itoa(index)+"]", "must be an object")
		return 0
	}
	p.scan.Open()
	for p.scan.More() {
		i := linePartNamed(p.scan.Name())
		if i < 0 || p.scan.Kind() == payload.Null {
			p.scan.Skip()
			continue
		}
		if draft.number[i], draft.known[i] = p.linePart(i, field, index); draft.known[i] {
			numbers++
		}
	}
	return numbers
}

func (p *parser) linePart(i int, field string, index int) (number float64, ok bool) {
	part := &lineParts[i]
	reason := notANumber
	if raw, isNumber := p.scan.Number(); isNumber {
		number, ok = payload.Float(raw)
		if ok = ok && -part.max <= number && number <= part.max; ok {
			return number, true
		}
		reason = between(-part.max, part.max, part.unit)
	}
	p.warn(field+"["+strconv.Itoa(index)+"]."+part.name, reason)
	return 0, false
}

const (
	notACode   = "must be a whole number"
	notAStatus = "must be an object with code and text, a whole number or a string"
)

// status reads an object, or a code or a text alone. It is nil when there is
// nothing in it.
func (p *parser) status() *Status {
	var s Status
	switch p.scan.Kind() {
	case payload.Number:
		s.Code = p.statusCode("status")
	case payload.String:
		s.Text = p.statusText("status")
	case payload.Object:
		p.scan.Open()
		for p.scan.More() {
			name := p.scan.Name()
			switch null := p.scan.Kind() == payload.Null; {
			case !null && string(name) == "code":
				s.Code = p.statusCode("status.code")
			case !null && string(name) == "text":
				s.Text = p.statusText("status.text")
			default:
				p.scan.Skip()
			}
		}
	default:
		p.scan.Skip()
		p.warn("status", notAStatus)
	}
	if s.Code == nil && s.Text == nil {
		return nil
	}
	return &s
}

func (p *parser) statusCode(field string) *int64 {
	raw, ok := p.scan.Number()
	if ok {
		if code, whole := payload.Int(raw); whole {
			return &code
		}
	}
	p.warn(field, notACode)
	return nil
}

func (p *parser) statusText(field string) *string {
	text, ok := p.scan.Text()
	if !ok {
		p.warn(field, "must be a string")
		return nil
	}
	if problem := statusProblem(text); problem != "" {
		p.warn(field, problem)
		return nil
	}
	kept := string(text)
	return &kept
}

// statusProblem says what is wrong with a text, "" if nothing.
func statusProblem(text []byte) string {
	switch {
	case !utf8.Valid(text):
		return "must be valid UTF-8"
	case utf8.RuneCount(text) > MaxStatus:
		return "must have at most " + strconv.Itoa(MaxStatus) + " characters"
	case bytes.IndexByte(text, 0) >= 0: // no store takes it
		return "must not hold the character U+0000"
	default:
		return ""
	}
}
