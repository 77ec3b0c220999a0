package argon2

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/test/contract"
)

// cheap is a hasher whose hashes take no time.
func cheap(t *testing.T, cfg Config) *Hasher {
	t.Helper()
	cfg.MemoryKiB, cfg.Passes = 8, 1
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAHasherKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Hasher(t, func(t *testing.T) identity.Hasher { return cheap(t, Config{}) })
}

func TestTheDefaultsAreWhatOWASPNamesForSmallMachines(t *testing.T) {
	t.Parallel()
	h, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash("Sonnenschein1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash is %q", hash)
	}
	if ok, err := h.Verify(hash, "Sonnenschein1"); !ok || err != nil {
		t.Errorf("verified: %t (%v)", ok, err)
	}
}

func TestAHashOfAnotherImplementationIsVerified(t *testing.T) {
	t.Parallel()
	// The reference implementation's own test: argon2id, v19, t=2, m=256 KiB, p=1,
	// password "password", salt "somesalt".
	const hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := cheap(t, Config{}).Verify(hash, "password"); !ok || err != nil {
		t.Errorf("verified: %t (%v)", ok, err)
	}
}

func TestAnUnknownUserTakesTheWorkOfAKnownOne(t *testing.T) {
	t.Parallel()
	h := cheap(t, Config{})
	known, err := h.Hash("Sonnenschein1")
	if err != nil {
		t.Fatal(err)
	}
	type work struct {
		params
		password, salt int
		key            uint32
	}
	var did []work
	h.derive = func(password, salt []byte, p params, size uint32) []byte {
		did = append(did, work{p, len(password), len(salt), size})
		return derive(password, salt, p, size)
	}
	for _, hash := range []string{known, ""} {
		for _, password := range []string{"Sonnenschein1", "Sonnenschein2"} {
			if _, err := h.Verify(hash, password); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, w := range did {
		if w != did[0] {
			t.Errorf("one try took %+v, another %+v", did[0], w)
		}
	}
	if len(did) != 4 {
		t.Errorf("%d derivations for 4 tries", len(did))
	}
}

func TestTheKeyOfAnUnknownUserCanNotBeMet(t *testing.T) {
	t.Parallel()
	h := cheap(t, Config{})
	h.derive = func(_, _ []byte, _ params, size uint32) []byte { return make([]byte, size) }
	if ok, err := h.Verify("", "any"); ok || err != nil {
		t.Errorf("verified: %t (%v), want never right", ok, err)
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := cheap(t, Config{Concurrent: 3, Patience: time.Hour})
		var now, most atomic.Int32
		h.derive = func(_, _ []byte, _ params, size uint32) []byte {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(time.Second)
			now.Add(-1)
			return make([]byte, size)
		}
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if _, err := h.Hash("Sonnenschein1"); err != nil {
					t.Errorf("hashing: %v", err)
				}
			})
		}
		all.Wait()
		if most.Load() != 3 {
			t.Errorf("%d hashes were made at once, want 3", most.Load())
		}
	})
}

func TestWhoWaitsTooLongIsToldToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := cheap(t, Config{Concurrent: 1, Patience: 2 * time.Second})
		h.derive = func(_, _ []byte, _ params, size uint32) []byte {
			<-time.After(10 * time.Second)
			return make([]byte, size)
		}
		var first sync.WaitGroup
		first.Go(func() { _, _ = h.Hash("Sonnenschein1") })
		synctest.Wait()
		if _, err := h.Verify("", "Sonnenschein1"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("waiting in vain: %v, want a fault Unavailable", err)
		}
		first.Wait()
	})
}

func TestMemoryIsGivenBackOnceNoHashWasMadeForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := cheap(t, Config{ReleaseAfter: 3 * time.Second})
		var released atomic.Int32
		h.release = func() { released.Add(1) }
		for range 5 {
			if _, err := h.Hash("Sonnenschein1"); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second)
		}
		if n := released.Load(); n != 0 {
			t.Errorf("released %d times while hashes were made", n)
		}
		<-time.After(time.Minute)
		if n := released.Load(); n != 1 {
			t.Errorf("released %d times afterwards, want once", n)
		}
	})
}

func TestAbsurdParametersAreRefused(t *testing.T) {
	t.Parallel()
	h := cheap(t, Config{})
	h.derive = func(_, _ []byte, _ params, size uint32) []byte {
		t.Error("a hash was computed")
		return make([]byte, size)
	}
	const salt, key = "c29tZXNhbHRzb21lc2FsdA", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for _, hash := range []string{
		"$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65537,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967296,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=7,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=31,t=2,p=4$" + salt + "$" + key,
		"$argon2id$v=19$m=0,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=17,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=5$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=257$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=-1$" + salt + "$" + key,
		"$argon2id$v=19$m=+8,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=08,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$t=2,m=8,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=8,t=2,p=1$" + salt + "$" + key,
		"$argon2i$v=19$m=8,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=8,t=2,p=1$$" + key,
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + key[:20],
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + key + "=",
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + key[:10] + "\n" + key[10:],
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + strings.Repeat("A", 300),
		" $argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=8,t=2,p=1$" + salt + "$" + key + "$",
	} {
		if ok, err := h.Verify(hash, "password"); ok || err == nil {
			t.Errorf("%s: %t (%v), want an error", hash, ok, err)
		} else if strings.Contains(err.Error(), key[:8]) {
			t.Errorf("the error shows the hash: %v", err)
		}
	}
}

func TestAWrongConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{MemoryKiB: 1 << 20}, {MemoryKiB: 1}, {Passes: 100}, {Concurrent: -1}, {Patience: -1}, {ReleaseAfter: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parse(text)
		if err != nil {
			return
		}
		if h.String() != text {
			t.Fatalf("%q is written as %q", text, h)
		}
		again, err := parse(h.String())
		if err != nil || !bytes.Equal(again.key, h.key) || again.params != h.params {
			t.Fatalf("%q is not read again as it was (%v)", text, err)
		}
		if h.check() != nil {
			t.Fatalf("%q asks for too much", text)
		}
	})
}
