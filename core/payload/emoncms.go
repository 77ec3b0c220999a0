package payload

import (
	"strconv"
	"time"
)

// isBulk recognises the first row of an emoncms bulk: [offset, node, values...].
func (n *normaliser) isBulk() bool {
	d := &n.doc
	if len(d.leaves) < 3 || d.name(&d.leaves[0]) != "0" || d.leaves[0].kind != Number || d.name(&d.leaves[1]) != "1" {
		return false
	}
	return d.leaves[1].kind == Number || d.leaves[1].kind == String
}

// bulk reads the rows. Offsets are seconds, the last row's is now; those that are
// no offsets are unix times.
func (n *normaliser) bulk() error {
	n.scan.Open()
	last := 0.0
	for i := 0; n.scan.More(); i++ {
		if i == MaxSamples {
			return &TooManyError{Max: MaxSamples}
		}
		n.load(&n.scan)
		if n.scan.err != nil {
			return nil //nolint:nilerr // Normalise returns it from End
		}
		n.bulkRow(i, &last)
	}
	for i := range n.res.Samples {
		s := &n.res.Samples[i]
		if !s.Timed && s.TimeFrom != "" {
			ahead := time.Duration(last*1000)*time.Millisecond - time.Duration(s.Milli)*time.Millisecond
			s.Timed = !n.o.Received.IsZero()
			s.Milli = n.o.Received.Add(-ahead).UnixMilli()
		}
	}
	n.res.Profile = "emoncms bulk"
	return nil
}

// bulkRow reads one row; its time is completed when the last offset is known.
func (n *normaliser) bulkRow(i int, last *float64) {
	offset, ok := n.doc.number("0")
	if !ok || offset > maxUnixSeconds || offset < -maxUnixSeconds || len(n.doc.leaves) < 3 {
		n.reject(i, "must be a row of a time, a node and values")
		return
	}
	rest := n.doc.leaves[2:]
	for j := range n.doc.leaves {
		n.doc.leaves[j].gone = j < 2
	}
	for j := range rest {
		l := &rest[j]
		name := n.doc.name(l)
		for k := range len(name) {
			if name[k] == '.' { // "2.power"
				l.from += int32(k) + 1
				break
			}
		}
	}
	w := n.draft(i)
	if offset >= relativeBelow {
		w.s.Milli, w.s.Timed, w.s.TimeFrom = int64(offset*1000), true, "0"
	} else {
		*last = offset
		w.s.Milli, w.s.TimeFrom = int64(offset*1000), "0"
	}
	n.finish(w, w.unwrapped())
}

func appendFloat(dst []byte, v float64) []byte { return strconv.AppendFloat(dst, v, 'g', -1, 64) }
