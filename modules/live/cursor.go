package live

import (
	"encoding/base64"
	"encoding/binary"

	"ampra/core/live"
)

// cursor is a place in what was told, as an event's id says it: everything up to
// it has been told to the listener that has it. It means the same in every
// process, only that the one that made it finds its own events exactly, by seq,
// and the others by time and by the journal's position.
type cursor struct {
	at      int64 // unix ms
	process uint32
	seq     uint64
	// journal is nil without a journal, or where it would be too long for an id.
	journal live.Position
}

const (
	cursorVersion = 1
	// maxPartitions bounds an id: with more partitions it says no position, and
	// whoever comes to another process has to read anew.
	maxPartitions = 200
	maxCursor     = 4096
)

// String is the cursor as an event's id.
func (c cursor) String() string {
	var room [128]byte
	b := append(room[:0], cursorVersion)
	b = binary.AppendVarint(b, c.at)
	b = binary.BigEndian.AppendUint32(b, c.process)
	b = binary.AppendUvarint(b, c.seq)
	if len(c.journal) <= maxPartitions {
		for _, next := range c.journal {
			b = binary.AppendVarint(b, next)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads an event's id. Whatever is none is refused, never trusted:
// it comes from outside.
func parseCursor(text string) (c cursor, ok bool) {
	if len(text) > maxCursor {
		return c, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 7 || b[0] != cursorVersion {
		return c, false
	}
	b = b[1:]
	var n int
	if c.at, n = binary.Varint(b); n <= 0 || len(b) < n+4 || c.at < 0 {
		return cursor{}, false
	}
	c.process = binary.BigEndian.Uint32(b[n:])
	b = b[n+4:]
	if c.seq, n = binary.Uvarint(b); n <= 0 {
		return cursor{}, false
	}
	for b = b[n:]; len(b) > 0; b = b[n:] {
		var next int64
		if next, n = binary.Varint(b); n <= 0 || next < 0 || len(c.journal) >= maxPartitions {
			return cursor{}, false
		}
		c.journal = append(c.journal, next)
	}
	return c, true
}
