package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// diskSize is the size of the small file system, in MB.
const diskSize = 24

// diskFull fills the file system below an embedded installation, twice, with a
// file beside its own.
func diskFull(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	disk := filepath.Join(t.folder, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		return err
	}
	unmount, err := mountSmall(disk, diskSize)
	if err != nil {
		return fmt.Errorf("%w: a small file system is mounted as root on Linux only: %w", errLacking, err)
	}
	defer unmount()
	data := filepath.Join(disk, "data")
	p := t.o.paced()
	p.strict = true
	return t.inHouse(ctx, embedded, map[string]string{"AMPRA_DATA": data}, r, random, p, func(ctx context.Context, h *house, f *fleet) error {
		for range 2 {
			r.faults++
			if err := fullOnce(ctx, t, r, h, f, filepath.Join(disk, "ballast")); err != nil {
				return err
			}
		}
		return nil
	})
}

func fullOnce(ctx context.Context, t *trial, r *result, h *house, f *fleet, ballast string) error {
	refusedBefore, logBefore := f.troubles.unavailable.Load(), len(h.api().said(1<<20))
	if err := fill(ballast); err != nil {
		return err
	}
	t.say("the disk is full")
	s := newSpell(f, h.api())
	s.lasts(ctx, 3*time.Second) // what room the store has left in its own files
	if n := s.lasts(ctx, 6*time.Second); n > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d readings found room on the full disk", n))
	}
	says(ctx, r, h.api(), "archive")
	if log := h.api().said(1 << 20)[logBefore:]; !strings.Contains(log, "full") {
		r.complain(errors.New("the log does not say that the disk is full"))
	}
	if f.troubles.unavailable.Load() == refusedBefore {
		r.complain(errors.New("no webhook was answered with 503"))
	}
	s.judge(r)
	if err := os.Remove(ballast); err != nil {
		return err
	}
	t.say("there is room again")
	if s.lasts(ctx, 10*time.Second) == 0 {
		r.complain(errors.New("nothing was acknowledged within 10 s of room"))
	}
	status, text, err := h.api().ask(ctx, "/readyz")
	r.complain(err)
	if status != http.StatusOK {
		r.complain(fmt.Errorf("with room again /readyz says %d: %s", status, text))
	}
	return nil
}

// fill writes a file until nothing more finds room.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if _, err := file.Write(piece); err != nil {
			piece = piece[:len(piece)/2]
		}
	}
	return file.Close()
}
