package stack

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAProgramIsKeptOnceItIsWhole(t *testing.T) {
	t.Parallel()
	p := &programs{folder: filepath.Join(t.TempDir(), "cache")}
	torn := errors.New("the line went down")
	if _, err := p.keep("server", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), torn)
	}); !errors.Is(err, torn) {
		t.Fatalf("a broken download gives %v", err)
	}
	fills := 0
	for range 2 {
		dir, err := p.keep("server", func(dir string) error {
			fills++
			return os.WriteFile(filepath.Join(dir, "program"), nil, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != "program" {
			t.Errorf("the folder holds %v, %v", entries, err)
		}
	}
	if fills != 1 {
		t.Errorf("it was fetched %d times, want once", fills)
	}
}

func TestTheNewestProgramOfAFolderIsTaken(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"14", "15"} {
		dir := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ampra-no-such-program"), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"ampra-no-such-program"}
	if got, want := onPath(names, filepath.Join(root, "*", "bin")), filepath.Join(root, "15", "bin", names[0]); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if got := onPath(names, filepath.Join(root, "none")); got != "" {
		t.Errorf("found %q where nothing is", got)
	}
}
