package contract

import (
	"strings"
	"testing"

	"ampra/core/identity"
)

// Hasher runs what every identity.Hasher promises.
func Hasher(t *testing.T, open func(t *testing.T) identity.Hasher) {
	t.Helper()
	h := open(t)
	check := func(t *testing.T, hash, password string, want bool) {
		t.Helper()
		ok, err := h.Verify(hash, password)
		if err != nil || ok != want {
			t.Errorf("%q against its hash: %t (%v), want %t", password, ok, err, want)
		}
	}
	hash := func(t *testing.T, password string) string {
		t.Helper()
		text, err := h.Hash(password)
		if err != nil {
			t.Fatalf("hashing: %v", err)
		}
		return text
	}
	t.Run("a password is right against its own hash alone", func(t *testing.T) {
		one := hash(t, "Sonnenschein1")
		check(t, one, "Sonnenschein1", true)
		for _, wrong := range []string{"", "sonnenschein1", "Sonnenschein1 ", "Sonnenschein", "Sonnenschein1\x00"} {
			check(t, one, wrong, false)
		}
	})
	t.Run("any text can be a password", func(t *testing.T) {
		for _, password := range []string{"", "Grüße aus 東京 9", strings.Repeat("A1a", 85), "nul\x00inside"} {
			check(t, hash(t, password), password, true)
		}
		check(t, hash(t, "nul\x00inside"), "nul\x00outside", false)
	})
	t.Run("two hashes of one password differ and don't show it", func(t *testing.T) {
		one, two := hash(t, "Sonnenschein1"), hash(t, "Sonnenschein1")
		if one == two || strings.Contains(one, "Sonnenschein") {
			t.Errorf("hashes are %q and %q", one, two)
		}
	})
	t.Run("the empty hash of an unknown user is never right", func(t *testing.T) {
		check(t, "", "", false)
		check(t, "", "Sonnenschein1", false)
	})
	t.Run("what is no hash is an error", func(t *testing.T) {
		for _, text := range []string{"Sonnenschein1", "$", hash(t, "a") + "x$", strings.Repeat("$", 5)} {
			if ok, err := h.Verify(text, "Sonnenschein1"); ok || err == nil {
				t.Errorf("%q: %t (%v), want an error", text, ok, err)
			}
		}
	})
}
