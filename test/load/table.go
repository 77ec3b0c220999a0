package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one line of the table: a case, or the limit of one.
type row struct {
	name string
	// limit marks what a part of the way does alone.
	limit   bool
	devices int
	// payload is bytes a publish or a body.
	payload int
	// ack says when it is sent; the QoS, where there is one, stands before it.
	ack string
	// offered is readings a second of the schedule; 0: as fast as acknowledged.
	offered int
	length  time.Duration
	counts  counts
	// checked is true where every reading was looked for.
	checked bool
	// rate is readings a second.
	rate        float64
	acks, shown *histogram
	used        []usage
	readings    int // that used is divided by
	others      float64
	note        string
}

// header names the columns.
func header() []string {
	return []string{
		"case", "devices", "bytes", "ack", "offered/s", "s", "sent", "acknowledged", "found", "lost", "twice", "rate/s",
		"to ack ms p50/p99/p99.9", "to query ms p50/p99/p99.9", "CPU s per million", "peak MB", "others' cores", "note",
	}
}

func (r row) cells() []string {
	name := r.name
	if r.limit {
		name = "- limit: " + name
	}
	offered := "flat out"
	if r.offered > 0 {
		offered = fmt.Sprint(r.offered)
	}
	found, lost, twice := "-", "-", "-"
	if r.checked {
		found, lost, twice = fmt.Sprint(r.counts.found), fmt.Sprint(r.counts.lost()), fmt.Sprint(r.counts.twice)
		if r.counts.strange > 0 {
			twice += fmt.Sprintf(" (and %d wrong)", r.counts.strange)
		}
	}
	cpu, peak := usages(r.used, r.readings)
	return []string{
		name, dash(r.devices), dash(r.payload), r.ack, offered, fmt.Sprintf("%.0f", r.length.Seconds()),
		dash(r.counts.sent), dash(r.counts.acknowledged), found, lost, twice, fmt.Sprintf("%.0f", r.rate),
		quantiles(r.acks), quantiles(r.shown), cpu, peak, fmt.Sprintf("%.1f", r.others), strings.TrimSuffix(r.note, "; "),
	}
}

// dash shows a number, and - for none.
func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func quantiles(h *histogram) string {
	if h == nil || h.count() == 0 {
		return "-"
	}
	ms := func(share float64) string {
		v := float64(h.at(share).Microseconds()) / 1000
		if v < 10 {
			return fmt.Sprintf("%.1f", v)
		}
		return fmt.Sprintf("%.0f", v)
	}
	text := ms(0.5) + "/" + ms(0.99) + "/" + ms(0.999)
	if n := h.count(); n < 1000 {
		text += fmt.Sprintf(" (of %d)", n)
	}
	return text
}

// usages shows CPU seconds per million readings and megabytes: of all, and each
// process's share.
func usages(used []usage, readings int) (cpu, peak string) {
	var cpus, peaks []string
	var sum time.Duration
	var memory int64
	for _, u := range together(used) {
		if !u.known {
			cpus, peaks = append(cpus, u.name+" ?"), append(peaks, u.name+" ?")
			continue
		}
		sum += u.cpu
		memory += u.peak
		peaks = append(peaks, fmt.Sprintf("%s %.0f", u.name, float64(u.peak)/1e6))
		if readings > 0 {
			cpus = append(cpus, fmt.Sprintf("%s %.1f", u.name, perMillion(u.cpu, readings)))
		}
	}
	peak = fmt.Sprintf("%.0f: %s", float64(memory)/1e6, strings.Join(peaks, ", "))
	if readings == 0 {
		return "-", peak
	}
	return fmt.Sprintf("%.0f: %s", perMillion(sum, readings), strings.Join(cpus, ", ")), peak
}

// together sums up the processes of one kind: those whose names differ behind a #,
// and the generators.
func together(used []usage) []usage {
	var kinds []usage
	for _, u := range used {
		u.name, _, _ = strings.Cut(u.name, "#")
		i := slices.IndexFunc(kinds, func(k usage) bool { return k.name == u.name })
		if i < 0 {
			kinds = append(kinds, u)
			continue
		}
		kinds[i].known = kinds[i].known && u.known
		kinds[i].cpu += u.cpu
		kinds[i].peak += u.peak
	}
	return kinds
}

func perMillion(d time.Duration, n int) float64 { return d.Seconds() * 1e6 / float64(n) }

// printTable writes the rows as one Markdown table with even columns.
func printTable(out io.Writer, rows []row) error {
	lines := [][]string{header()}
	for _, r := range rows {
		lines = append(lines, r.cells())
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
