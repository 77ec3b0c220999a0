package contract

import (
	"testing"

	"ampra/core/identity"
)

// SetupTokens runs what every identity.SetupTokens promises. open is called once
// and must open an empty store.
func SetupTokens(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	r := open(t)
	matches := func(t *testing.T, digest identity.Digest, want bool) {
		t.Helper()
		got, err := r.SetupTokens.Matches(t.Context(), digest)
		must(t, err)
		if got != want {
			t.Errorf("matches: %v, want %v", got, want)
		}
	}
	t.Run("nothing matches before the first", func(t *testing.T) {
		matches(t, identity.Digest{}, false)
		matches(t, randomDigest(), false)
	})
	t.Run("only the token that was put last matches", func(t *testing.T) {
		first, second := identity.Digest(randomDigest()), identity.Digest(randomDigest())
		must(t, r.SetupTokens.Put(t.Context(), first))
		matches(t, first, true)
		must(t, r.SetupTokens.Put(t.Context(), second))
		matches(t, second, true)
		matches(t, first, false)
		matches(t, identity.Digest{}, false)
	})
}
