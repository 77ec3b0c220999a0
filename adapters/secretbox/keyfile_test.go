package secretbox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ampra/core/credential"
)

const sample = `ampra-key-file 1
# a comment

current kb
key ka 2026-01-02T03:04:05Z AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
key kb 2026-02-02T03:04:05Z AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
`

func TestAKeyFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	r, err := parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if r.current != "kb" || len(r.keys) != 2 || r.keys[1].id != "kb" || r.keys[1].secret[31] != 1 {
		t.Errorf("read %d keys, current %q", len(r.keys), r.current)
	}
	again, err := parse(format(r))
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("written and read again it differs (%v)", err)
	}
	if _, err := parse([]byte(strings.ReplaceAll(sample, "\n", "\r\n"))); err != nil {
		t.Errorf("an editor's line ends: %v", err)
	}
}

func TestAKeyFilesErrorNamesTheLineAndShowsNoKey(t *testing.T) {
	t.Parallel()
	const secret = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	replace := func(old, text string) string { return strings.Replace(sample, old, text, 1) }
	for name, c := range map[string]struct{ file, want string }{
		"empty":               {"", "no key file"},
		"something else":      {"-----BEGIN PRIVATE KEY-----\n", "no key file"},
		"a newer version":     {replace("file 1", "file 2"), "newer"},
		"no key":              {"ampra-key-file 1\ncurrent ka\n", "no key"},
		"no current key":      {replace("current kb\n", ""), "current"},
		"two current keys":    {replace("current kb\n", "current ka\ncurrent kb\n"), "line 5"},
		"an absent current":   {replace("current kb", "current kc"), "current key"},
		"a key twice":         {replace("key ka", "key kb"), "line 6"},
		"a key without time":  {replace(" 2026-02-02T03:04:05Z", ""), "line 6"},
		"a wrong time":        {replace("2026-02-02T03:04:05Z", "yesterday"), "line 6"},
		"a short key":         {replace(secret, secret[4:]), "line 6"},
		"a long key":          {replace(secret, "AQEB"+secret), "line 6"},
		"no base64":           {replace(secret, "!"+secret[1:]), "line 6"},
		"loose padding bits":  {replace(secret, secret[:42]+"F="), "line 6"},
		"an unknown line":     {sample + "keys " + secret + "\n", "line 7"},
		"a wrong id":          {replace("key kb", "key K_b"), "line 6"},
		"a long id":           {replace("current kb", "current "+strings.Repeat("k", 33)), "line 4"},
		"an empty current id": {replace("current kb", "current "), "line 4"},
	} {
		_, err := parse([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "AQEBAQEB") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestAFileSystemWithoutLinksGetsItsKeyFileToo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	noLinks := func(string, string) error { return errors.ErrUnsupported }
	if err := create(path, []byte(sample), noLinks); err != nil {
		t.Fatalf("making the file: %v", err)
	}
	if _, err := Load(path); err != nil {
		t.Errorf("loading: %v", err)
	}
	if err := create(path, []byte("other"), noLinks); !errors.Is(err, fs.ErrExist) {
		t.Errorf("making it again: %v, want fs.ErrExist", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != sample {
		t.Errorf("the file was changed (%v)", err)
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("ampra-key-file 1\ncurrent \nkey  \n"))
	f.Add([]byte("ampra-key-file 1\r\n#\r\ncurrent a\r\nkey a 0001-01-01T00:00:00+23:59 AAAA\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		if !r.has(r.current) || len(r.keys) == 0 {
			t.Fatal("a key file without a current key was taken")
		}
		again, err := parse(format(r))
		if err != nil {
			t.Fatalf("what was read can't be written and read again: %v", err)
		}
		for i, k := range r.keys {
			if again.keys[i].id != k.id || again.keys[i].secret != k.secret {
				t.Fatal("a key is not the same after writing and reading it")
			}
		}
	})
}

// genuineBox is what the sample's key kb seals with a nonce of zeros: the same in
// every process that fuzzes.
func genuineBox(f *testing.F) []byte {
	f.Helper()
	block, err := aes.NewCipher(bytes.Repeat([]byte{1}, keyBytes))
	if err != nil {
		f.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		f.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(nonce, nonce, []byte("secret"), []byte("row")) //nolint:gosec // a test needs a fixed box
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "key")
	if err := os.WriteFile(path, []byte(sample), ownerOnly); err != nil {
		f.Fatal(err)
	}
	box, err := Load(path)
	if err != nil {
		f.Fatal(err)
	}
	genuine := genuineBox(f)
	if plain, err := box.Open(credential.Sealed{KeyID: "kb", Box: genuine}, []byte("row")); err != nil || string(plain) != "secret" {
		f.Fatalf("the genuine box opens to %q (%v)", plain, err)
	}
	f.Add("kb", genuine, []byte("row"))
	f.Add("ka", genuine, []byte("row"))
	f.Add("kb", genuine[:12], []byte("row"))
	f.Add("", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, id string, data, associated []byte) {
		plain, err := box.Open(credential.Sealed{KeyID: id, Box: data}, associated)
		own := id == "kb" && bytes.Equal(data, genuine) && bytes.Equal(associated, []byte("row"))
		switch {
		case err == nil && !own:
			t.Fatalf("a forged box opened to %q", plain)
		case err != nil && !errors.Is(err, ErrUnknownKey) && !errors.Is(err, ErrAltered):
			t.Fatalf("the error says not why: %v", err)
		}
	})
}

func TestAKeysTimeIsWhenItWasMade(t *testing.T) {
	t.Parallel()
	var r keyring
	now := time.Date(2026, time.May, 4, 3, 2, 1, 999, time.FixedZone("", 3600))
	if err := r.add(now); err != nil {
		t.Fatal(err)
	}
	if got := string(format(r)); !strings.Contains(got, " 2026-05-04T02:02:01Z ") {
		t.Errorf("the time is not in the file: %d bytes", len(got))
	}
}
