package series

import (
	"math"

	"ampra/core/telemetry"
)

// Folder makes a day's tiers from its readings.
type Folder struct {
	start int64 // of the day, Unix milliseconds
	// minutes is being made. before are the tiers that must stand: see Fill.
	minutes Day
	filling bool
	before  struct{ minutes, hours Day }
	late    Late
}

// Late counts what came for a day that is closed.
type Late struct {
	// Filled are values that filled slots without any, Dropped values whose slot had
	// some already.
	Filled, Dropped int
}

// NewFolder begins the UTC day that is so many days after 1970-01-01.
func NewFolder(day int32) *Folder { return Resume(day, Day{}) }

// Resume goes on from the five-minute tier that a Folder made of the readings
// before. It takes the tier over: who called must not use it any more.
func Resume(day int32, minutes Day) *Folder {
	minutes.tier = Minutes
	return &Folder{start: int64(day) * DayMillis, minutes: minutes}
}

// Fill begins with the tiers of a day whose readings were deleted: what is added
// fills slots in which a field has no value yet, and changes no others. A tier
// that is gone itself, a zero Day, is not made anew, as its readings would not be
// all that there were.
func Fill(day int32, minutes, hours Day) *Folder {
	f := NewFolder(day)
	f.filling = true
	f.before.minutes, f.before.hours = minutes, hours
	return f
}

// Add takes in a reading. They come in the order of their timestamps, each
// identity once; those of other days are left out.
func (f *Folder) Add(r telemetry.Reading) {
	at := r.Timestamp.UnixMilli() - f.start
	if at < 0 || at >= DayMillis {
		return
	}
	slot := int(at / Minutes.SlotMillis())
	for field := range telemetry.Field(telemetry.NumFields) {
		value, ok := r.Values.Get(field)
		if !ok || !field.Possible(value) {
			continue
		}
		if f.filling {
			if f.stands(field, slot) {
				f.late.Dropped++
				continue
			}
			f.late.Filled++
		}
		if f.minutes.cells[field] == nil {
			f.minutes.cells[field] = make([]cell, Minutes.Slots())
		}
		whole := int64(math.Round(value * scaleOf(field)))
		f.minutes.cells[field][slot].merge(cell{count: 1, min: whole, max: whole, last: whole})
	}
}

// slotsInHour is how many slots of five minutes an hour has.
const slotsInHour = 12

// stands reports whether a slot has values that may not change.
func (f *Folder) stands(field telemetry.Field, slot int) bool {
	if f.before.minutes.tier == Minutes {
		return f.before.minutes.has(field, slot)
	}
	return f.before.hours.has(field, slot/slotsInHour)
}

func (d *Day) has(field telemetry.Field, slot int) bool {
	return d.cells[field] != nil && d.cells[field][slot].count > 0
}

// Late says what became of the values that were added to a closed day.
func (f *Folder) Late() Late { return f.late }

// Result is both tiers of what was added. The Folder is not used afterwards.
func (f *Folder) Result() (minutes, hours Day) {
	if !f.filling {
		return f.minutes, hoursOf(&f.minutes)
	}
	added := hoursOf(&f.minutes)
	if f.before.minutes.tier != Minutes {
		return Day{}, union(&f.before.hours, &added)
	}
	minutes = union(&f.before.minutes, &f.minutes)
	whole := hoursOf(&minutes)
	// An hour that is known and has no minutes any more stays.
	return minutes, union(&whole, &f.before.hours)
}

// hoursOf makes the hourly tier from that of five minutes.
func hoursOf(minutes *Day) Day {
	hours := Day{tier: Hours}
	for field, cells := range minutes.cells {
		if cells == nil {
			continue
		}
		merged := make([]cell, Hours.Slots())
		for slot := range cells {
			merged[slot/slotsInHour].merge(cells[slot])
		}
		hours.cells[field] = merged
	}
	return hours
}

// union is first, with second where first knows nothing.
func union(first, second *Day) Day {
	both := *first
	if both.tier == Raw {
		both.tier = second.tier
	}
	for field, cells := range second.cells {
		if both.cells[field] == nil {
			both.cells[field] = cells
			continue
		}
		for slot := range cells {
			if both.cells[field][slot].count == 0 {
				both.cells[field][slot] = cells[slot]
			}
		}
	}
	return both
}
