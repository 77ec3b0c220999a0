package csvimport

// guessable are the patterns that are tried, in this order. Day and month of the
// pairs can't be told apart where no day is above the twelfth.
//
//nolint:gochecknoglobals // a table that nobody writes to
var guessable = [...]string{
	isoName,
	"YYYY-MM-DD hh:mm[:ss] A",
	"YYYY/MM/DD HH:mm[:ss]",
	"YYYY.MM.DD HH:mm[:ss]",
	"DD.MM.YYYY HH:mm[:ss]",
	"DD.MM.YY HH:mm[:ss]",
	"DD/MM/YYYY HH:mm[:ss]", "MM/DD/YYYY HH:mm[:ss]",
	"DD/MM/YYYY hh:mm[:ss] A", "MM/DD/YYYY hh:mm[:ss] A",
	"DD/MM/YY HH:mm[:ss]", "MM/DD/YY HH:mm[:ss]",
	"DD-MM-YYYY HH:mm[:ss]", "MM-DD-YYYY HH:mm[:ss]",
	"YYYYMMDD HH:mm[:ss]",
	"YYYYMMDDTHHmmss[Z]",
	"YYYYMMDDHHmmss",
	"YYYYMMDDHHmm",
	"YYYY-MM-DD",
	"YYYY/MM/DD",
	"DD.MM.YYYY",
	"DD.MM.YY",
	"DD/MM/YYYY", "MM/DD/YYYY",
	"DD-MM-YYYY", "MM-DD-YYYY",
	"YYYYMMDD",
}

// guessFormat finds the one way in which all cells are written; nil when there is
// none. or is another way in which they could be read that says another day.
func guessFormat(cells [][]byte) (f, or *format) {
	if len(cells) == 0 {
		return nil, nil
	}
	if f := guessUnix(cells); f != nil {
		return f, nil
	}
	for _, pattern := range guessable {
		candidate, err := compile(pattern)
		if err != nil || !candidate.reads(cells) {
			continue
		}
		if f == nil {
			f = candidate
		} else if differs(f, candidate, cells) {
			return f, candidate
		}
	}
	return f, nil
}

// guessUnix tells seconds from milliseconds by their digits: 9 or 10, or 12 or 13
// from 1973 to 2286. Ten digits can't be YYYYMMDDHH, which nobody writes.
func guessUnix(cells [][]byte) *format {
	seconds, millis := true, true
	for _, cell := range cells {
		digits := 0
		for digits < len(cell) && isDigit(cell[digits]) {
			digits++
		}
		if digits < len(cell) && cell[digits] != '.' {
			return nil
		}
		seconds = seconds && (digits == 9 || digits == 10)
		millis = millis && (digits == 13 || digits == 12 && cell[0] > '2')
	}
	switch {
	case seconds:
		return &format{name: "unix", unix: 1000}
	case millis:
		return &format{name: "unixMillis", unix: 1}
	}
	return nil
}

func (f *format) reads(cells [][]byte) bool {
	for _, cell := range cells {
		if _, ok := f.parse(cell); !ok {
			return false
		}
	}
	return true
}

func differs(a, b *format, cells [][]byte) bool {
	for _, cell := range cells {
		x, _ := a.parse(cell)
		y, _ := b.parse(cell)
		if x != y {
			return true
		}
	}
	return false
}

// mostly guesses from those cells that can be read, where they are half of them or
// more: a broken row does not make a file unreadable.
func mostly(cells [][]byte, guess func([][]byte) (*format, *format)) (f, or *format) {
	if f, or = guess(cells); f != nil {
		return f, or
	}
	votes := map[string]int{}
	var best *format
	for _, cell := range cells {
		if one, _ := guess([][]byte{cell}); one != nil {
			if votes[one.name]++; best == nil || votes[one.name] > votes[best.name] {
				best = one
			}
		}
	}
	if best == nil || votes[best.name]*2 < len(cells) {
		return nil, nil
	}
	readable := make([][]byte, 0, len(cells))
	for _, cell := range cells {
		if one, _ := guess([][]byte{cell}); one != nil {
			readable = append(readable, cell)
		}
	}
	return guess(readable)
}
