package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// act is what a fault does.
type act string

const (
	actKill  act = "kill"  // SIGKILL, and a start after a while
	actStop  act = "stop"  // SIGSTOP, and SIGCONT after a while
	actCut   act = "cut"   // all connections reset, new ones too
	actSlow  act = "delay" // each piece is late
	actHold  act = "hold"  // nothing passes, then everything
	actHalf  act = "half-open"
	actReset act = "reset" // all connections once
)

// fault is one thing that goes wrong.
type fault struct {
	at     time.Duration // from the round's beginning
	act    act
	target string
	// length is how long it lasts; a killed server takes the time of its start beyond.
	length time.Duration
	// late is the delay of each piece.
	late time.Duration
}

func (f fault) String() string {
	text := fmt.Sprintf("%6.2fs %s %s", f.at.Seconds(), f.act, f.target)
	if f.act != actReset {
		text += fmt.Sprintf(" for %.2fs", f.length.Seconds())
	}
	if f.act == actSlow {
		text += fmt.Sprintf(" by %dms", f.late.Milliseconds())
	}
	return text
}

// targets are what faults hit.
type targets struct {
	processes, servers, links []string
}

// quiet is the beginning of a round without faults, in which devices sign in.
const quiet = time.Second

// draw draws n faults for a round of that length. Two faults never hit the same
// target at the same time; several targets may be hit together.
func draw(random *rand.Rand, on targets, length time.Duration, n int) []fault {
	free := map[string]time.Duration{}
	var plan []fault
	for tries := 0; len(plan) < n && tries < 50*n; tries++ {
		f := fault{at: quiet + time.Duration(random.Int64N(int64(length-quiet)))}
		kind := random.IntN(10)
		switch {
		case kind < 4 && len(on.processes) > 0:
			f.target = on.processes[random.IntN(len(on.processes))]
			f.act, f.length = hit(random)
		case kind < 6 && len(on.servers) > 0:
			f.target = on.servers[random.IntN(len(on.servers))]
			f.act, f.length = hit(random)
		case len(on.links) > 0:
			f.target = on.links[random.IntN(len(on.links))]
			f.act = []act{actCut, actSlow, actHold, actHalf, actReset}[random.IntN(5)]
			f.length = between(random, 200*time.Millisecond, 5*time.Second)
			f.late = between(random, 20*time.Millisecond, 400*time.Millisecond)
		default:
			continue
		}
		if f.act == actReset {
			f.length = 0
		}
		plan = append(plan, f)
	}
	slices.SortStableFunc(plan, func(a, b fault) int { return int(a.at - b.at) })
	// A target is left alone until it has had time to come back.
	return slices.DeleteFunc(plan, func(f fault) bool {
		if f.at < free[f.target] {
			return true
		}
		free[f.target] = f.at + f.length + time.Second
		return false
	})
}

// hit draws what happens to a process.
func hit(random *rand.Rand) (act, time.Duration) {
	if random.IntN(3) > 0 {
		return actKill, between(random, 0, 1500*time.Millisecond)
	}
	return actStop, between(random, 200*time.Millisecond, 7*time.Second)
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// describe is a plan on lines of their own.
func describe(plan []fault) string {
	lines := make([]string, len(plan))
	for i, f := range plan {
		lines[i] = "    " + f.String()
	}
	return strings.Join(lines, "\n")
}
