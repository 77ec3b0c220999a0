package csvimport

import (
	"bytes"
	"math"
	"strconv"
)

// isEmpty reports whether a cell says that there is no value.
func isEmpty(cell []byte) bool {
	switch len(cell) {
	case 0:
		return true
	case 1:
		return cell[0] == '-'
	}
	if len(cell) > 6 {
		return false
	}
	var room [6]byte
	switch string(bytes.ToLower(append(room[:0], cell...))) {
	case "--", "---", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "\\n", "(null)":
		return true
	}
	return false
}

// maxNumber is the longest text that is a number.
const maxNumber = 64

// parseNumber reads a number with the decimal mark. Marks between thousands are
// taken only beside a decimal mark, where they can't be one themselves.
func parseNumber(cell []byte, decimal byte) (float64, bool) {
	if len(cell) > maxNumber {
		return 0, false
	}
	group := byte(',')
	if decimal == ',' {
		group = '.'
	}
	var room [maxNumber]byte
	text := append(room[:0], cell...)
	if at := bytes.IndexByte(text, decimal); at >= 0 {
		if bytes.IndexByte(text[at+1:], decimal) >= 0 || bytes.IndexByte(text[at:], group) >= 0 {
			return 0, false
		}
		text[at] = '.'
		if bytes.IndexByte(text[:at], group) >= 0 {
			var ok bool
			if text, ok = ungroup(text, at, group); !ok {
				return 0, false
			}
		}
	} else if decimal != '.' && bytes.IndexByte(text, '.') >= 0 {
		return 0, false
	}
	for _, c := range text { // no hexadecimal, no underscores, no words
		if !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(value, 0) {
		return 0, false
	}
	return value + 0, true // there is no negative zero
}

// ungroup takes the marks between thousands out of the digits before the decimal
// mark.
func ungroup(text []byte, at int, group byte) ([]byte, bool) {
	whole := bytes.TrimLeft(text[:at], "+-")
	parts := bytes.Split(whole, []byte{group})
	for i, part := range parts {
		if len(part) > 3 || len(part) < 3 && i > 0 || len(part) == 0 {
			return nil, false
		}
	}
	kept := text[:0]
	for _, c := range text {
		if c != group {
			kept = append(kept, c)
		}
	}
	return kept, true
}
