package secretbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const ownerOnly fs.FileMode = 0o600

// Generate makes a key file with one key. A path where something is already is an
// error, and nothing is changed then.
func Generate(path string) error {
	var r keyring
	if err := r.add(time.Now()); err != nil {
		return err
	}
	return create(path, format(r), os.Link)
}

// Rotate adds a key to the file, makes it the current one and returns its id. The
// keys before it stay, since boxes that they sealed have to be opened. Whoever
// reads the file meanwhile, or after a power cut, sees the old one or the new.
func Rotate(path string) (id string, err error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("rotating keys: %w", err)
	}
	err = replace(target, func(data []byte) ([]byte, error) {
		r, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("key file %s: %w", path, err)
		}
		if len(r.keys) == maxKeys {
			return nil, fmt.Errorf("key file %s: it has %d keys, as many as it can have", path, maxKeys)
		}
		err = r.add(time.Now())
		id = r.current
		return format(r), err
	})
	if err != nil {
		return "", fmt.Errorf("rotating keys: %w", err)
	}
	return id, nil
}

// add draws a key and makes it the current one.
func (r *keyring) add(now time.Time) error {
	k := key{created: now.UTC().Truncate(time.Second)}
	for k.id == "" || r.has(k.id) {
		var id [4]byte
		if _, err := rand.Read(id[:]); err != nil {
			return fmt.Errorf("drawing a key id: %w", err)
		}
		k.id = "k" + hex.EncodeToString(id[:])
	}
	if _, err := rand.Read(k.secret[:]); err != nil {
		return fmt.Errorf("drawing a key: %w", err)
	}
	r.keys = append(r.keys, k)
	r.current = k.id
	return nil
}

// read returns a key file's bytes when its owner alone may read it. What is
// checked is the open file, so that nobody exchanges it in between.
func read(path string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key file: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("the key file %s is not a file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, nil, fmt.Errorf("the key file %s is open to others than its owner (mode %04o): run \"chmod 600 %s\", "+
			"and if others may have read it, run \"ampra keys rotate\"", path, info.Mode().Perm(), path)
	case info.Size() > maxFile:
		return nil, nil, fmt.Errorf("the key file %s has %d bytes, more than a key file can have", path, info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key file: %w", err)
	}
	return data, info, nil
}

// create puts data at a path where nothing is. A link appears whole or not at
// all and never replaces a file; where a file system has none, the file is
// written in its place.
func create(path string, data []byte, link func(old, path string) error) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".ampra-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // what is left over harms nobody
	if err := fill(temp, data); err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	err = link(temp.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly); err == nil {
			err = fill(f, data)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making a key file: %s exists and is not overwritten: its keys open what they sealed: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	return syncDir(dir)
}

// replace puts what change makes of a file's data in its place. The new file has
// a fixed name and is made before the old one is read: that keeps a second
// rotation out, and of two at once neither loses its key.
func replace(path string, change func([]byte) ([]byte, error)) error {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("another rotation is under way; if none is, one was interrupted: remove %s and try again", next)
	}
	if err != nil {
		return err
	}
	data, old, err := read(path)
	if err == nil {
		data, err = change(data)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(next))
	}
	if err = fill(f, data); err == nil {
		err = keepOwner(next, old)
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncDir(filepath.Dir(path))
}

// fill writes a file, brings it to the disk and closes it.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir brings a folder's names to the disk.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder can't be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
