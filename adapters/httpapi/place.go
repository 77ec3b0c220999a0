package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/device"
)

// placeVersion begins a cursor; placeSize is how many bytes it has before the text.
const (
	placeVersion = 1
	placeSize    = 3 + 8 + 16
	maxPlace     = 2048
)

// placeText is a place in a list as a cursor: it says in which order it is one.
func placeText(query device.Query, p device.Place) string {
	b := []byte{placeVersion, byte(slices.Index(device.Sorts(), query.Sort)), 0} //nolint:gosec // small numbers
	if query.Descending {
		b[2] = 1
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(p.Number))
	b = append(append(b, p.ID[:]...), p.Text...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads a cursor of a list in the query's order. Whatever is none is
// refused, never trusted: it comes from outside.
func parsePlace(text string, query device.Query) (p device.Place, ok bool) {
	if len(text) > maxPlace {
		return p, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < placeSize || b[0] != placeVersion || int(b[1]) != slices.Index(device.Sorts(), query.Sort) || (b[2] == 1) != query.Descending {
		return p, false
	}
	p.Number = math.Float64frombits(binary.BigEndian.Uint64(b[3:]))
	p.ID = uuid.UUID(b[11:placeSize])
	p.Text = string(b[placeSize:])
	if math.IsNaN(p.Number) || math.Abs(p.Number) > 1e17 || !utf8.ValidString(p.Text) || slices.Contains(b[placeSize:], 0) {
		return device.Place{}, false
	}
	return p, true
}
