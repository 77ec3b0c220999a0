// Package payload reads what devices send. Its Scanner reads JSON (RFC 8259)
// strictly and without trees: valid UTF-8, no name twice in an object, bounded
// depth, nothing after the value, and every error with its byte. Normalise
// understands the payloads of many vendors and formats, by tables of their names
// and by general rules, and says which rule gave what. Readings, and what is
// physically possible, are not here.
package payload

import "fmt"

// MaxDepth is how deep objects and lists may stand in each other.
const MaxDepth = 32

// wideObject is the number of names from which on an object's names are kept in
// a map, so that a wide object costs no square of comparisons. Room is made for
// usualObject at first.
const wideObject, usualObject = 64, 32

// Kind is what a value is.
type Kind uint8

// The kinds. Invalid stands where there is no value: after an error.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

// String names the kind with its article, for messages.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "a string"
	case Object:
		return "an object"
	case Array:
		return "a list"
	default:
		return "no value"
	}
}

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	// Offset is the byte at fault, counted from 0. It is the text's length when
	// the text ends too early.
	Offset int
	Reason string
}

// Error is safe to show: it repeats nothing of the text.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.Offset, e.Reason)
}

// Scanner reads one JSON text forward, value by value. It keeps its first error:
// from then on Kind is Invalid, More is false, and End returns the error, so that
// a caller looks only there. It never panics, whatever the text and the order of
// the calls. What it returns as bytes is not to be changed.
//
//	s := payload.NewScanner(text)
//	if s.Open() { // an object
//		for s.More() {
//			name := s.Name()
//			... s.Number(), s.Text(), s.Skip(), or Open and More again
//		}
//	}
//	err := s.End()
type Scanner struct {
	data []byte
	at   int
	err  *SyntaxError

	depth  int
	frames [MaxDepth]frame
	// names are those of the open objects, for finding repetitions; wide those of
	// the objects that have many.
	names [][]byte
	wide  []map[string]struct{}
	// unescaped holds the names that had escapes, text the last string that had.
	unescaped, text []byte
}

// frame is one open object or list.
type frame struct {
	object bool
	begun  bool
	// wide is set once the last of Scanner.wide holds the object's names.
	wide bool
	// names is where the object's begin in Scanner.names.
	names int32
	// marks has a bit for each name that was seen; some share one.
	marks uint64
}

// NewScanner begins to read data, which must not change meanwhile.
func NewScanner(data []byte) Scanner { return Scanner{data: data} }

// Reset begins to read data instead, in the memory that the last text took. It
// holds on to nothing of that. With nil it just lets go.
func (s *Scanner) Reset(data []byte) {
	clear(s.names[:cap(s.names)])
	s.data, s.at, s.err, s.depth = data, 0, nil, 0
	s.names, s.wide, s.unescaped = s.names[:0], nil, nil // names of the last text may be in use
}

// Offset is the byte at which the scanner stands.
func (s *Scanner) Offset() int { return s.at }

// Kind tells what the next value is, without reading it.
func (s *Scanner) Kind() Kind {
	s.space()
	if s.err != nil {
		return Invalid
	}
	if s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '{':
			return Object
		case c == '[':
			return Array
		case c == '"':
			return String
		case c == '-' || isDigit(c):
			return Number
		case c == 'n':
			return Null
		case c == 't' || c == 'f':
			return Bool
		}
	}
	s.expected("a value")
	return Invalid
}

// Open steps into the next value and is true, when that is an object or a list.
// Another value is skipped.
func (s *Scanner) Open() bool {
	kind := s.Kind()
	if kind != Object && kind != Array {
		s.Skip()
		return false
	}
	if s.depth == MaxDepth {
		s.fail(s.at, "it is nested deeper than 32 levels")
		return false
	}
	s.frames[s.depth] = frame{object: kind == Object, names: int32(len(s.names))} //nolint:gosec // at most MaxDepth times wideObject
	s.depth++
	s.at++
	return true
}

// More reports whether the open object or list has another member. When it has
// none, it steps out.
func (s *Scanner) More() bool {
	if s.err != nil || s.depth == 0 {
		return false
	}
	f := &s.frames[s.depth-1]
	s.space()
	next := byte(0)
	if s.at < len(s.data) {
		next = s.data[s.at]
	}
	switch {
	case next == '}' && f.object, next == ']' && !f.object:
		s.at++
		s.depth--
		s.names = s.names[:f.names]
		if f.wide {
			s.wide = s.wide[:len(s.wide)-1]
		}
		return false
	case !f.begun:
		f.begun = true
		return true
	case next == ',':
		s.at++
		return true
	case f.object:
		s.expected("',' or '}'")
	default:
		s.expected("',' or ']'")
	}
	return false
}

// Name reads the name of a member of an object, and the colon. The bytes stay as
// they are as long as the text does. It is nil after an error.
func (s *Scanner) Name() []byte {
	s.space()
	begin := s.at
	raw, escaped, ok := s.quoted("a name in double quotes")
	if !ok {
		return nil
	}
	name := raw
	if escaped {
		from := len(s.unescaped)
		s.unescaped = appendUnescaped(s.unescaped, raw)
		name = s.unescaped[from:len(s.unescaped):len(s.unescaped)]
	}
	if s.depth > 0 && !s.frames[s.depth-1].add(s, name) {
		s.fail(begin, "the name stands twice in its object")
		return nil
	}
	s.space()
	if s.at == len(s.data) || s.data[s.at] != ':' {
		s.expected("':'")
		return nil
	}
	s.at++
	return name
}

// add notes a name and reports whether it is new.
func (f *frame) add(s *Scanner, name []byte) bool {
	if f.wide {
		known := s.wide[len(s.wide)-1]
		if _, ok := known[string(name)]; ok {
			return false
		}
		known[string(name)] = struct{}{}
		return true
	}
	if s.names == nil {
		s.names = make([][]byte, 0, usualObject)
	}
	own := s.names[f.names:]
	mark := markOf(name)
	if f.marks&mark != 0 {
		for _, other := range own {
			if string(other) == string(name) {
				return false
			}
		}
	}
	f.marks |= mark
	if len(own) < wideObject {
		s.names = append(s.names, name)
		return true
	}
	known := make(map[string]struct{}, 2*wideObject)
	for _, other := range own {
		known[string(other)] = struct{}{}
	}
	known[string(name)] = struct{}{}
	s.wide, f.wide = append(s.wide, known), true
	s.names = s.names[:f.names]
	return true
}

// markOf is one of 64 bits that stands for a name: most names of an object have
// one of their own, and need not be compared.
func markOf(name []byte) uint64 {
	n := len(name)
	if n == 0 {
		return 1
	}
	mixed := uint32(n) + 7*uint32(name[0]) + 31*uint32(name[n/2]) + 11*uint32(name[n-1]) //nolint:gosec // any value will do
	return 1 << (mixed & 63)
}

// Skip reads the next value, whatever it is, as strictly as all others.
func (s *Scanner) Skip() {
	switch s.Kind() {
	case Null:
		s.word("null")
	case Bool:
		s.Bool()
	case Number:
		s.Number()
	case String:
		s.quoted("a string")
	case Object, Array:
		if !s.Open() {
			return
		}
		object := s.frames[s.depth-1].object
		for s.More() {
			if object {
				s.Name()
			}
			s.Skip()
		}
	default: // the error is noted
	}
}

// End makes sure that nothing follows and returns the first error: a
// *SyntaxError, or nil when the whole text was JSON.
func (s *Scanner) End() error {
	s.space()
	if s.err == nil && s.depth > 0 {
		s.expected("the rest of the value")
	}
	if s.err == nil && s.at < len(s.data) {
		s.fail(s.at, "expected the end")
	}
	if s.err == nil {
		return nil // not the nil pointer, which would be an error
	}
	return s.err
}

// space steps over white space.
func (s *Scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// expected notes that something else stands here.
func (s *Scanner) expected(what string) {
	if s.at >= len(s.data) {
		s.fail(len(s.data), "expected "+what+", but it ends here")
		return
	}
	s.fail(s.at, "expected "+what)
}

// fail keeps the first error.
func (s *Scanner) fail(at int, reason string) {
	if s.err == nil {
		s.err = &SyntaxError{Offset: at, Reason: reason}
	}
}
