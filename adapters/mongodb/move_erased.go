package mongodb

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// eraseTogether is how many sources a mover erases in one command, which has a
// time of its own: a day may have seen any number of them go.
const eraseTogether = 200

// eraseAgain deletes the readings of sources that were erased since the batch was
// read: it may have brought them back.
func (r *round) eraseAgain(ctx context.Context) error {
	now, err := r.sources(ctx)
	if err != nil {
		return err
	}
	var since []uuid.UUID
	for source := range now {
		if !r.erased[source] {
			since = append(since, source)
		}
	}
	if err := r.eraseAll(ctx, since); err != nil {
		return err
	}
	r.erased = now
	return nil
}

// eraseAll deletes what the series has of sources, and keeps the lease meanwhile. A
// mover that has lost it deletes all the same: it may have written some of it.
func (r *round) eraseAll(ctx context.Context, sources []uuid.UUID) error {
	var lost error
	for chunk := range slices.Chunk(sources, eraseTogether) {
		if err := r.eraseSome(ctx, chunk); err != nil {
			return fmt.Errorf("erasing readings again: %w", err)
		}
		if len(sources) > eraseTogether && lost == nil {
			lost = r.note(ctx)
		}
	}
	return lost
}

func (r *round) eraseSome(ctx context.Context, sources []uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, r.archive.cfg.Timeout)
	defer cancel()
	return eraseMoved(ctx, r.lease.db, sources...)
}

func (r *round) sources(ctx context.Context) (map[uuid.UUID]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.archive.cfg.Timeout)
	defer cancel()
	return erasedSources(ctx, r.lease.db)
}
