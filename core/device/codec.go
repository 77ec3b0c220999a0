package device

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// pulseVersion begins the bytes of a Pulse; pulseSize is how many there are.
const (
	pulseVersion = 1
	pulseSize    = 1 + 3*8 + 4*intervals + 3 + 8 + 1 + slots
)

// AppendBinary adds the pulse in the form in which stores keep it.
func (p *Pulse) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, pulseVersion)
	for _, at := range []int64{p.lastAt, p.lastStamp, p.recovered} {
		b = binary.BigEndian.AppendUint64(b, uint64(at)) //nolint:gosec // read back the same way
	}
	for _, interval := range p.ring {
		b = binary.BigEndian.AppendUint32(b, interval)
	}
	b = append(b, p.next, p.count, p.patience)
	b = binary.BigEndian.AppendUint64(b, uint64(p.profile.last)) //nolint:gosec // read back the same way
	b = append(b, p.profile.days)
	return append(b, p.profile.share[:]...), nil
}

// ParsePulse reads what AppendBinary wrote. Whatever else it is given is an error.
func ParsePulse(b []byte) (Pulse, error) {
	if len(b) != pulseSize || b[0] != pulseVersion {
		return Pulse{}, fmt.Errorf("a pulse of %d bytes is none of version %d", len(b), pulseVersion)
	}
	var p Pulse
	b = b[1:]
	long := func() int64 {
		v := binary.BigEndian.Uint64(b)
		b = b[8:]
		return int64(v) //nolint:gosec // as it was written
	}
	p.lastAt, p.lastStamp, p.recovered = long(), long(), long()
	for i := range p.ring {
		p.ring[i] = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	p.next, p.count, p.patience = b[0], b[1], b[2]
	b = b[3:]
	p.profile.last = long()
	p.profile.days = b[0]
	copy(p.profile.share[:], b[1:])
	if p.next >= intervals || p.count > intervals || p.patience > most || p.lastAt < 0 || p.profile.last < 0 {
		return Pulse{}, errors.New("a pulse holds what is impossible")
	}
	return p, nil
}
