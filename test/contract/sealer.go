package contract

import (
	"bytes"
	"testing"

	"ampra/core/credential"
)

// Sealer runs what every credential.Sealer promises.
func Sealer(t *testing.T, open func(t *testing.T) credential.Sealer) {
	t.Helper()
	sealer := open(t)
	row, other := []byte("ampra/credential/1/2"), []byte("ampra/credential/1/3")
	seal := func(t *testing.T, plain []byte) credential.Sealed {
		t.Helper()
		sealed, err := sealer.Seal(plain, row)
		if err != nil {
			t.Fatalf("sealing: %v", err)
		}
		return sealed
	}
	plain := []byte("wh_a secret with ünïcode and \x00")

	t.Run("what was sealed opens", func(t *testing.T) {
		for _, plain := range [][]byte{plain, {}, bytes.Repeat([]byte("x"), 4096)} {
			sealed := seal(t, plain)
			if sealed.KeyID != sealer.CurrentKey() || sealed.KeyID == "" {
				t.Errorf("sealed with the key %q, current is %q", sealed.KeyID, sealer.CurrentKey())
			}
			got, err := sealer.Open(sealed, row)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("opened to %q (%v), want %q", got, err, plain)
			}
		}
	})
	t.Run("a box shows nothing and is never the same twice", func(t *testing.T) {
		one, two := seal(t, plain), seal(t, plain)
		if bytes.Equal(one.Box, two.Box) {
			t.Error("two boxes of one secret are the same")
		}
		if bytes.Contains(one.Box, plain) || bytes.Contains(one.Box, plain[:8]) {
			t.Error("the box holds the secret in the clear")
		}
	})
	t.Run("a box of another row does not open", func(t *testing.T) {
		for _, associated := range [][]byte{other, nil, row[:len(row)-1]} {
			if got, err := sealer.Open(seal(t, plain), associated); err == nil {
				t.Errorf("opened to %q with the associated data %q", got, associated)
			}
		}
	})
	t.Run("a changed box does not open", func(t *testing.T) {
		sealed := seal(t, plain)
		for i := range sealed.Box {
			changed := bytes.Clone(sealed.Box)
			changed[i] ^= 1
			if _, err := sealer.Open(credential.Sealed{KeyID: sealed.KeyID, Box: changed}, row); err == nil {
				t.Errorf("opened with byte %d changed", i)
			}
			if _, err := sealer.Open(credential.Sealed{KeyID: sealed.KeyID, Box: sealed.Box[:i]}, row); err == nil {
				t.Errorf("opened with %d of %d bytes", i, len(sealed.Box))
			}
		}
	})
	t.Run("a box of an unknown key does not open", func(t *testing.T) {
		sealed := seal(t, plain)
		sealed.KeyID = "unknown"
		if _, err := sealer.Open(sealed, row); err == nil {
			t.Error("opened")
		}
	})
}
