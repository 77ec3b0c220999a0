package zones

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// Coordinates are whole hundred-thousandths of a degree, as the packed borders
// have them.
const unit = 1e5

// atlas is an index of the borders. The borders stay packed and are walked along
// for each question that the tiles do not answer.
type atlas struct {
	names []string
	areas []area
	// tiles are squares of the map that lie in one zone as a whole, in order.
	tiles        []tile
	coarse, fine int
}

// area is a piece of a zone: a ring, and rings that are cut out of it.
type area struct {
	zone     uint16
	box      box
	ring     []byte
	holes    [][]byte
	holesBox []box
}

type box struct{ west, south, east, north int32 }

func (b box) holds(x, y int32) bool {
	return x >= b.west && x <= b.east && y >= b.south && y <= b.north
}

// tile is a square of the map of the web's tiles: its key orders by zoom, then
// place.
type tile struct {
	key  uint64
	zone uint16
}

func tileKey(zoom, x, y int) uint64 {
	return uint64(zoom)<<48 | uint64(x)<<24 | uint64(y) //nolint:gosec // below 2^24 each
}

// newAtlas indexes the packed borders and the list of tiles.
func newAtlas(borders, preindex []byte) *atlas {
	a := &atlas{}
	numbers := map[string]uint16{}
	number := func(name string) uint16 {
		n, known := numbers[name]
		if !known {
			n = uint16(len(a.names)) //nolint:gosec // a few hundred
			numbers[name] = n
			a.names = append(a.names, name)
		}
		return n
	}
	fields(borders, func(field int, _ uint64, zone []byte) {
		if field == 2 {
			a.addZone(zone, number)
		}
	})
	fields(preindex, func(field int, value uint64, key []byte) {
		switch field {
		case 1:
			a.fine = int(value) //nolint:gosec // a zoom
		case 2:
			a.coarse = int(value) //nolint:gosec // a zoom
		case 3:
			a.addTile(key, number)
		}
	})
	a.tidy()
	return a
}

// addZone adds the areas of a zone: {1: area..., 2: name}.
func (a *atlas) addZone(data []byte, number func(string) uint16) {
	first := len(a.areas)
	var zone uint16
	fields(data, func(field int, _ uint64, part []byte) {
		switch field {
		case 1:
			a.areas = append(a.areas, areaOf(part))
		case 2:
			zone = number(string(part))
		}
	})
	for i := first; i < len(a.areas); i++ {
		a.areas[i].zone = zone
	}
}

// areaOf reads {1: ring, 2: {1: hole}...}.
func areaOf(data []byte) (one area) {
	fields(data, func(field int, _ uint64, part []byte) {
		switch field {
		case 1:
			one.ring, one.box = part, boxOf(part)
		case 2:
			fields(part, func(field int, _ uint64, hole []byte) {
				if field == 1 {
					one.holes, one.holesBox = append(one.holes, hole), append(one.holesBox, boxOf(hole))
				}
			})
		}
	})
	return one
}

func (a *atlas) addTile(data []byte, number func(string) uint16) {
	var t tile
	var at [3]int
	fields(data, func(field int, value uint64, part []byte) {
		switch field {
		case 1:
			t.zone = number(string(part))
		case 2, 3, 4:
			at[field-2] = int(value) //nolint:gosec // a tile's place
		}
	})
	t.key = tileKey(at[2], at[0], at[1])
	a.tiles = append(a.tiles, t)
}

// tidy orders the tiles, and drops those that lie in several zones.
func (a *atlas) tidy() {
	slices.SortFunc(a.tiles, func(a, b tile) int { return cmp.Compare(a.key, b.key) })
	kept := a.tiles[:0]
	for i := 0; i < len(a.tiles); {
		end := i + 1
		for end < len(a.tiles) && a.tiles[end].key == a.tiles[i].key {
			end++
		}
		if end == i+1 {
			kept = append(kept, a.tiles[i])
		}
		i = end
	}
	a.tiles = slices.Clip(slices.Clone(kept))
}

// at is the name of the zone of a place, "" where the borders leave a gap.
func (a *atlas) at(latitude, longitude float64) string {
	for zoom := a.coarse; zoom <= a.fine; zoom++ {
		key := tileAt(latitude, longitude, zoom)
		if i, found := slices.BinarySearchFunc(a.tiles, key, func(t tile, key uint64) int { return cmp.Compare(t.key, key) }); found {
			return a.names[a.tiles[i].zone]
		}
	}
	x, y := int32(math.Round(longitude*unit)), int32(math.Round(latitude*unit))
	for i := range a.areas {
		if one := &a.areas[i]; one.box.holds(x, y) && one.holds(x, y) {
			return a.names[one.zone]
		}
	}
	return ""
}

// tileAt is the tile of a place in the web's projection.
func tileAt(latitude, longitude float64, zoom int) uint64 {
	const edge = 85.0511 // beyond it the projection has no tiles
	size := float64(int(1) << zoom)
	sin := math.Sin(math.Max(-edge, math.Min(edge, latitude)) * math.Pi / 180)
	x := (longitude/360 + 0.5) * size
	y := (0.5 - math.Log((1+sin)/(1-sin))/(4*math.Pi)) * size
	inside := func(v float64) int { return int(math.Max(0, math.Min(size-1, math.Floor(v)))) }
	return tileKey(zoom, inside(x), inside(y))
}

// holds reports whether a place is in the ring and in none of the holes.
func (one *area) holds(x, y int32) bool {
	if !inRing(one.ring, x, y) {
		return false
	}
	for i, hole := range one.holes {
		if one.holesBox[i].holds(x, y) && inRing(hole, x, y) {
			return false
		}
	}
	return true
}

// inRing counts how often a line to the east of the place crosses the ring.
func inRing(ring []byte, x, y int32) bool {
	inside := false
	var px, py int32
	started := false
	walk(ring, func(qx, qy int32) {
		if started && (py > y) != (qy > y) {
			// Exact: the products stay below 2^52.
			left := int64(x-px) * int64(qy-py)
			right := int64(qx-px) * int64(y-py)
			if qy > py && left < right || qy < py && left > right {
				inside = !inside
			}
		}
		px, py, started = qx, qy, true
	})
	return inside
}

func boxOf(ring []byte) box {
	b := box{west: math.MaxInt32, south: math.MaxInt32, east: math.MinInt32, north: math.MinInt32}
	walk(ring, func(x, y int32) {
		b.west, b.east = min(b.west, x), max(b.east, x)
		b.south, b.north = min(b.south, y), max(b.north, y)
	})
	return b
}

// walk visits the points of a ring, in the polyline encoding: differences of
// longitude and latitude, five bits a byte.
func walk(ring []byte, visit func(x, y int32)) {
	var x, y int32
	for at := 0; at < len(ring); {
		dx, next := difference(ring, at)
		dy, end := difference(ring, next)
		x, y, at = x+dx, y+dy, end
		visit(x, y)
	}
}

func difference(ring []byte, at int) (value int32, next int) {
	var bits uint32
	for shift := 0; at < len(ring); shift += 5 {
		b := ring[at] - 63
		at++
		bits |= uint32(b&0x1f) << shift
		if b < 0x20 {
			break
		}
	}
	value = int32(bits >> 1)
	if bits&1 != 0 {
		value = ^value
	}
	return value, at
}

// fields visits the fields of a protocol buffer: numbers as value, everything with
// a length as part. It stops at what it does not understand.
func fields(data []byte, visit func(field int, value uint64, part []byte)) {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return
		}
		data = data[n:]
		value, n := binary.Uvarint(data)
		if n <= 0 {
			return
		}
		data = data[n:]
		var part []byte
		switch tag & 7 {
		case 0:
		case 2:
			if value > uint64(len(data)) {
				return
			}
			part, data = data[:value], data[value:]
		default:
			return
		}
		visit(int(tag>>3), value, part)
	}
}
