package sqldb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How a process stays a member on PostgreSQL. One connection, which nothing else
// uses, listens for changes and renews the lease, so that a busy pool delays
// neither. The lease is counted by the server's clock from when the renewal
// arrives there; here it is counted from before the renewal was sent, and a fifth
// less. So this process stops trusting before anyone stops waiting for it.

func (c FeedConfig) renewEvery() time.Duration { return c.Lease / 5 }

func (c FeedConfig) trustFrom(sent time.Time) *trust {
	until := sent.Add(c.Lease - c.Lease/5)
	return &trust{until: until, wall: until.Round(0)}
}

// keepLease stays a member until ctx ends, over any number of connections.
func (f *Feed) keepLease(ctx context.Context) {
	const first, most = 50 * time.Millisecond, time.Second
	pause := first
	for {
		began := time.Now()
		err := f.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > f.cfg.Lease {
			pause = first // it was well in between
		}
		if pause == first {
			f.log.WarnContext(ctx, "the change feed lost its connection and tries to get it back", "error", err)
		}
		if !wait(ctx, pause) {
			return
		}
		pause = min(2*pause, most)
	}
}

// listen connects, and hears of changes and renews the lease until the connection
// fails or ctx ends.
func (f *Feed) listen(ctx context.Context) (err error) {
	conn, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// Also when ctx is over: the server is told, and the socket is closed.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.renewEvery())
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	var renewed time.Time
	for {
		if time.Since(renewed) >= f.cfg.renewEvery() {
			renewed = time.Now()
			if err := f.renew(ctx, conn); err != nil {
				return fmt.Errorf("renewing the lease: %w", err)
			}
		}
		waiting, cancel := context.WithDeadline(ctx, renewed.Add(f.cfg.renewEvery()))
		_, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil:
			f.kick()
		case ctx.Err() != nil:
			return ctx.Err()
		case !pgconn.Timeout(err):
			return fmt.Errorf("listening for changes: %w", err)
		}
	}
}

// connect opens the connection and begins to listen on it. What is committed from
// here on is notified, what was committed before is looked for.
func (f *Feed) connect(ctx context.Context) (*pgx.Conn, error) {
	config := f.db.pg.Copy()
	config.RuntimeParams["application_name"] = "ampra feed"
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Lease)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to listen: %w", err)
	}
	if _, err := conn.Exec(ctx, "listen "+changesChannel); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for changes: %w", err), conn.Close(ctx))
	}
	f.kick()
	return conn, nil
}

// renew prolongs the lease. A lease that is over was perhaps not waited for: then
// this process joins anew, behind all that was committed until then.
func (f *Feed) renew(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 2*f.cfg.renewEvery())
	defer cancel()
	sent := time.Now()
	done, err := conn.Exec(ctx, `update feed_members
		set lease_until = clock_timestamp() + $2::float8 * interval '1 second', applied_seq = greatest(applied_seq, $3::bigint)
		where id = $1::uuid and lease_until > clock_timestamp()`,
		f.id.String(), f.cfg.Lease.Seconds(), f.position())
	if err != nil {
		return err
	}
	if done.RowsAffected() == 1 {
		f.renewed(f.cfg.trustFrom(sent))
		return nil
	}
	return f.enter(ctx, conn)
}

// enter makes this process a member that others wait for, and only then asks what
// was committed before: a change is in that, or is waited for.
func (f *Feed) enter(ctx context.Context, conn *pgx.Conn) error {
	sent := time.Now()
	_, err := conn.Exec(ctx, `insert into feed_members (id, applied_seq, lease_until)
		values ($1::uuid, $3::bigint, clock_timestamp() + $2::float8 * interval '1 second')
		on conflict (id) do update set lease_until = excluded.lease_until`,
		f.id.String(), f.cfg.Lease.Seconds(), f.position())
	if err != nil {
		return err
	}
	var newest int64
	if err := conn.QueryRow(ctx, "select coalesce(max(seq), 0) from changes").Scan(&newest); err != nil {
		return err
	}
	f.join(newest, f.cfg.trustFrom(sent))
	return nil
}

// acknowledge tells the other processes how far this one is. An acknowledgement
// that a crash of the server loses is given again with the next renewal, so the
// commit does not wait for the disk.
func (f *Feed) acknowledge(ctx context.Context, acked *int64) error {
	applied := f.position()
	if !f.db.IsPostgres() || applied == *acked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Lease)
	defer cancel()
	_, err := f.db.write.ExecContext(ctx, `update feed_members set applied_seq = ?
		where id = ? and applied_seq < ? and set_config('synchronous_commit', 'off', true) = 'off'`,
		applied, f.id, applied)
	if err != nil {
		return fmt.Errorf("telling other processes what is applied: %w", translate(err))
	}
	*acked = applied
	return nil
}

// resign removes this process from those that others wait for.
func (f *Feed) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Lease)
	defer cancel()
	if _, err := f.db.write.ExecContext(ctx, "delete from feed_members where id = ?", f.id); err != nil {
		// The others wait until the lease is over, no longer.
		f.log.WarnContext(ctx, "leaving the change feed failed", "error", translate(err))
	}
}
