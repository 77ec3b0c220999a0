package payload

import (
	"math"
	"strings"
	"time"
)

// relativeBelow is the magnitude from which on a SenML time is absolute.
const relativeBelow = 1 << 28

// isSenML recognises the first record of a SenML pack (RFC 8428) in the document.
func (n *normaliser) isSenML() bool {
	d := &n.doc
	named := d.text("n") != "" || d.text("bn") != ""
	return named && (d.has("v") || d.has("vs") || d.has("vb") || d.has("vd") || d.has("s") || d.has("bv") || d.has("bt") || d.has("bu") || d.has("bver"))
}

// senBase are the fields that hold until another record changes them.
type senBase struct {
	name, unit  string
	at, value   float64
	hasBaseTime bool
}

// senRecord is a value with its resolved name, unit and time.
type senRecord struct {
	name, unit string
	kind       Kind
	text       []byte
	at         float64
	timed      bool
	index      int
}

// senML reads a pack. Records of one time are one sample.
func (n *normaliser) senML() error {
	var base senBase
	var records []senRecord
	var order []float64
	n.scan.Open()
	for i := 0; n.scan.More(); i++ {
		if i == MaxSamples {
			return &TooManyError{Max: MaxSamples}
		}
		if n.scan.Kind() != Object {
			n.scan.Skip()
			n.reject(i, "must be a SenML record")
			continue
		}
		n.load(&n.scan)
		r, ok := n.senRecord(&base)
		if !ok {
			continue
		}
		if len(records) == 0 || records[len(records)-1].at != r.at {
			order = append(order, r.at)
		}
		r.index = i
		records = append(records, r)
	}
	n.res.Profile = "senml"
	n.senSamples(records, order)
	n.res.Profile = "senml"
	return nil
}

func (n *normaliser) senRecord(base *senBase) (senRecord, bool) {
	d := &n.doc
	if bn := d.text("bn"); bn != "" {
		base.name = bn
	}
	if bu := d.text("bu"); bu != "" {
		base.unit = bu
	}
	if bt, ok := d.number("bt"); ok {
		base.at, base.hasBaseTime = bt, true
	}
	if bv, ok := d.number("bv"); ok {
		base.value = bv
	}
	r := senRecord{name: d.text("n"), unit: d.text("u"), at: base.at, timed: base.hasBaseTime}
	if r.name == "" {
		r.name = base.name[strings.LastIndexAny(base.name, ":/")+1:]
	}
	if r.unit == "" {
		r.unit = base.unit
	}
	if t, ok := d.number("t"); ok {
		r.at, r.timed = base.at+t, true
	}
	if v := d.find("v"); v != nil && v.kind == Number {
		r.kind, r.text = Number, v.text
		if base.value != 0 {
			if sum, ok := Float(v.text); ok {
				r.text = appendFloat(nil, sum+base.value)
			}
		}
		return r, true
	}
	if vs := d.find("vs"); vs != nil && vs.kind == String {
		r.kind, r.text, r.unit = String, vs.text, ""
		return r, true
	}
	return r, false
}

// senSamples makes a sample of all records of each time.
func (n *normaliser) senSamples(records []senRecord, order []float64) {
	next := make(map[float64][]int, len(order))
	for i := range records {
		next[records[i].at] = append(next[records[i].at], i)
	}
	for _, at := range order {
		own := next[at]
		if own == nil {
			continue
		}
		next[at] = nil
		n.doc.reset(n.size)
		for _, i := range own {
			r := &records[i]
			var unit []byte
			if r.unit != "" {
				unit = []byte(r.unit)
			}
			n.doc.add(r.name, r.kind, r.text, unit)
		}
		n.doc.done()
		w := n.draft(records[own[0]].index)
		if records[own[0]].timed && !w.held(ToTime, 0) {
			n.senTime(w.s, at)
		}
		n.finish(w, w.unwrapped())
	}
}

func (n *normaliser) senTime(s *Sample, at float64) {
	milli := math.Round(at * 1000)
	if math.Abs(at) < relativeBelow {
		if n.o.Received.IsZero() {
			return
		}
		milli += float64(n.o.Received.UnixMilli())
	}
	if math.Abs(milli) > float64(math.MaxInt64/int64(time.Millisecond)) {
		milli = math.Copysign(maxUnixMillis, milli)
	}
	s.Milli, s.Timed, s.TimeFrom = int64(milli), true, "t"
}
