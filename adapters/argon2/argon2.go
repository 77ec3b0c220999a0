// Package argon2 hashes passwords with argon2id. It bounds how many hashes are
// made at once, because each takes 19 MiB while it is made, and gives the memory
// back afterwards. It knows no accounts and no rules for passwords.
package argon2

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"ampra/core/fault"
	"ampra/core/identity"
)

var _ identity.Hasher = (*Hasher)(nil)

// Config tunes a Hasher. The zero value has the defaults: what OWASP names for
// argon2id on small machines.
type Config struct {
	// MemoryKiB is what one hash takes; 0 means 19,456 (19 MiB).
	MemoryKiB uint32
	// Passes over the memory; 0 means 2.
	Passes uint32
	// Concurrent bounds how many hashes are made at once; 0 means 2. Together with
	// MemoryKiB it bounds the memory.
	Concurrent int
	// Patience is how long a hash waits for its turn; 0 means 10 s.
	Patience time.Duration
	// ReleaseAfter is how long after the last hash the memory goes back to the
	// operating system; 0 means 3 s.
	ReleaseAfter time.Duration
}

// Hasher makes and checks password hashes. It is safe for concurrent use.
type Hasher struct {
	params   params
	patience time.Duration
	turns    chan struct{}
	// derive is the hash function; tests count its calls.
	derive func(password, salt []byte, p params, size uint32) []byte

	releaseAfter time.Duration
	release      func()
	mu           sync.Mutex
	idle         *time.Timer // nil until the first hash
}

// New checks the configuration and returns a Hasher.
func New(cfg Config) (*Hasher, error) {
	p := params{memory: cfg.MemoryKiB, passes: cfg.Passes, lanes: 1}
	if p.memory == 0 {
		p.memory = 19 << 10
	}
	if p.passes == 0 {
		p.passes = 2
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("configuring argon2id: %w", err)
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 2
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	if cfg.ReleaseAfter == 0 {
		cfg.ReleaseAfter = 3 * time.Second
	}
	if cfg.Concurrent < 0 || cfg.Patience < 0 || cfg.ReleaseAfter < 0 {
		return nil, fmt.Errorf("configuring argon2id: %d at once, waiting %s, releasing after %s: none may be negative",
			cfg.Concurrent, cfg.Patience, cfg.ReleaseAfter)
	}
	return &Hasher{
		params:       p,
		patience:     cfg.Patience,
		turns:        make(chan struct{}, cfg.Concurrent),
		derive:       derive,
		releaseAfter: cfg.ReleaseAfter,
		release:      debug.FreeOSMemory,
	}, nil
}

func derive(password, salt []byte, p params, size uint32) []byte {
	return argon2.IDKey(password, salt, p.passes, p.memory, p.lanes, size)
}

// Hash returns the password's hash in PHC string format, with a salt of its own.
// It fails with a fault Unavailable when too many wait.
func (h *Hasher) Hash(password string) (string, error) {
	hash := phc{params: h.params, salt: make([]byte, saltBytes)}
	if _, err := rand.Read(hash.salt); err != nil {
		return "", fmt.Errorf("drawing a salt: %w", err)
	}
	var err error
	if hash.key, err = h.bounded(password, hash, keyBytes); err != nil {
		return "", err
	}
	return hash.String(), nil
}

// Verify reports whether the password is the hash's. An empty hash stands for an
// unknown user: it takes as long as one made by Hash and is never right. A hash
// that is not argon2id in PHC string format, or whose parameters would take more
// than is sensible, is an error. It fails with a fault Unavailable when too many
// wait.
func (h *Hasher) Verify(hash, password string) (bool, error) {
	stored := phc{params: h.params, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	if hash != "" {
		var err error
		if stored, err = parse(hash); err != nil {
			return false, fmt.Errorf("reading a password hash: %w", err)
		}
	}
	key, err := h.bounded(password, stored, uint32(len(stored.key))) //nolint:gosec // at most maxKey
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, stored.key) == 1 && hash != "", nil
}

// bounded derives a key when it is its turn.
func (h *Hasher) bounded(password string, hash phc, size uint32) ([]byte, error) {
	timer := time.NewTimer(h.patience)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
	case <-timer.C:
		return nil, fault.Retry(fault.Unavailable, h.patience, "Too many sign-ins are under way. Try again later.")
	}
	defer func() {
		<-h.turns
		h.releaseLater()
	}()
	return h.derive([]byte(password), hash.salt, hash.params, size), nil
}

// releaseLater gives the memory back once no hash was made for a while: the
// runtime alone keeps it for minutes, and on a small machine that is a third of
// what the whole program takes.
func (h *Hasher) releaseLater() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.idle == nil {
		h.idle = time.AfterFunc(h.releaseAfter, h.release)
		return
	}
	h.idle.Reset(h.releaseAfter)
}
