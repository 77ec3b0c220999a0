package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"ampra/core/device"
)

// Sweep has judge decide about devices whose state time may have changed.
func (d *Devices) Sweep(ctx context.Context, now time.Time, limit int, judge func(device.Due) device.Verdict) ([]device.Change, int, error) {
	var changes []device.Change
	judged := 0
	err := d.db.Run(ctx, func(ctx context.Context) error {
		changes, judged = nil, 0
		if free, err := d.alone(ctx); err != nil || !free {
			return err
		}
		asOf, listening, err := d.listened(ctx, now)
		if err != nil || asOf.IsZero() {
			return err
		}
		due, err := d.due(ctx, asOf, listening, limit)
		if err != nil || len(due) == 0 {
			return err
		}
		judged = len(due)
		verdicts := make([]device.Verdict, len(due))
		for i := range due {
			verdicts[i] = judge(due[i])
			if verdicts[i].State != due[i].State {
				since := asOf
				if next := due[i].Since.Add(time.Millisecond); next.After(since) {
					since = next
				}
				changes = append(changes, device.Change{SourceID: due[i].SourceID, State: verdicts[i].State, Since: since, Was: due[i].State})
				due[i].Since = since
			}
		}
		if err := d.decide(ctx, due, verdicts); err != nil {
			return err
		}
		return d.record(ctx, changes)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("judging the silence of devices: %w", translate(err))
	}
	return changes, judged, nil
}

// alone keeps other sweeps out, and after them those who tell what they heard. It
// reports whether there was no other.
func (d *Devices) alone(ctx context.Context) (free bool, err error) {
	if !d.db.IsPostgres() {
		return true, nil // one transaction writes at a time
	}
	open, _ := d.db.open(ctx)
	if err := open.tx.Tx.QueryRowContext(ctx, "select pg_try_advisory_xact_lock($1)", int64(sweepLock)).Scan(&free); err != nil || !free {
		return false, err
	}
	_, err = open.tx.Tx.ExecContext(ctx, "select pg_advisory_xact_lock($1)", int64(deviceLock))
	return true, err
}

// listened is up to when what all live listeners heard is stored, and since when
// one of them listens; zero without any.
func (d *Devices) listened(ctx context.Context, now time.Time) (asOf, since time.Time, err error) {
	var upTo, from instant
	err = d.db.conn(ctx).QueryRowContext(ctx, "select min(heard_at), min(since) from device_listeners where heard_at > ?", at(now.Add(-device.MaxPause))).
		Scan(&upTo, &from)
	if upTo.at.After(now) {
		upTo.at = now
	}
	return upTo.at, from.at, err
}

func (d *Devices) due(ctx context.Context, asOf, listening time.Time, limit int) ([]device.Due, error) {
	rows, err := d.db.conn(ctx).QueryContext(ctx, `select d.source_id, d.state, d.since, d.last_seen_at, d.pulse, s.latitude, s.longitude
		from device_states as d join sun_sources as s on s.id = d.source_id where d.check_at <= ? order by d.check_at limit ?`, at(asOf), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	var due []device.Due
	for rows.Next() {
		var latitude, longitude *float64
		status, err := scanStatus(rows, &latitude, &longitude)
		if err != nil {
			return nil, errors.Join(err, rows.Err())
		}
		one := device.Due{Status: status, AsOf: asOf, Listening: listening}
		if latitude != nil && longitude != nil {
			one.Site = device.Site{Latitude: *latitude, Longitude: *longitude, Known: true}
		}
		due = append(due, one)
	}
	return due, rows.Err()
}

const decideStates = `update device_states set state = v.state, since = v.since, check_at = v.check_at,
	changes = device_states.changes + case when device_states.state <> v.state then 1 else 0 end
	from v where device_states.source_id = v.id`

// decide stores verdicts.
func (d *Devices) decide(ctx context.Context, due []device.Due, verdicts []device.Verdict) error {
	open, _ := d.db.open(ctx)
	if d.db.IsPostgres() {
		ids, states := make([]string, len(due)), make([]string, len(due))
		since, check := make([]time.Time, len(due)), make([]*time.Time, len(due))
		for i := range due {
			ids[i], states[i], since[i], check[i] = due[i].SourceID.String(), string(verdicts[i].State), due[i].Since, maybeTime(verdicts[i].CheckAt)
		}
		_, err := open.tx.Tx.ExecContext(ctx, `with v as (select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[])
			as v (id, state, since, check_at)) `+decideStates, ids, states, since, check)
		return err
	}
	rows := make([][]any, len(due))
	for i := range due {
		rows[i] = []any{due[i].SourceID.String(), verdicts[i].State, due[i].Since.UnixMicro(), maybeMicro(maybeTime(verdicts[i].CheckAt))}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = open.tx.Tx.ExecContext(ctx, `with v as materialized (select value ->> 0 as id, value ->> 1 as state, value ->> 2 as since, value ->> 3 as check_at
		from json_each(?1)) `+decideStates, string(text))
	return err
}

// Prune shortens the history, and forgets processes that are gone.
func (d *Devices) Prune(ctx context.Context, now time.Time) error {
	conn := d.db.conn(ctx)
	if _, err := conn.ExecContext(ctx, "delete from device_changes where since < ?", at(now.Add(-device.MaxAge))); err != nil {
		return fmt.Errorf("removing old changes of devices' states: %w", translate(err))
	}
	if _, err := conn.ExecContext(ctx, "delete from device_listeners where heard_at < ?", at(now.Add(-24*time.Hour))); err != nil {
		return fmt.Errorf("forgetting processes that are gone: %w", translate(err))
	}
	var long []uuid.UUID
	err := d.db.reader(ctx).NewSelect().TableExpr("device_states").Column("source_id").Where("changes > ?", device.MaxChanges).Scan(ctx, &long)
	if err != nil {
		return fmt.Errorf("finding long histories: %w", translate(err))
	}
	for _, source := range long {
		if err := d.db.Run(ctx, func(ctx context.Context) error { return d.shorten(ctx, source) }); err != nil {
			return fmt.Errorf("shortening a history: %w", translate(err))
		}
	}
	return nil
}

func (d *Devices) shorten(ctx context.Context, source uuid.UUID) error {
	conn := d.db.conn(ctx)
	if _, err := conn.ExecContext(ctx, `delete from device_changes where source_id = ? and since <
		(select since from device_changes where source_id = ? order by since desc limit 1 offset ?)`, source, source, device.MaxChanges-1); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, `update device_states set changes = (select count(*) from device_changes where source_id = ?) where source_id = ?`, source, source)
	return err
}

// Counts returns how many sources there are in each state.
func (d *Devices) Counts(ctx context.Context) (map[device.State]int, error) {
	rows, err := d.db.reader(ctx).QueryContext(ctx, `select coalesce(d.state, 'unknown'), count(*) from sun_sources as s
		left join device_states as d on d.source_id = s.id group by 1`)
	if err != nil {
		return nil, fmt.Errorf("counting states: %w", translate(err))
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	counts := map[device.State]int{}
	for rows.Next() {
		var state device.State
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("counting states: %w", translate(err))
		}
		counts[state] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("counting states: %w", translate(err))
	}
	return counts, nil
}

// Status returns a source's; Unknown for one that was never heard.
func (d *Devices) Status(ctx context.Context, source uuid.UUID) (device.Status, error) {
	list, err := d.Load(ctx, []uuid.UUID{source})
	if err != nil || len(list) == 0 {
		return device.Status{SourceID: source, State: device.Unknown}, err
	}
	return list[0], nil
}

// Changes returns a part of the history, the newest first.
func (d *Devices) Changes(ctx context.Context, source uuid.UUID, stretch device.Stretch) ([]device.Change, error) {
	query := "select state, was, since from device_changes where source_id = ?"
	args := []any{source}
	if !stretch.From.IsZero() {
		query += " and since >= coalesce((select max(since) from device_changes where source_id = ? and since <= ?), ?)"
		args = append(args, source, at(stretch.From), at(stretch.From))
	}
	if !stretch.To.IsZero() {
		query += " and since < ?"
		args = append(args, at(stretch.To))
	}
	rows, err := d.db.reader(ctx).QueryContext(ctx, query+" order by since desc limit ?", append(args, stretch.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("reading the history of a device: %w", translate(err))
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	changes, err := scanChanges(rows, source)
	if err != nil {
		return nil, fmt.Errorf("reading the history of a device: %w", translate(err))
	}
	return changes, nil
}

func scanChanges(rows *sql.Rows, source uuid.UUID) ([]device.Change, error) {
	var changes []device.Change
	for rows.Next() {
		c := device.Change{SourceID: source}
		var since instant
		if err := rows.Scan(&c.State, &c.Was, &since); err != nil {
			return nil, err
		}
		c.Since = since.at
		changes = append(changes, c)
	}
	return changes, rows.Err()
}
