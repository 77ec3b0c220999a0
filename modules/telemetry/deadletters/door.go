package deadletters

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/telemetry"
)

// What one source may send to the dead letters: at once, twice what is kept of
// it, and this many letters a second from then on. A large one counts as several.
const (
	doorBurst   = 2 * telemetry.MaxLetters
	doorRate    = 20
	letterBytes = telemetry.MaxLetterBytes / telemetry.MaxLetters
	doorSources = 10_000
)

// DoorDeps are what a door stands on.
type DoorDeps struct {
	Next  telemetry.DeadLetters
	Clock clock.Clock
	// Lost is told of a letter that is refused for good.
	Lost func(letter telemetry.DeadLetter, err error)
}

// Door is the way in for what devices send. It lets a device that floods it keep
// a sample only, and a letter that is refused for good never holds up the device
// that sent it, nor others: it is counted. What the journal can't read does not
// pass here: nothing of that may be lost.
type Door struct {
	d DoorDeps

	mu      sync.Mutex
	sources map[uuid.UUID]allowance

	dropped, refused atomic.Int64
}

// allowance is what a source had left at a time.
type allowance struct {
	left float64
	at   time.Time
}

// NewDoor returns a door.
func NewDoor(d DoorDeps) *Door { return &Door{d: d, sources: map[uuid.UUID]allowance{}} }

// Dropped counts the letters that came too fast to be kept.
func (d *Door) Dropped() int64 { return d.dropped.Load() }

// Refused counts the letters that were refused for good.
func (d *Door) Refused() int64 { return d.refused.Load() }

// Put makes letters durable; an error is a passing one, or ctx's.
func (d *Door) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	let := letters[:0:0]
	for _, letter := range letters {
		if d.admit(letter) {
			let = append(let, letter)
		} else {
			d.dropped.Add(1)
		}
	}
	err := putSurely(ctx, d.d.Next, let, func(letter telemetry.DeadLetter, err error) {
		d.refused.Add(1)
		d.d.Lost(letter, err)
	})
	if err != nil {
		d.giveBack(let)
	}
	return err
}

// costOf is what a letter takes off its source's allowance.
func costOf(letter telemetry.DeadLetter) float64 {
	return max(1, float64(min(len(letter.Raw), telemetry.MaxRaw))/letterBytes)
}

// giveBack returns what letters took that come again.
func (d *Door) giveBack(letters []telemetry.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, letter := range letters {
		if known, seen := d.sources[letter.SourceID]; seen {
			known.left = min(doorBurst, known.left+costOf(letter))
			d.sources[letter.SourceID] = known
		}
	}
}

// admit takes the letter's cost off its source's allowance.
func (d *Door) admit(letter telemetry.DeadLetter) bool {
	now, cost := d.d.Clock.Now(), costOf(letter)
	d.mu.Lock()
	defer d.mu.Unlock()
	known, seen := d.sources[letter.SourceID]
	if !seen {
		d.makeRoom(now)
		known = allowance{left: doorBurst, at: now}
	}
	known = known.grown(now)
	ok := known.left >= cost
	if ok {
		known.left -= cost
	}
	d.sources[letter.SourceID] = known
	return ok
}

func (a allowance) grown(now time.Time) allowance {
	if passed := now.Sub(a.at); passed > 0 {
		a.left, a.at = min(doorBurst, a.left+doorRate*passed.Seconds()), now
	}
	return a
}

// makeRoom forgets sources whose allowance is whole again, and some others when
// that is not enough.
func (d *Door) makeRoom(now time.Time) {
	if len(d.sources) < doorSources {
		return
	}
	for source, known := range d.sources {
		if known.grown(now).left == doorBurst {
			delete(d.sources, source)
		}
	}
	for source := range d.sources {
		if len(d.sources) < doorSources*9/10 {
			return
		}
		delete(d.sources, source)
	}
}
