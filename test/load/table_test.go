package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheTableShowsACaseAndItsLimit(t *testing.T) {
	t.Parallel()
	acks := &histogram{}
	for range 2000 {
		acks.add(5 * time.Millisecond)
	}
	all := []row{
		{
			name: "MQTT", devices: 100, payload: 300, ack: "QoS 1", offered: 5000, length: 10 * time.Second, checked: true,
			counts: counts{sent: 10, acknowledged: 9, found: 7, twice: 2, strange: 1}, rate: 4999.6, acks: acks, readings: 500_000,
			used: []usage{{name: "broker", known: true, cpu: 10 * time.Second, peak: 50e6}, {name: "kafka"}}, others: 0.25, note: "slow; ",
		},
		{name: "broker", limit: true, length: time.Second},
	}
	var out bytes.Buffer
	if err := printTable(&out, all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("got %d lines:\n%s", len(lines), out.String())
	}
	cells := func(line string) []string {
		parts := strings.Split(strings.Trim(line, "|"), "|")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return parts
	}
	want := []string{
		"MQTT", "100", "300", "QoS 1", "5000", "10", "10", "9", "7", "2", "2 (and 1 wrong)", "5000", "5.1/5.1/5.1", "-",
		"20: broker 20.0, kafka ?", "50: broker 50, kafka ?", "0.2", "slow",
	}
	if got := cells(lines[2]); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	limit := cells(lines[3])
	if limit[0] != "- limit: broker" || limit[4] != "flat out" || limit[8] != "-" || len(limit) != len(header()) {
		t.Errorf("got %q for a limit", limit)
	}
	for _, line := range lines {
		if len(line) != len(lines[0]) {
			t.Errorf("the columns are uneven:\n%s", out.String())
		}
	}
}

func TestFewTimesAreShownWithTheirNumber(t *testing.T) {
	t.Parallel()
	h := &histogram{}
	h.add(20 * time.Millisecond)
	if got, want := quantiles(h), "20/20/20 (of 1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := quantiles(&histogram{}); got != "-" {
		t.Errorf("got %q for none", got)
	}
}

func TestFlagsAreReadAndWrongOnesRefused(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	s, err := parse([]string{"--quick", "--case", "mqtt,storm", "--duration", "3s", "--devices", "5,50"}, &errs)
	if err != nil || !slices.Equal(s.cases, []string{"mqtt", "storm"}) || s.duration != 3*time.Second || s.warmup != 2*time.Second ||
		!slices.Equal(s.devices, []int{5, 50}) || s.rate != 5000 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := parse([]string{"--full"}, &errs); err != nil || s.backlog != 2_000_000 || !slices.Equal(s.cases, caseNames()) {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, args := range [][]string{{"--case", "mqt"}, {"--devices", "0"}, {"--devices", ""}, {"--rate", "-1"}, {"--duration", "0s"}, {"--unknown"}, {"more"}} {
		if _, err := parse(args, &errs); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestWhatTheSystemTellsOfAProcessIsRead(t *testing.T) {
	t.Parallel()
	k, ok := parseStat([]byte("42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 30 20 20 0 1 0 99 1 2"))
	if !ok || k.parent != 7 || k.own != 150 || k.ended != 50 {
		t.Errorf("got %+v, %v", k, ok)
	}
	for _, text := range []string{"", "1 (x) S", "1 (x) S y 3 4 5 6 7 8 9 10 11 12 13 14 15 16"} {
		if _, ok := parseStat([]byte(text)); ok {
			t.Errorf("%q was taken", text)
		}
	}
	own, shared := parseStatus("Name:\tx\nVmRSS:\t 999 kB\nRssAnon:\t   100 kB\nRssFile:\t    20 kB\nRssShmem:\t     3 kB\nThreads:\t5\n")
	if own != 100<<10 || shared != 23<<10 {
		t.Errorf("got %d and %d", own, shared)
	}
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n" +
		"   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\n"
	if got := parseListeners(table, 8080); !slices.Equal(got, []string{"4711"}) {
		t.Errorf("got %q", got)
	}
	text := "# HELP ampra_x y\nampra_x{result=\"passing\"} 3\nampra_x{result=\"ok\"} 1.5e+06\n"
	if got := parseMetric([]byte(text), `ampra_x{result="ok"}`); got != 1_500_000 {
		t.Errorf("got %d", got)
	}
}

func TestWhatChildrenUseIsTheirParents(t *testing.T) {
	t.Parallel()
	family := map[int]*kin{1: {own: 60, ended: 40, children: []int{2, 3}}, 2: {parent: 1, own: 50}, 3: {parent: 1, own: 25, children: []int{4}}, 4: {parent: 3, own: 25}}
	if got := cpuOf(family, process{pid: 1, alone: true}); got != 600*time.Millisecond {
		t.Errorf("alone: got %s", got)
	}
	for pid, want := range map[int]time.Duration{1: 2 * time.Second, 3: 500 * time.Millisecond, 9: 0, 0: 0} {
		if got := cpuOf(family, process{pid: pid}); got != want {
			t.Errorf("process %d: got %s, want %s", pid, got, want)
		}
	}
}

func TestProcessesOfOneKindAreOneInTheTable(t *testing.T) {
	t.Parallel()
	used := []usage{
		{name: "generator", known: true, cpu: time.Second, peak: 1e6},
		{name: "broker#1", known: true, cpu: 2 * time.Second, peak: 2e6},
		{name: "broker#2", known: true, cpu: 3 * time.Second, peak: 3e6},
		{name: "generator", known: true, cpu: 4 * time.Second, peak: 4e6},
	}
	cpu, peak := usages(used, 1_000_000)
	if cpu != "10: generator 5.0, broker 5.0" || peak != "10: generator 5, broker 5" {
		t.Errorf("got %q and %q", cpu, peak)
	}
}
