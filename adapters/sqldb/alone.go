package sqldb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/google/uuid"

	"ampra/core/fault"
)

// maxTurns is how many acts one process runs alone at the same time, if its pool
// is large enough: each holds a connection to PostgreSQL, and most of them are for
// others. Acts about one thing take turns in any case.
const maxTurns = 4

// aloneClass is the first key of these acts' PostgreSQL locks.
const aloneClass = 0x616d7072

// newTurns are as many as a pool of that size can spare, at least one.
func newTurns(size int) []chan struct{} {
	turns := make([]chan struct{}, min(max(size/4, 1), maxTurns))
	for i := range turns {
		turns[i] = make(chan struct{}, 1)
	}
	return turns
}

// Alone runs act while no process on this database runs another one about the same
// thing. It opens no transaction: act may take its time, and others write
// meanwhile. A connection to PostgreSQL that breaks ends the exclusion without a
// word, so act must be harmless when it comes to an end beside another one.
func (d *DB) Alone(ctx context.Context, about uuid.UUID, act func(ctx context.Context) error) error {
	hash := fnv.New32a()
	_, _ = hash.Write(about[:])
	key := hash.Sum32()
	turn := d.turns[key%uint32(len(d.turns))] //nolint:gosec // a few
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "Others are at it.")
	}
	defer func() { <-turn }()
	if !d.IsPostgres() { // its file belongs to one process
		return act(ctx)
	}
	return d.locked(ctx, int32(key), act) //nolint:gosec // bits, not a number
}

func (d *DB) locked(ctx context.Context, key int32, act func(ctx context.Context) error) (err error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting for a lock: %w", translate(err))
	}
	defer func() { err = errors.Join(err, translate(conn.Close())) }()
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock(?, ?)", aloneClass, key); err != nil {
		return fmt.Errorf("waiting for another process: %w", translate(err))
	}
	defer func() {
		// Also when ctx is over: a pooled connection must not keep the lock.
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		if _, failed := conn.ExecContext(free, "select pg_advisory_unlock(?, ?)", aloneClass, key); failed != nil {
			err = errors.Join(err, fmt.Errorf("freeing a lock: %w", translate(failed)))
		}
	}()
	return act(ctx)
}
