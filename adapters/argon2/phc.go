package argon2

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltBytes = 16
	keyBytes  = 32
)

// Bounds of what a stored hash may ask for. One beyond them was not made here: to
// compute it could take the machine's memory or minutes of its time, and one
// below them protects nothing.
const (
	minMemory, maxMemory = 8, 64 << 10 // KiB
	maxPasses            = 16
	maxLanes             = 4
	minSalt, maxSalt     = 8, 64
	minKey, maxKey       = 16, 64
	maxLength            = 256 // of the whole text
)

// params are argon2id's costs.
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

func (p params) check() error {
	switch {
	case p.lanes < 1 || p.lanes > maxLanes:
		return fmt.Errorf("parallelism %d is not 1 to %d", p.lanes, maxLanes)
	case p.memory < minMemory*uint32(p.lanes) || p.memory > maxMemory:
		return fmt.Errorf("memory of %d KiB is not %d to %d", p.memory, minMemory*uint32(p.lanes), maxMemory)
	case p.passes < 1 || p.passes > maxPasses:
		return fmt.Errorf("%d passes are not 1 to %d", p.passes, maxPasses)
	}
	return nil
}

// phc is a hash as PHC string format writes it:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key, both in base64 without padding.
type phc struct {
	params
	salt, key []byte
}

// String writes the hash.
func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parse reads exactly what String writes. Its errors don't show the hash.
func parse(text string) (phc, error) {
	if len(text) > maxLength {
		return phc{}, fmt.Errorf("%d characters are more than a hash has", len(text))
	}
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return phc{}, errors.New("it is not argon2id in PHC string format")
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errors.New("it has a version of argon2 that is not known")
	}
	p, err := parseParams(parts[3])
	if err != nil {
		return phc{}, err
	}
	h := phc{params: p}
	if h.salt, err = decode(parts[4], minSalt, maxSalt); err != nil {
		return phc{}, fmt.Errorf("its salt: %w", err)
	}
	if h.key, err = decode(parts[5], minKey, maxKey); err != nil {
		return phc{}, fmt.Errorf("its key: %w", err)
	}
	return h, nil
}

func parseParams(text string) (params, error) {
	words := strings.Split(text, ",")
	if len(words) != 3 {
		return params{}, errors.New("its parameters are not m, t and p")
	}
	var numbers [3]uint32
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(words[i], name)
		number, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(number, 10) != digits {
			return params{}, fmt.Errorf("its parameter %s is not a number", name[:1])
		}
		numbers[i] = uint32(number)
	}
	if numbers[2] > maxLanes {
		return params{}, fmt.Errorf("parallelism %d is not 1 to %d", numbers[2], maxLanes)
	}
	p := params{memory: numbers[0], passes: numbers[1], lanes: uint8(numbers[2])} //nolint:gosec // bounded above
	return p, p.check()
}

func decode(text string, least, most int) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, errors.New("it is not base64")
	}
	data, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	if len(data) < least || len(data) > most {
		return nil, fmt.Errorf("%d bytes are not %d to %d", len(data), least, most)
	}
	return data, nil
}
