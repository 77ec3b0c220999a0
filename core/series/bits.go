package series

import (
	"errors"
	"math/bits"
)

// column is how the numbers of one kind are coded: an adaptive Rice code. A number
// is cut in two, the low part written as it is and the high part as so many ones;
// where to cut follows from the numbers before, so that the still night takes a
// bit a slot and a cloudy noon ten.
type column struct{ sum, count uint64 }

// Bounds of the code.
const (
	// mostOnes is the longest high part; a longer one is written in full instead.
	mostOnes = 20
	// memory is after how many numbers older ones count half.
	memory = 16
	// sizeBits hold how many bits a number written in full has, less one.
	sizeBits = 6
)

// cut is how many bits of the next number are its low part.
func (c *column) cut() uint {
	if c.count == 0 {
		return 2
	}
	mean := c.sum / c.count
	return uint(bits.Len64(mean))
}

func (c *column) learn(v uint64) {
	// Beyond it a number is written in full, and teaches nothing about its like.
	c.sum += min(v, 1<<48)
	if c.count++; c.count == memory {
		c.sum, c.count = c.sum/2, c.count/2
	}
}

// bitWriter appends bits, the most significant first.
type bitWriter struct {
	data []byte
	free uint // bits that the last byte has left
}

// write appends the lowest n bits of v.
func (w *bitWriter) write(v uint64, n uint) {
	for n > 0 {
		if w.free == 0 {
			w.data = append(w.data, 0)
			w.free = 8
		}
		take := min(n, w.free)
		part := byte(v>>(n-take)) & (1<<take - 1) //nolint:gosec // the bits are what is meant
		w.data[len(w.data)-1] |= part << (w.free - take)
		n, w.free = n-take, w.free-take
	}
}

func (w *bitWriter) number(c *column, v uint64) {
	cut := c.cut()
	if high := v >> cut; high < mostOnes {
		w.write(1<<(high+1)-2, uint(high)+1) // ones, then a zero
		w.write(v, cut)
	} else {
		size := uint(max(bits.Len64(v), 1))
		w.write(1<<mostOnes-1, mostOnes)
		w.write(uint64(size-1), sizeBits)
		w.write(v, size)
	}
	c.learn(v)
}

func (w *bitWriter) signed(c *column, v int64) {
	w.number(c, uint64(v)<<1^uint64(v>>63)) //nolint:gosec // zigzag: the bits are what is meant
}

var errShort = errors.New("it ends too early")

// bitReader reads what a bitWriter wrote, and keeps its first error.
type bitReader struct {
	data []byte
	at   uint // in bits
	err  error
}

func (r *bitReader) read(n uint) uint64 {
	if r.err != nil || uint(len(r.data))*8-r.at < n {
		r.fail(errShort)
		return 0
	}
	var v uint64
	for n > 0 {
		left := 8 - r.at%8
		take := min(n, left)
		part := r.data[r.at/8] >> (left - take) & (1<<take - 1)
		v = v<<take | uint64(part)
		n, r.at = n-take, r.at+take
	}
	return v
}

func (r *bitReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *bitReader) number(c *column) uint64 {
	var high uint64
	for high < mostOnes && r.bit() {
		high++
	}
	var v uint64
	if cut := c.cut(); high < mostOnes {
		v = high<<cut | r.read(cut)
	} else {
		v = r.read(uint(r.read(sizeBits)) + 1)
	}
	c.learn(v)
	return v
}

func (r *bitReader) bit() bool {
	if r.at >= uint(len(r.data))*8 {
		r.fail(errShort)
		return false
	}
	set := r.data[r.at/8]>>(7-r.at%8)&1 == 1
	r.at++
	return set
}

func (r *bitReader) signed(c *column) int64 {
	v := r.number(c)
	return int64(v>>1) ^ -int64(v&1)
}

// end refuses what no bitWriter leaves behind its last number.
func (r *bitReader) end() error {
	if r.err == nil && (uint(len(r.data))*8-r.at >= 8 || r.at%8 != 0 && r.data[len(r.data)-1]<<(r.at%8) != 0) {
		r.fail(errors.New("bytes too many"))
	}
	return r.err
}
