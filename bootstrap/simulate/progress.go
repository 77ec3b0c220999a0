package simulate

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	terminalPause = 500 * time.Millisecond
	linePause     = 5 * time.Second
)

// progress is the running line: on a terminal one that is written over, else a
// new one every few seconds.
type progress struct {
	out      io.Writer
	terminal bool
	open     bool // a line stands that has no end yet
	trouble  string
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// run writes the line, tells each of the counts, and says what goes wrong, until
// ctx ends.
func (p *progress) run(ctx context.Context, counts func() Counts, troubles func() (int, error), tell func(Counts)) {
	begun, last := time.Now(), time.Now()
	before := Counts{}
	for sleep(ctx, terminalPause) == nil {
		now := counts()
		if tell != nil {
			tell(now)
		}
		p.complain(troubles())
		since := time.Since(last)
		if !p.terminal && since < linePause {
			continue
		}
		// First they are sent, then found.
		rate := float64(max(now.Acknowledged-before.Acknowledged, now.Found-before.Found)) / since.Seconds()
		last, before = time.Now(), now
		p.write(fmt.Sprintf("%6s  %s  %.0f/s", time.Since(begun).Round(time.Second), now, rate))
	}
}

// complain names a passing problem once, so that nobody waits for its end without
// knowing what for.
func (p *progress) complain(_ int, problem error) {
	if problem == nil || problem.Error() == p.trouble {
		return
	}
	p.trouble = problem.Error()
	p.end()
	fmt.Fprintf(p.out, "        trying again: %v\n", problem)
}

func (p *progress) write(line string) {
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		p.open = true
		return
	}
	fmt.Fprintln(p.out, line)
}

// end finishes a line that stands open.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}

// String is the running line's words.
func (c Counts) String() string {
	return fmt.Sprintf("sent %d, acknowledged %d, found %d", c.Sent, c.Acknowledged, c.Found)
}
