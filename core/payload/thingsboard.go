package payload

import "strings"

// thingsBoard recognises {"ts": milliseconds, "values": {...}} and takes the
// wrapping off.
func (w *drafter) thingsBoard() bool {
	if !w.doc.has("values.") {
		return false
	}
	for i := range w.doc.leaves {
		if name := w.doc.name(&w.doc.leaves[i]); name != "ts" && !strings.HasPrefix(name, "values.") {
			return false
		}
	}
	if at := w.doc.find("ts"); at != nil {
		w.time(at, "ts", false)
		at.gone = true
	}
	w.doc.unwrap("values.")
	w.res.Profile = "thingsboard"
	return true
}

// isGateway recognises {"device": [{"ts":..., "values": {...}}, ...], ...}.
func (n *normaliser) isGateway() bool {
	if len(n.doc.leaves) == 0 {
		return false
	}
	for i := range n.doc.leaves {
		name := n.doc.name(&n.doc.leaves[i])
		if !strings.Contains(name, ".values.") && !strings.HasSuffix(name, ".ts") {
			return false
		}
		if !n.doc.leaves[i].list {
			return false
		}
	}
	return strings.Contains(n.doc.names, ".0.values.")
}

// gateway reads the samples of all devices of a gateway. Several devices are not
// one source: none of them is taken for it, and their numbers stay in extra
// under the device's name.
func (n *normaliser) gateway(data []byte) error {
	devices := NewScanner(data)
	several := 0
	for devices.Open(); devices.More(); several++ {
		devices.Name()
		devices.Skip()
	}
	if several > 1 {
		n.res.Warnings = append(n.res.Warnings, Problem{Field: "devices", Reason: "several are in one message: their values are kept in extra"})
	}
	s := NewScanner(data)
	i := 0
	for s.Open(); s.More(); {
		device := string(s.Name())
		if s.Kind() != Array {
			s.Skip()
			continue
		}
		for s.Open(); s.More(); i++ {
			if i == MaxSamples {
				return &TooManyError{Max: MaxSamples}
			}
			n.load(&s)
			if several > 1 {
				n.apart(i, device)
			} else {
				n.sample(i)
			}
		}
	}
	n.res.Profile = "thingsboard gateway"
	return nil
}

// apart keeps the numbers of one device of several.
func (n *normaliser) apart(index int, device string) {
	w := n.draft(index)
	w.p = &profile{}
	w.thingsBoard()
	for i := range n.doc.leaves {
		if l := &n.doc.leaves[i]; !l.gone {
			w.keep(l, device+"."+n.doc.name(l))
		}
	}
	n.finish(w, w.bad)
}
