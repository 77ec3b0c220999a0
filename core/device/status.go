package device

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// States are all states, the one that wants most looking after first. Lists by
// state are in this order.
func States() []State { return []State{Offline, Late, Unknown, Asleep, Online} }

// Rank is the state's place among States.
func (s State) Rank() int { return slices.Index(States(), s) }

// Valid reports whether it is one of the states.
func (s State) Valid() bool { return s.Rank() >= 0 }

// Status is what is known of a source's device. The zero value, with State
// Unknown, is that of one that was never heard.
type Status struct {
	SourceID uuid.UUID
	State    State
	// Since is when it came to be in the state, zero for Unknown.
	Since time.Time
	// LastSeenAt is when it was last heard, zero for never.
	LastSeenAt time.Time
	Pulse      Pulse
}

// NumPowers is how many powers a reading may have: the first of the canonical
// fields.
const NumPowers = int(telemetry.BatteryPowerWatts) + 1

// Powers are the newest powers of a source in watts, in the order of telemetry's
// fields; nil where it has none.
type Powers [NumPowers]*float64

// Heard is what a process heard of a source since it last told.
type Heard struct {
	SourceID uuid.UUID
	// FirstAt and LastSeenAt are the first and the last time since then.
	FirstAt, LastSeenAt time.Time
	// Online says that it was heard lately enough to be online, CheckAt when that is
	// to be judged again.
	Online  bool
	CheckAt time.Time
	Pulse   Pulse
	Powers  Powers
}

// Listener is a process that hears readings as they come.
type Listener struct {
	Process uuid.UUID
	// Since is from when on it hears without a pause, HeardAt up to when what it
	// heard is stored.
	Since, HeardAt time.Time
}

// MaxPause is how long a listener may say nothing without being gone.
const MaxPause = 2 * time.Minute

// Due is a device whose state time may have changed.
type Due struct {
	Status
	Site Site
	// AsOf is up to when what was heard is known, Listening since when.
	AsOf, Listening time.Time
}

// Verdict is what was judged of one.
type Verdict struct {
	State State
	// CheckAt is when to judge again, zero for not before it is heard.
	CheckAt time.Time
}

// Stretch asks for a part of a source's history of states.
type Stretch struct {
	// From is inclusive, To exclusive; zero is open. A state that began before From
	// and held at it is a part.
	From, To time.Time
	// Limit is how many changes at the most, 1 or more.
	Limit int
}

// What is kept of a source's history.
const (
	MaxChanges = 1000
	MaxAge     = 400 * 24 * time.Hour
)
