package payload

import (
	"bytes"
	"strconv"
	"strings"
)

// Value is what a device published on a topic of its own, for one quantity.
type Value struct {
	// Topic is the rest of the topic, its levels parted by slashes.
	Topic string
	// Payload is a number, a text, a list of such, or an object with the member
	// "value".
	Payload []byte
}

// IsValue reports whether what came on a topic of its own is one value rather
// than readings: a number, a text, nothing at all, a list of such, or an object
// whose first member is "value".
func IsValue(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 || data[0] != '{' && data[0] != '[' {
		return true
	}
	if data[0] == '[' {
		return listsValues(data)
	}
	const first = `"value"`
	return bytes.HasPrefix(bytes.TrimLeft(data[1:], " \t\r\n"), []byte(first))
}

// NormaliseTopics understands the values of one device that belong together, as
// Normalise does an object: by the vendor's profile where one of its topics is
// among them, else by the words of their names. The last levels of a topic say
// what a value is, and those before whose it is. What has no value (an empty
// payload, null, a text that is no number) is left out. The result has one sample,
// or none when nothing was told.
func NormaliseTopics(values []Value, o Options) Result { return new(Normaliser).Topics(values, o) }

func (n *normaliser) topics(values []Value) Result {
	n.doc.reset(n.size)
	for _, v := range values {
		n.value(v)
	}
	n.doc.done()
	n.res.Dropped += n.doc.dropped
	w := n.draft(0)
	var reason string
	p := n.doc.topicProfile()
	if n.o.Profile != "" {
		p = topicProfileNamed(n.o.Profile)
	}
	switch {
	case p != nil:
		n.res.Profile = p.name
		w.several = n.doc.shorten(p)
		reason = w.apply(p)
	case n.o.Profile == Canonical:
		reason = w.canonical()
	default:
		w.p = &profile{}
		w.shortenByWords()
		reason = w.general()
	}
	for i := range w.s.Extra {
		w.s.Extra[i].Name = lastLevels(w.s.Extra[i].Name)
	}
	if n.finish(w, reason); len(n.res.Samples) == 0 {
		n.res.Rejected = nil
	}
	return n.res
}

// lastLevels is as much of a topic's end as may stand in a name of extra.
func lastLevels(name string) string {
	for len(name) > usualName {
		_, rest, more := strings.Cut(name, ".")
		if !more {
			break
		}
		name = rest
	}
	return name
}

// value adds one value as a leaf under its topic.
func (n *normaliser) value(v Value) {
	topic := strings.TrimSuffix(strings.Trim(v.Topic, "/"), "/state")
	text, kind := bytes.TrimSpace(v.Payload), String
	if len(text) > 0 && text[0] == '[' {
		n.values(strings.ReplaceAll(topic, "/", "."), text)
		return
	}
	if len(text) > 0 && (text[0] == '{' || text[0] == '"') {
		s := NewScanner(text)
		if text[0] == '{' {
			s.Open()
			if !s.More() || string(s.Name()) != "value" {
				return
			}
		}
		switch s.Kind() {
		case Number:
			text, _ = s.Number()
		case String:
			text = s.kept()
		default:
			return
		}
		if s.err != nil {
			return
		}
	}
	if len(text) == 0 || len(topic) > maxPath {
		return
	}
	if decimal(text) {
		kind = Number
	}
	n.doc.add(strings.ReplaceAll(topic, "/", "."), kind, text, nil)
}

// values adds the numbers of a list, each under its place.
func (n *normaliser) values(name string, list []byte) {
	if len(name) >= maxPath || !listsValues(list) {
		return
	}
	d, s := &n.doc, NewScanner(list)
	d.prefix, d.lists = append(d.room[:0], name...), 1
	s.Open()
	for i := 0; s.More(); i++ {
		if s.Kind() != Number {
			s.Skip()
			continue
		}
		var digits [20]byte
		d.under(strconv.AppendInt(digits[:0], int64(i), 10), &s)
		d.prefix = d.prefix[:len(name)]
	}
	d.prefix, d.lists = d.room[:0], 0
}

// listsValues reports whether a text is a list of numbers, texts and the like.
func listsValues(data []byte) bool {
	s := NewScanner(data)
	n := 0
	for s.Open(); s.More(); n++ {
		if kind := s.Kind(); kind == Object || kind == Array {
			return false
		}
		s.Skip()
	}
	return n > 0 && s.End() == nil
}

// decimal reports whether a text is a number and nothing else.
func decimal(text []byte) bool {
	_, unit, ok := parseNumber(text)
	return ok && len(unit) == 0 && text[0] != '+' && bytes.IndexByte(text, ',') < 0 && bytes.IndexByte(text, '_') < 0
}

// topicProfile finds the profile that has a topic among the names, nil if none
// has.
func (d *doc) topicProfile() *profile {
	for i := range d.leaves {
		for suffix := range suffixes(d.name(&d.leaves[i])) {
			var room [usualName]byte
			text, _, _ := template(suffix, room[:0])
			if p := topicProfilesByMark[string(text)]; p != nil {
				return p
			}
		}
	}
	return nil
}

// topicProfileNamed is the profile that an owner chose, nil where it is no
// vendor's. One that has no topics is tried with the names of its payloads.
func topicProfileNamed(name string) *profile {
	if p := topicProfilesByName[name]; p != nil {
		return p
	}
	if list := profilesByName[name]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// suffixes are the ends of a name that begin behind a dot, the longest, the name
// itself, first.
func suffixes(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for rest, more := name, true; more; {
			if !yield(rest) {
				return
			}
			_, rest, more = strings.Cut(rest, ".")
		}
	}
}

// shorten takes from each name of the profile's what stands before it. It reports
// whether there are several devices: what a device alone can tell came twice. That
// keeps its whole name then.
func (d *doc) shorten(p *profile) (several bool) {
	first, found := "", false
	var singular []int
	for i := range d.leaves {
		l := &d.leaves[i]
		name := d.name(l)
		suffix, r, number, ok := p.findEnd(name)
		switch {
		case !ok:
			continue
		case r.how&alone != 0:
			one := name[:len(name)-len(suffix)]
			if r.how&device != 0 {
				one += strconv.Itoa(number)
			}
			several = several || found && one != first
			first, found = one, true
			singular = append(singular, i)
		default:
			l.from = l.to - int32(len(suffix)) //nolint:gosec // below maxPath
		}
	}
	for _, i := range singular {
		if l := &d.leaves[i]; !several {
			suffix, _, _, _ := p.findEnd(d.name(l))
			l.from = l.to - int32(len(suffix)) //nolint:gosec // below maxPath
		}
	}
	return several
}

// findEnd is find for the longest end of a topic's name that has a rule.
func (p *profile) findEnd(name string) (suffix string, r rule, number int, ok bool) {
	for suffix = range suffixes(name) {
		if r, number, ok = p.find(suffix); ok {
			return suffix, r, number, true
		}
	}
	return "", rule{}, 0, false
}

// shortenByWords takes from each name the levels before those that say what it is,
// and keeps under its whole topic what they do not tell, or tell twice: what a user
// calls the levels before means nothing. Where the last level is understood without
// its first word, that is the device's name, as users of ESPHome give them.
func (w *drafter) shortenByWords() {
	told := make(map[string]int, len(w.doc.leaves))
	for i := range w.doc.leaves {
		told[tellingEnd(w.doc.name(&w.doc.leaves[i]), w.doc.leaves[i].list)]++
	}
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		name := w.doc.name(l)
		end := tellingEnd(name, l.list)
		if end == "" || told[end] > 1 {
			w.keep(l, name)
			l.gone = true
			continue
		}
		l.from = l.to - int32(len(end)) //nolint:gosec // below maxPath
	}
}

// tellingEnd is the end of a topic's name that says what a value is, "" when none
// does.
func tellingEnd(name string, list bool) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	two := name[strings.LastIndexByte(strings.TrimSuffix(name, "."+last), '.')+1:]
	switch {
	case guessed(last, "", list).ok, isTimeName(last), last == "status", last == "state", name == "power", name == "power_w", name == "watts":
		return last
	case guessed(two, "", list).ok:
		return two
	}
	if _, behind, ok := strings.Cut(last, "_"); ok && guessed(behind, "", list).ok {
		return behind
	}
	return ""
}
