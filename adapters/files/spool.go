// Package files keeps what is too large for memory in files on disk, for as long
// as it is worked on. Nothing here is found again after a restart.
package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ampra/core/fault"
)

// Spool makes temporary files in one folder.
type Spool struct{ folder string }

// NewSpool returns a spool in a folder, which is made when it is needed.
func NewSpool(folder string) *Spool { return &Spool{folder} }

const prefix = "spool-"

// left is how old a file is of which nobody works any more.
const left = 48 * time.Hour

// Create makes an empty file that is gone when it is closed, or when the process
// ends where the system allows that.
func (s *Spool) Create() (*File, error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The file can't be kept on disk now.")
	}
	f, err := os.CreateTemp(s.folder, prefix+"*")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The file can't be kept on disk now.")
	}
	return &File{f, os.Remove(f.Name()) == nil}, nil
}

// Sweep removes what earlier processes left behind.
func (s *Spool) Sweep(now time.Time) error {
	entries, err := os.ReadDir(s.folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweeping temporary files: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), prefix) && now.Sub(info.ModTime()) > left {
			_ = os.Remove(filepath.Join(s.folder, e.Name()))
		}
	}
	return nil
}

// File is a temporary file.
type File struct {
	*os.File
	unlinked bool
}

// Close closes the file, which is gone then.
func (f *File) Close() error {
	err := f.File.Close()
	if !f.unlinked {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
