package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// printResult prints what one round or scenario came to.
func printResult(out io.Writer, r result) {
	word := "held"
	if r.broken() {
		word = "BROKEN"
	}
	fmt.Fprintf(out, "  %s: %s, seed %d, %d faults, %s: sent %d, acknowledged %d, found %d, lost %d, twice %d, unsent %d, older %d; found without an acknowledgement %d",
		word, r.name, r.seed, r.faults, r.took.Round(time.Second), r.sent, r.acked, r.found, r.lost, r.twice, r.unsent, r.older, r.extra)
	if r.forgiven > 0 {
		fmt.Fprintf(out, "; lost by Mosquitto's own kill %d", r.forgiven)
	}
	fmt.Fprintln(out)
	for _, note := range r.notes {
		fmt.Fprintln(out, "    "+note)
	}
	for _, text := range r.first {
		fmt.Fprintln(out, "    ! "+text)
	}
	for _, text := range r.wrong {
		fmt.Fprintln(out, "    ! "+text)
	}
	if r.broken() {
		fmt.Fprintf(out, "    again: go run ./test/faults %s\n", repeat(r))
	}
}

// repeat are the flags that draw a round again.
func repeat(r result) string {
	switch r.name {
	case embedded, scale, mosquitto:
		return fmt.Sprintf("--profile %s --seed %d -v --keep", r.name, r.seed)
	}
	return fmt.Sprintf("--scenario %s --seed %d -v --keep", r.name, r.seed)
}

// printTable prints all results.
func printTable(out io.Writer, results []result) {
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	columns := []string{"what", "seed", "faults", "s", "sent", "acknowledged", "found", "lost", "twice", "unsent", "older", "unacknowledged and found", "lost by Mosquitto", "promises"}
	rule := make([]string, len(columns))
	for i := range rule {
		rule[i] = "---"
	}
	line := func(cells []string) { fmt.Fprintln(table, "| "+strings.Join(cells, "\t | ")+"\t |") }
	fmt.Fprintln(out)
	line(columns)
	line(rule)
	for _, r := range results {
		word := "held"
		if r.broken() {
			word = "BROKEN"
		}
		cells := []string{r.name}
		for _, n := range []uint64{r.seed} {
			cells = append(cells, fmt.Sprint(n))
		}
		for _, n := range []int{r.faults, int(r.took.Seconds()), r.sent, r.acked, r.found, r.lost, r.twice, r.unsent, r.older, r.extra, r.forgiven} {
			cells = append(cells, fmt.Sprint(n))
		}
		line(append(cells, word))
	}
	_ = table.Flush()
}
