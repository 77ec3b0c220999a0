// Package rollup is the domain of roll-ups: what the readings of a source's UTC
// day come to, kept so that a year costs days and not readings, and the marks that
// say which days are to be rolled up anew. What a day's digests hold is in the
// packages energy and series; here they are bytes.
package rollup

import (
	"crypto/sha256"
	"math"
	"time"

	"github.com/google/uuid"
)

// DayMillis is how long a UTC day is, in milliseconds.
const DayMillis = 86_400_000

// Day is the roll-up of one source's UTC day. It is made from raw readings alone,
// so it may be made anew at any time and comes out the same.
type Day struct {
	SourceID uuid.UUID
	// Day is the day's number since 1970-01-01, in UTC.
	Day int32
	// Through is the end of what is counted, in unix milliseconds: every reading
	// that has no mark and is before it.
	Through int64
	// Revision counts how often the row was saved; 0 is a row that never was.
	Revision int64
	// Before is the digest of the State that the day was folded from: that of the
	// last earlier row. Where the two differ the day is to be folded anew.
	Before Digest
	// Stage is what is left of the day.
	Stage Stage
	// RolledAt is when it was saved, in UTC.
	RolledAt time.Time
	// State is what the next readings are folded on to. Energy, Minutes and Hours
	// are digests of the day. Which of them are filled is for whoever loaded it to
	// say; see Parts.
	State, Energy, Minutes, Hours []byte
}

// Stage is what is left of a day. It goes on by Keeping, and back to Sealed with
// readings that come late.
type Stage uint8

// The stages.
const (
	// Whole has its readings and all digests.
	Whole Stage = iota
	// Sealed is no more made from its readings: they are deleted, or being deleted.
	Sealed
	// Bare has no readings any more.
	Bare
	// Coarse has no Minutes either.
	Coarse
)

// IsSealed reports whether the day can't be made from its readings any more.
func (d Day) IsSealed() bool { return d.Stage != Whole }

// Parts says which digests of a day are wanted.
type Parts uint8

// The parts.
const (
	State Parts = 1 << iota
	Energy
	Minutes
	Hours
	// All are all of them.
	All = State | Energy | Minutes | Hours
	// None loads what is no digest.
	None Parts = 0
)

// Has reports whether the part is wanted.
func (p Parts) Has(part Parts) bool { return p&part != 0 }

// Digest tells states apart.
type Digest [16]byte

// DigestOf is the digest of an encoded state; nil, the state before the first
// reading, has one too.
func DigestOf(state []byte) Digest {
	sum := sha256.Sum256(state)
	return Digest(sum[:])
}

// DayOf is the UTC day that a moment in unix milliseconds lies in.
func DayOf(ms int64) int32 {
	day := ms / DayMillis
	if ms < 0 && ms%DayMillis != 0 {
		day--
	}
	return int32(min(max(day, math.MinInt32), math.MaxInt32))
}

// Start is the first millisecond of a day.
func Start(day int32) int64 { return int64(day) * DayMillis }

// End is the first millisecond after a day.
func End(day int32) int64 { return (int64(day) + 1) * DayMillis }

// Mark says that readings of a source's day were written, or are about to be, that
// its row may not count. One that proves unfounded does no harm.
type Mark struct {
	SourceID uuid.UUID
	Day      int32
	// Slot tells marks of one day apart; see Slot. Marks with the same are one.
	Slot int64
	// Earliest is the earliest moment that may be missing, in unix milliseconds.
	Earliest int64
}

// AtOnce is the slot of marks that whoever raised them does not write for: they
// may be taken at once.
const AtOnce int64 = -1

// Taken is a mark that somebody took, to be dropped when its day is rolled up.
type Taken struct {
	Mark
	// Version is another one when the mark was raised again meanwhile.
	Version int64
	// Age is for how long it could have been taken already.
	Age time.Duration
}

// Backlog is how many marks there are, and how they are doing.
type Backlog struct {
	Marks int64
	// Oldest is how long the first of them could have been taken already; 0 when
	// none can be yet.
	Oldest time.Duration
}
