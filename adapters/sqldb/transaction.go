package sqldb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"ampra/core/transaction"
)

var _ transaction.Runner = (*DB)(nil)

// How often a transaction that met another one is tried, and how long the first
// pause is; each further pause is twice as long.
const (
	maxTries   = 6
	firstPause = 5 * time.Millisecond
)

// txKey finds a DB's own transaction in a context.
type txKey struct{ db *DB }

// openTx is a transaction, or a part of one behind a savepoint.
type openTx struct {
	tx    bun.Tx
	after []func() // to be called once the outermost has committed
}

// conn is what writes with ctx go through: its transaction, or the pool.
func (d *DB) conn(ctx context.Context) bun.IDB {
	if open, ok := d.open(ctx); ok {
		return open.tx
	}
	return d.write
}

// reader is what reads with ctx go through: its transaction, so that it sees its
// own writes, or the pool for reading.
func (d *DB) reader(ctx context.Context) bun.IDB {
	if open, ok := d.open(ctx); ok {
		return open.tx
	}
	return d.read
}

func (d *DB) open(ctx context.Context) (*openTx, bool) {
	open, ok := ctx.Value(txKey{d}).(*openTx)
	return open, ok
}

// onCommit has f called once what ctx's transaction writes is committed, in the
// order of the calls; never when it rolls back. Without a transaction it is
// called at once.
func (d *DB) onCommit(ctx context.Context, f func()) {
	if open, ok := d.open(ctx); ok {
		open.after = append(open.after, f)
		return
	}
	f()
}

// Run runs act in a transaction, as transaction.Runner says. Inside another Run
// it is a part of that one: when act fails, only what act wrote is undone, and
// the outer act decides about the rest. Work on one context's transaction is not
// for several goroutines at once.
func (d *DB) Run(ctx context.Context, act func(ctx context.Context) error) error {
	if outer, ok := d.open(ctx); ok {
		return d.join(ctx, outer, act)
	}
	pause := firstPause
	for try := 1; ; try++ {
		err := d.once(ctx, act)
		if err == nil || try == maxTries || !collided(err) {
			return err
		}
		if !wait(ctx, pause/2+rand.N(pause)) { //nolint:gosec // spreads the tries, keeps no secret
			return err
		}
		pause *= 2
	}
}

// once is one try of a whole transaction.
func (d *DB) once(ctx context.Context, act func(ctx context.Context) error) error {
	open := &openTx{}
	var failed error
	err := d.write.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error {
		open.tx = tx
		failed = act(context.WithValue(ctx, txKey{d}, open))
		return failed
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("running a transaction: %w", translate(err))
	}
	for _, f := range open.after {
		f()
	}
	return nil
}

// join runs act behind a savepoint of the outer transaction.
func (d *DB) join(ctx context.Context, outer *openTx, act func(ctx context.Context) error) error {
	inner := &openTx{}
	var failed error
	err := outer.tx.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error {
		inner.tx = tx
		failed = act(context.WithValue(ctx, txKey{d}, inner))
		return failed
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("running a part of a transaction: %w", translate(err))
	}
	outer.after = append(outer.after, inner.after...)
	return nil
}

// wait pauses and reports whether ctx is still alive.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
