package payload

import (
	"bytes"
	"fmt"
)

// Normalise understands one payload in whatever form devices send it: JSON of a
// known vendor, recognised by the names in it; SenML, ThingsBoard, emoncms and
// other JSON by the words and units of its names; the Influx line protocol and
// PVOutput's form. An error is a *SyntaxError, when it is in no form at all, or a
// *TooManyError. What is no sample is rejected in the result.
func Normalise(data []byte, o Options) (Result, error) { return new(Normaliser).Normalise(data, o) }

// Normaliser is Normalise with the memory that it works in, for those who call it
// often. The zero value is ready; it serves one goroutine at a time. What it
// returns is valid until it is called again, but for Given and Extra, which stay.
type Normaliser struct{ n normaliser }

// Normalise is the function Normalise. Nothing of the payload is held afterwards.
func (n *Normaliser) Normalise(data []byte, o Options) (Result, error) {
	n.n.reset(o, len(data))
	result, err := n.n.read(data)
	n.n.release()
	return result, err
}

// Topics is the function NormaliseTopics.
func (n *Normaliser) Topics(values []Value, o Options) Result {
	size := 0
	for _, v := range values {
		size += len(v.Topic) + len(v.Payload)
	}
	n.n.reset(o, size)
	result := n.n.topics(values)
	n.n.release()
	return result
}

func (n *normaliser) read(data []byte) (Result, error) {
	text := bytes.Trim(data, " \t\r\n")
	if len(text) > 0 && text[0] != '{' && text[0] != '[' && text[0] != '"' {
		if n.influx(text) || n.pvOutput(text) {
			return n.res, nil
		}
	}
	n.scan.Reset(data)
	var err error
	switch n.scan.Kind() {
	case Object:
		err = n.object(data)
	case Array:
		err = n.list(data)
	default:
		n.scan.Skip()
	}
	if err != nil {
		return Result{}, err
	}
	if err := n.scan.End(); err != nil {
		return Result{}, err
	}
	return n.res, nil
}

// TooManyError says that a payload has more elements than one may have.
type TooManyError struct{ Max int }

// Error is safe to show.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("A payload holds at most %d readings.", e.Max)
}

// normaliser reads one payload.
type normaliser struct {
	o    Options
	scan Scanner
	doc  doc
	res  Result
	w    drafter
	// size is the payload's.
	size int
}

// Bounds of the memory that is kept from one payload to the next.
const (
	keptSamples = 8
	keptLeaves  = 512
	keptNames   = 16 << 10
)

// reset begins with another payload.
func (n *normaliser) reset(o Options, size int) {
	n.o, n.size, n.res, n.w = o, size, Result{Samples: n.res.Samples[:0]}, drafter{}
}

// release lets go of the payload, and of memory that few payloads need.
func (n *normaliser) release() {
	n.scan.Reset(nil)
	n.o, n.w = Options{}, drafter{}
	n.doc.release()
	if cap(n.res.Samples) > keptSamples {
		n.res = Result{}
	}
}

// load reads the next value as a document.
func (n *normaliser) load(s *Scanner) {
	n.doc.reset(n.size)
	n.doc.value(s)
	n.doc.done()
	n.res.Dropped += n.doc.dropped
	n.doc.dropped = 0
}

// begin makes room for the next sample.
func (n *normaliser) begin(index int) *Sample {
	n.res.Samples = append(n.res.Samples, Sample{Index: index})
	return &n.res.Samples[len(n.res.Samples)-1]
}

func (n *normaliser) reject(index int, reason string) {
	n.res.Rejected = append(n.res.Rejected, Problem{Index: index, Reason: reason})
}

func (n *normaliser) object(data []byte) error {
	n.load(&n.scan)
	if n.scan.err != nil {
		return nil //nolint:nilerr // Normalise returns it from End
	}
	switch {
	case n.isDiscovery():
		n.res.Profile = "home assistant"
		n.reject(0, "it is a discovery message for Home Assistant, not a reading")
		n.res.Rejected[0].Known = true
	case n.isGateway():
		return n.gateway(data)
	default:
		n.sample(0)
	}
	return nil
}

// isDiscovery recognises what devices publish so that Home Assistant finds them.
func (n *normaliser) isDiscovery() bool {
	d := &n.doc
	if d.find("state_topic") == nil && d.find("stat_t") == nil {
		return false
	}
	id := d.text("unique_id") != "" || d.text("uniq_id") != ""
	class := d.text("device_class") != "" || d.text("dev_cla") != "" || d.text("value_template") != "" || d.text("val_tpl") != "" || d.text("name") != ""
	return id || class
}

// draft begins a sample of the document.
func (n *normaliser) draft(index int) *drafter {
	n.w = drafter{doc: &n.doc, o: &n.o, res: &n.res, s: n.begin(index)}
	n.w.override()
	return &n.w
}

// sample makes a sample of the document, unless there is nothing in it.
func (n *normaliser) sample(index int) {
	w := n.draft(index)
	n.finish(w, w.read(true))
}

// read applies a profile, or the general rules.
func (w *drafter) read(wrapped bool) string {
	if w.o.Profile != "" {
		return w.pinned(wrapped)
	}
	if p := w.doc.recognise(); p != nil {
		w.res.Profile = p.name
		return w.apply(p)
	}
	if wrapped && w.thingsBoard() {
		return w.read(false)
	}
	if w.topic() {
		return w.bad
	}
	return w.general()
}

// topic reads {"value":x} by the topic on which it came.
func (w *drafter) topic() bool {
	l := w.doc.find("value")
	if l == nil || w.o.Name == "" {
		return false
	}
	p := profilesByMark["pvinverter/#/Ac/Power"][0]
	path := victronTopic(p, w.o.Name)
	if path == "" {
		return false
	}
	value := *l
	w.doc.reset(0)
	w.doc.add(path, value.kind, value.text, value.unit)
	w.doc.done()
	w.res.Profile = p.name
	w.bad = w.apply(p)
	return true
}

// finish takes back a sample that is none.
func (n *normaliser) finish(w *drafter, reason string) {
	s := w.s
	w.settleOverrides()
	if reason == "" && !s.Recognised() && len(s.Extra) == 0 {
		reason = "there is nothing in it that can be taken"
	}
	if reason == "" {
		return
	}
	index := s.Index
	n.res.Samples = n.res.Samples[:len(n.res.Samples)-1]
	n.reject(index, reason)
}

// list reads a list: a pack of one of the formats, or samples one by one.
func (n *normaliser) list(data []byte) error {
	first := NewScanner(data)
	first.Open()
	if !first.More() {
		n.scan.Skip()
		return nil
	}
	kind := first.Kind()
	n.load(&first)
	if first.err != nil {
		n.scan.Skip()
		return nil //nolint:nilerr // Normalise returns it from End
	}
	switch {
	case kind == Object && n.isSenML():
		return n.senML()
	case kind == Array && n.isBulk():
		return n.bulk()
	case kind == Object && n.isWhole():
		n.load(&n.scan)
		if n.scan.err == nil {
			n.sample(0)
		}
		return nil
	}
	n.scan.Open()
	for i := 0; n.scan.More(); i++ {
		if i == MaxSamples {
			return &TooManyError{Max: MaxSamples}
		}
		if kind := n.scan.Kind(); kind != Object {
			n.scan.Skip()
			n.reject(i, "must be an object, not "+kind.String())
			continue
		}
		n.load(&n.scan)
		if n.scan.err == nil {
			n.sample(i)
		}
	}
	return nil
}

// isWhole recognises lists whose elements together are one sample.
func (n *normaliser) isWhole() bool {
	return n.doc.has("eid") && n.doc.has("activePower") || n.doc.has("lastReportWatts") && n.doc.has("serialNumber")
}
