package payload

import (
	"bytes"
	"strconv"
)

// leaf is a number, a text or a boolean with its flattened name.
type leaf struct {
	from, to int32 // of the name in doc.names
	// text is the number's text or the string's content.
	text []byte
	// unit stood beside the value, nil when none did.
	unit []byte
	kind Kind
	// list is set when it stands in a list, whose elements count from 0.
	list bool
	// gone leaves are part of another, or were read.
	gone bool
}

// doc is an object as the list of its leaves. Names of members in each other are
// joined by dots, list elements are named by their number from 0.
type doc struct {
	leaves  []leaf
	buf     []byte
	prefix  []byte
	names   string
	dropped int
	lists   int
	room    [maxPath]byte
}

// reset makes room for the next object, at first as much as a text of this size
// usually needs.
func (d *doc) reset(size int) {
	if d.leaves == nil {
		d.leaves, d.buf = make([]leaf, 0, max(8, min(size/14, 80))), make([]byte, 0, max(128, min(2*size, 4096)))
	}
	d.leaves, d.buf, d.prefix, d.lists = d.leaves[:0], d.buf[:0], d.room[:0], 0
}

// release lets go of the texts, and of memory that few objects need.
func (d *doc) release() {
	clear(d.leaves)
	d.names, d.dropped = "", 0
	if cap(d.leaves) > keptLeaves || cap(d.buf) > keptNames {
		d.leaves, d.buf = nil, nil
	}
}

// done fixes the names. They are strings of one array.
func (d *doc) done() { d.names = string(d.buf) }

func (d *doc) name(l *leaf) string { return d.names[l.from:l.to] }

// add notes a leaf under a name of its own.
func (d *doc) add(name string, kind Kind, text, unit []byte) {
	if len(name) > maxPath || len(d.leaves) == maxLeaves {
		d.dropped++
		return
	}
	from := len(d.buf)
	d.buf = append(d.buf, name...)
	d.leaves = append(d.leaves, leaf{from: int32(from), to: int32(len(d.buf)), kind: kind, text: text, unit: unit}) //nolint:gosec // at most maxLeaves names of maxPath
}

// value reads the next value under the present prefix.
func (d *doc) value(s *Scanner) {
	var text []byte
	kind := s.Kind()
	switch kind {
	case Object:
		d.object(s)
		return
	case Array:
		depth := len(d.prefix)
		i := 0
		d.lists++
		for s.Open(); s.More(); i++ {
			var digits [20]byte
			d.under(strconv.AppendInt(digits[:0], int64(i), 10), s)
			d.prefix = d.prefix[:depth]
		}
		d.lists--
		return
	case Number:
		text, _ = s.Number()
	case String:
		text = s.kept()
	case Bool:
		if on, _ := s.Bool(); on {
			text = []byte{'1'}
		}
	default:
		s.Skip()
		return // null is absent
	}
	if s.err != nil {
		return
	}
	if len(d.leaves) == maxLeaves || len(d.prefix) == maxPath {
		d.dropped++
		return
	}
	from := len(d.buf)
	d.buf = append(d.buf, d.prefix...)
	d.leaves = append(d.leaves, leaf{from: int32(from), to: int32(len(d.buf)), kind: kind, text: text, list: d.lists > 0}) //nolint:gosec // at most maxLeaves names of maxPath
}

// under reads a value one name deeper. A name that is too long fills the prefix,
// so that nothing under it is kept.
func (d *doc) under(name []byte, s *Scanner) {
	if len(d.prefix)+1+len(name) >= maxPath {
		d.prefix = d.room[:maxPath]
	} else {
		if len(d.prefix) > 0 {
			d.prefix = append(d.prefix, '.')
		}
		d.prefix = append(d.prefix, name...)
	}
	d.value(s)
}

func (d *doc) object(s *Scanner) {
	first, depth, members := len(d.leaves), len(d.prefix), 0
	for s.Open(); s.More(); members++ {
		name := s.Name()
		d.under(name, s)
		d.prefix = d.prefix[:depth]
	}
	if depth > 0 && members > 1 && members <= 6 {
		d.pair(first, depth)
	}
}

// pair makes one leaf of a value and its unit: {"v":1,"u":"W"} is 1 W, and what
// else stands in the object is about the value.
func (d *doc) pair(first, depth int) {
	value, unit := -1, -1
	for i := first; i < len(d.leaves); i++ {
		l := &d.leaves[i]
		begin := int(l.from) + depth + 1
		if begin > int(l.to) {
			continue
		}
		switch string(d.buf[begin:l.to]) {
		case "v", "value", "Value", "val":
			value = i
		case "u", "unit", "Unit", "units":
			unit = i
		}
	}
	if value < 0 || unit < 0 || d.leaves[unit].kind != String {
		return
	}
	pair := d.leaves[value]
	pair.to, pair.unit = pair.from+int32(depth), d.leaves[unit].text //nolint:gosec // below maxPath
	d.leaves = append(d.leaves[:first], pair)
}

// kept reads a string whose bytes stay.
func (s *Scanner) kept() []byte {
	raw, escaped, ok := s.quoted("a string")
	if !ok || !escaped {
		return raw
	}
	return appendUnescaped(make([]byte, 0, len(raw)), raw)
}

// find is the leaf of this name, nil if there is none.
func (d *doc) find(name string) *leaf {
	for i := range d.leaves {
		l := &d.leaves[i]
		if int(l.to-l.from) == len(name) && d.names[l.from:l.to] == name {
			return l
		}
	}
	return nil
}

// text is the content of a string, "" if there is none of this name.
func (d *doc) text(name string) string {
	if l := d.find(name); l != nil && l.kind == String {
		return string(bytes.TrimSpace(l.text))
	}
	return ""
}

// number is the value of a leaf of this name.
func (d *doc) number(name string) (float64, bool) {
	if l := d.find(name); l != nil && l.kind != Bool {
		v, _, ok := parseNumber(l.text)
		return v, ok
	}
	return 0, false
}

// unwrap shortens the names of all that stands under the prefix.
func (d *doc) unwrap(prefix string) {
	for i := range d.leaves {
		l := &d.leaves[i]
		if len(d.name(l)) > len(prefix) && d.name(l)[:len(prefix)] == prefix {
			l.from += int32(len(prefix)) //nolint:gosec // of a rule
		}
	}
}
