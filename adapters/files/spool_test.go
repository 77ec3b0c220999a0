package files_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ampra/adapters/files"
)

func entries(t *testing.T, folder string) []os.DirEntry {
	t.Helper()
	found, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASpooledFileIsReadAgainAndGoneWhenItIsClosed(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "uploads")
	f, err := files.NewSpool(folder).Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "some rows"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(f); err != nil || string(all) != "some rows" {
		t.Errorf("read %q, %v", all, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := entries(t, folder); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestWhatEarlierProcessesLeftIsSweptAndNothingElse(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"spool-old", "spool-new", "mine-old"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for _, name := range []string{"spool-old", "mine-old"} {
		if err := os.Chtimes(filepath.Join(folder, name), now, now.Add(-72*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.NewSpool(folder).Sweep(now); err != nil {
		t.Fatal(err)
	}
	if left := entries(t, folder); len(left) != 2 || left[0].Name() != "mine-old" || left[1].Name() != "spool-new" {
		t.Errorf("left is %v", left)
	}
	if err := files.NewSpool(filepath.Join(folder, "missing")).Sweep(now); err != nil {
		t.Errorf("without a folder: %v", err)
	}
}

func TestAFolderThatCanNotBeMadeIsAPassingFault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := files.NewSpool(filepath.Join(file, "below")).Create(); err == nil {
		t.Error("a file was made below a file")
	}
}
