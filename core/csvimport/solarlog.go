package csvimport

import (
	"bytes"
	"strconv"
)

// A Solar-Log writes its minutes as statements for a browser, the newest first:
//
//	m[mi++]="27.03.11 19:40:00|14;35;6144;230|0;0;0;11522;0;0"
//
// with, for each inverter, AC power, the DC power of each string, the day's
// energy in watt-hours, the voltage of each string, and on some the temperature.

//nolint:gochecknoglobals // a constant of a type that Go has no constants for
var solarLogMark = []byte("m[mi++]=")

func isSolarLog(head []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(head), solarLogMark) }

// solarLogRow reads one statement.
func (r *records) solarLogRow(line int64, text []byte) record {
	rec := record{line: line, text: text}
	body, ok := bytes.CutPrefix(bytes.TrimSpace(text), solarLogMark)
	body = bytes.TrimRight(body, ";")
	if !ok || len(body) < 2 || body[0] != '"' || body[len(body)-1] != '"' {
		rec.problem = "it is no line of a Solar-Log's minutes"
		return rec
	}
	r.cells = r.cells[:0]
	for i, part := range bytes.Split(body[1:len(body)-1], []byte{'|'}) {
		if i == 0 {
			r.cells = append(r.cells, bytes.TrimSpace(part))
			continue
		}
		for cell := range bytes.SplitSeq(part, []byte{';'}) {
			r.cells = append(r.cells, bytes.TrimSpace(cell))
		}
	}
	rec.cells = r.cells
	return rec
}

// solarLogHeader makes headers for the statement's values, which have none.
func solarLogHeader(text []byte) []string {
	body := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), solarLogMark))
	headers := []string{"time"}
	for i, part := range bytes.Split(bytes.Trim(body, `";`), []byte{'|'}) {
		if i == 0 {
			continue
		}
		inverter := "inverter" + strconv.Itoa(i) + "."
		values := len(bytes.Split(part, []byte{';'}))
		trackers := max(0, values-2) / 2
		add := func(name string) { headers = append(headers, inverter+name) }
		add("pac_w")
		for s := range trackers {
			add("pdc" + strconv.Itoa(s+1) + "_w")
		}
		if values > 1 {
			add("day_wh")
		}
		for s := range trackers {
			add("udc" + strconv.Itoa(s+1) + "_v")
		}
		if values > 2 && values%2 == 1 {
			add("temperature_c")
		}
	}
	return headers
}
