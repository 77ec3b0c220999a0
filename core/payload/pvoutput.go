package payload

import (
	"bytes"
	"net/url"
	"strconv"
)

// pvOutput reads the form of PVOutput's addstatus, one status or a batch, whose
// time is the system's local one. It is false, and nothing is read, when the
// text is no such form.
func (n *normaliser) pvOutput(text []byte) bool {
	if len(text) > 16<<10 {
		return false
	}
	if bytes.HasPrefix(text, []byte("data=")) || !bytes.Contains(text, []byte("=")) {
		return n.pvBatch(text)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil || form.Get("d") == "" || form.Get("t") == "" || form.Get("v1")+form.Get("v2")+form.Get("v3")+form.Get("v4") == "" {
		return false
	}
	n.res.Profile = "pvoutput"
	n.pvStatus(0, form)
	return true
}

// pvBatch reads d,t,v1,v2,...;d,t,v1,v2,...
func (n *normaliser) pvBatch(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("data="))
	rows := bytes.Split(text, []byte{';'})
	for i, row := range rows {
		cells := bytes.Split(row, []byte{','})
		if len(cells) < 3 || len(cells) > 14 || len(cells[0]) != 8 || len(cells[1]) != 5 || i >= 100 {
			n.res = Result{}
			return false
		}
		if _, ok := n.o.moment(append(append(append([]byte{}, cells[0]...), ' '), cells[1]...), false); !ok {
			n.res = Result{}
			return false
		}
		form := url.Values{}
		for j, name := range [...]string{"d", "t", "v1", "v2", "v3", "v4", "v5", "v6"} {
			if j < len(cells) {
				form.Set(name, string(cells[j]))
			}
		}
		n.pvStatus(i, form)
	}
	n.res.Profile = "pvoutput"
	return true
}

// pvStatus reads one status. With c1 the energies are lifetime counters, with n
// the power is the net of production and consumption.
func (n *normaliser) pvStatus(index int, form url.Values) {
	n.doc.reset(n.size)
	for i := 1; i <= 12; i++ { // for overrides: the form's own rules know the first six
		if name := "v" + strconv.Itoa(i); form.Get(name) != "" {
			n.doc.add(name, String, []byte(form.Get(name)), nil)
		}
	}
	n.doc.done()
	w := n.draft(index)
	w.p = &profile{name: "pvoutput"}
	w.time(&leaf{text: []byte(form.Get("d") + " " + form.Get("t"))}, "d, t", false)
	counter, net := form.Get("c1"), form.Get("n") == "1"
	energy, used := today, toNothing
	if counter == "1" || counter == "2" {
		energy = total
	}
	if counter == "1" || counter == "3" {
		used = loadTotal
	}
	for _, v := range [...]struct {
		name  string
		to    Target
		scale float64
	}{{"v1", energy, wh}, {"v2", acW, 1}, {"v3", used, wh}, {"v4", loadW, 1}, {"v5", toNothing, 1}, {"v6", gridV, 1}} {
		value, unit, ok := parseNumber([]byte(form.Get(v.name)))
		if l := n.doc.find(v.name); !ok || len(unit) > 0 || l != nil && l.gone {
			continue
		}
		if v.to == toNothing || net && (v.name == "v2" || v.name == "v4") {
			w.extra(v.name, value) // v5 is the air's temperature
			continue
		}
		w.put(v.to, 0, times(value, v.scale), 0)
		w.given(v.to, 0, "pvoutput", v.name, false)
	}
	n.finish(w, w.bad)
}
