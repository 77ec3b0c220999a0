// Package secretbox seals secrets at rest with AES-256-GCM under the keys of a
// key file. It uses the standard library alone: its GCM draws the 96-bit nonces
// itself, so what a keyset library would add is one more format and a few
// megabytes of dependencies. It keeps no secrets and knows nothing of rows; who
// seals binds a box to its row by the associated data.
package secretbox

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ampra/core/credential"
)

var _ credential.Sealer = (*Box)(nil)

// Why a box does not open. GCM can't tell a changed box from one that was moved
// to another row: both have a tag that is not theirs.
var (
	ErrUnknownKey = errors.New("the key that sealed it is not in the key file")
	ErrAltered    = errors.New("it was changed, or belongs to another row")
)

// Box seals and opens with the keys of one file. It is safe for concurrent use.
type Box struct {
	path string
	ring atomic.Pointer[ring]

	mu     sync.Mutex // one reload at a time
	loaded stamp
}

// ring is a key file that is ready to use.
type ring struct {
	current string
	aeads   map[string]cipher.AEAD
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	modified time.Time
	size     int64
}

// Load reads a key file. A file that others than its owner may read, or that is
// not in the format, is an error that says what to do.
func Load(path string) (*Box, error) {
	b := &Box{path: path}
	if err := b.reload(); err != nil {
		return nil, err
	}
	return b, nil
}

// reload reads the file again.
func (b *Box) reload() error {
	data, info, err := read(b.path)
	if err != nil {
		return err
	}
	keys, err := parse(data)
	if err != nil {
		return fmt.Errorf("key file %s: %w", b.path, err)
	}
	r := &ring{current: keys.current, aeads: make(map[string]cipher.AEAD, len(keys.keys))}
	for _, k := range keys.keys {
		block, err := aes.NewCipher(k.secret[:])
		if err != nil {
			return fmt.Errorf("key file %s: key %s: %w", b.path, k.id, err)
		}
		if r.aeads[k.id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return fmt.Errorf("key file %s: key %s: %w", b.path, k.id, err)
		}
	}
	b.ring.Store(r)
	b.loaded = stampOf(info)
	return nil
}

func stampOf(info os.FileInfo) stamp { return stamp{info.ModTime(), info.Size()} }

// CurrentKey is the id of the key that Seal uses.
func (b *Box) CurrentKey() string { return b.ring.Load().current }

// Seal encrypts with the current key and a nonce of its own, bound to the
// associated data.
func (b *Box) Seal(plain, associated []byte) (credential.Sealed, error) {
	r := b.ring.Load()
	return credential.Sealed{KeyID: r.current, Box: r.aeads[r.current].Seal(nil, nil, plain, associated)}, nil //nolint:gosec // G407: it draws a nonce itself and takes none
}

// Open decrypts. The error is ErrUnknownKey or ErrAltered. A key that came into
// the file after it was read is found: another process may have rotated.
func (b *Box) Open(sealed credential.Sealed, associated []byte) ([]byte, error) {
	aead, err := b.key(sealed.KeyID)
	if err != nil {
		return nil, fmt.Errorf("opening a sealed secret: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed.Box, associated)
	if err != nil {
		return nil, fmt.Errorf("opening a sealed secret: %w", ErrAltered)
	}
	return plain, nil
}

func (b *Box) key(id string) (cipher.AEAD, error) {
	if aead, ok := b.ring.Load().aeads[id]; ok {
		return aead, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := os.Stat(b.path)
	if err != nil {
		return nil, fmt.Errorf("%w (%q), and the file can't be read again: %w", ErrUnknownKey, id, err)
	}
	if stampOf(info) != b.loaded {
		if err := b.reload(); err != nil {
			return nil, fmt.Errorf("%w (%q), and the file can't be read again: %w", ErrUnknownKey, id, err)
		}
	}
	if aead, ok := b.ring.Load().aeads[id]; ok {
		return aead, nil
	}
	return nil, fmt.Errorf("%w (%q)", ErrUnknownKey, id)
}
