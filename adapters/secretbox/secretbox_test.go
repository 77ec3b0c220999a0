package secretbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ampra/adapters/secretbox"
	"ampra/core/credential"
	"ampra/test/contract"
)

// generate makes a key file and loads it.
func generate(t *testing.T) (path string, box *secretbox.Box) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	if err := secretbox.Generate(path); err != nil {
		t.Fatalf("generating: %v", err)
	}
	return path, load(t, path)
}

func load(t *testing.T, path string) *secretbox.Box {
	t.Helper()
	box, err := secretbox.Load(path)
	if err != nil {
		t.Fatalf("loading: %v", err)
	}
	return box
}

func seal(t *testing.T, box *secretbox.Box, plain string) credential.Sealed {
	t.Helper()
	sealed, err := box.Seal([]byte(plain), []byte("row"))
	if err != nil {
		t.Fatalf("sealing: %v", err)
	}
	return sealed
}

func TestABoxKeepsTheSealersContract(t *testing.T) {
	t.Parallel()
	contract.Sealer(t, func(t *testing.T) credential.Sealer {
		_, box := generate(t)
		return box
	})
}

func TestTheErrorSaysWhyABoxDoesNotOpen(t *testing.T) {
	t.Parallel()
	_, box := generate(t)
	sealed := seal(t, box, "secret")
	unknown, changed := sealed, sealed
	unknown.KeyID = "k00000000"
	changed.Box = append(bytes.Clone(sealed.Box[:len(sealed.Box)-1]), sealed.Box[len(sealed.Box)-1]^1)
	for name, c := range map[string]struct {
		sealed     credential.Sealed
		associated string
		want       error
	}{
		"an unknown key": {unknown, "row", secretbox.ErrUnknownKey},
		"a changed box":  {changed, "row", secretbox.ErrAltered},
		"an empty box":   {credential.Sealed{KeyID: sealed.KeyID}, "row", secretbox.ErrAltered},
		"a foreign row":  {sealed, "other row", secretbox.ErrAltered},
	} {
		if _, err := box.Open(c.sealed, []byte(c.associated)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAKeyFileIsTextThatItsOwnerAloneMayRead(t *testing.T) {
	t.Parallel()
	path, box := generate(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %04o, want 0600", info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "ampra-key-file 1\n#") || !strings.Contains(text, "\ncurrent "+box.CurrentKey()+"\n") {
		t.Errorf("the file begins %q", text[:min(len(text), 300)])
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v), want the key file alone", left, err)
	}
}

func TestGenerateOverwritesNothing(t *testing.T) {
	t.Parallel()
	path, _ := generate(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := secretbox.Generate(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("generating again: %v, want fs.ErrExist", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestOfManyThatGenerateAtOnceOneMakesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	var made sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		made.Go(func() { errs[i] = secretbox.Generate(path) })
	}
	made.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Errorf("a later one got %v, want fs.ErrExist", err)
		}
	}
	if won != 1 {
		t.Errorf("%d made the file, want 1", won)
	}
	load(t, path)
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	path, _ := generate(t)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o620, 0o660, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := secretbox.Load(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v, want an error that says what to do", mode, err)
		}
		if _, err := secretbox.Rotate(path); err == nil {
			t.Errorf("mode %04o: rotated", mode)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := secretbox.Load(path); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestWhatIsNoKeyFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := secretbox.Load(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v, want fs.ErrNotExist", err)
	}
	if _, err := secretbox.Load(dir); err == nil {
		t.Error("a folder was loaded")
	}
	huge := filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, bytes.Repeat([]byte("#\n"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secretbox.Load(huge); err == nil {
		t.Error("a file of 2 MiB was loaded")
	}
}

func TestRotateAddsACurrentKeyAndKeepsTheOld(t *testing.T) {
	t.Parallel()
	path, box := generate(t)
	old := seal(t, box, "old")
	id, err := secretbox.Rotate(path)
	if err != nil {
		t.Fatalf("rotating: %v", err)
	}
	rotated := load(t, path)
	if rotated.CurrentKey() != id || id == old.KeyID {
		t.Errorf("current is %q, rotated to %q from %q", rotated.CurrentKey(), id, old.KeyID)
	}
	if plain, err := rotated.Open(old, []byte("row")); err != nil || string(plain) != "old" {
		t.Errorf("an old box opens to %q (%v)", plain, err)
	}
	if fresh := seal(t, rotated, "new"); fresh.KeyID != id {
		t.Errorf("sealed with %q, want %q", fresh.KeyID, id)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestAProcessThatLoadedBeforeARotationOpensWhatTheNewKeySealed(t *testing.T) {
	t.Parallel()
	path, running := generate(t)
	for range 3 {
		id, err := secretbox.Rotate(path)
		if err != nil {
			t.Fatalf("rotating: %v", err)
		}
		sealed := seal(t, load(t, path), "new")
		if plain, err := running.Open(sealed, []byte("row")); err != nil || string(plain) != "new" {
			t.Errorf("opens to %q (%v)", plain, err)
		}
		if running.CurrentKey() != id {
			t.Errorf("current is %q, want %q", running.CurrentKey(), id)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, running, "kept")
	if _, err := running.Open(sealed, []byte("row")); err != nil {
		t.Errorf("a known key needs the file: %v", err)
	}
	sealed.KeyID = "k00000000"
	if _, err := running.Open(sealed, []byte("row")); !errors.Is(err, secretbox.ErrUnknownKey) {
		t.Errorf("an unknown key without the file: %v, want ErrUnknownKey", err)
	}
}

func TestOfManyRotationsAtOnceNoneLosesItsKey(t *testing.T) {
	t.Parallel()
	path, _ := generate(t)
	var rotations sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		rotations.Go(func() {
			if id, err := secretbox.Rotate(path); err == nil {
				ids[i] = id
			}
		})
	}
	rotations.Wait()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, id := range ids {
		if id == "" {
			continue // another one was under way
		}
		done++
		if !strings.Contains(string(data), fmt.Sprintf("\nkey %s ", id)) {
			t.Errorf("the key %s is lost", id)
		}
	}
	if done == 0 {
		t.Error("none rotated")
	}
	load(t, path)
}

func TestAnInterruptedRotationIsNamedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	path, box := generate(t)
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secretbox.Rotate(path); err == nil || !strings.Contains(err.Error(), path+".new") {
		t.Errorf("rotating: %v, want an error that names the file in the way", err)
	}
	if got := load(t, path).CurrentKey(); got != box.CurrentKey() {
		t.Errorf("current is %q, want %q", got, box.CurrentKey())
	}
}

func TestRotateThroughALinkReplacesTheFileItself(t *testing.T) {
	t.Parallel()
	path, _ := generate(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	id, err := secretbox.Rotate(link)
	if err != nil {
		t.Fatalf("rotating: %v", err)
	}
	if got := load(t, path).CurrentKey(); got != id {
		t.Errorf("the file's current key is %q, want %q", got, id)
	}
}
