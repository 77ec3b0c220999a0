package sqldb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"ampra/core/device"
)

var (
	_ device.Book     = (*Devices)(nil)
	_ device.Watch    = (*Devices)(nil)
	_ device.Statuses = (*Devices)(nil)
	_ device.Fleet    = (*Devices)(nil)
)

// Devices keeps the states of sources' devices. What is heard comes in batches of
// thousands, so its statements take lists: arrays with PostgreSQL, JSON with
// SQLite.
type Devices struct{ db *DB }

// NewDevices returns the devices in db.
func NewDevices(db *DB) *Devices { return &Devices{db} }

// The keys of PostgreSQL advisory locks. Whoever changes states in the light of
// time holds the first alone and those who tell what they heard share it, so that
// each change is in the history with the state that it follows. The second is
// held by the process that sweeps.
const (
	deviceLock = 0x616d707264
	sweepLock  = 0x616d707265
)

// heardAtOnce bounds how many devices one statement takes.
const heardAtOnce = 5000

// The lists that statements take as v.
const (
	heardPostgres = `with v as materialized (select * from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::boolean[], $5::timestamptz[], $6::bytea[],
		$7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::float8[])
		as v (id, first_at, last_at, online, check_at, pulse, solar, ac, grid, load, battery)) `
	heardSQLite = `with v as materialized (select value ->> 0 as id, value ->> 1 as first_at, value ->> 2 as last_at, value ->> 3 as online, value ->> 4 as check_at,
		unhex(value ->> 5) as pulse, value ->> 6 as solar, value ->> 7 as ac, value ->> 8 as grid, value ->> 9 as load, value ->> 10 as battery
		from json_each(?1)) `
)

// A change happens after the one before it, whatever clocks say.
const (
	afterPostgres = "greatest(v.first_at, d.since + interval '1 millisecond')"
	afterSQLite   = "max(v.first_at, coalesce(d.since + 1000, 0))"
)

const (
	hearChanges = `select v.id, coalesce(d.state, 'unknown'), %s
		from v join sun_sources as s on s.id = v.id left join device_states as d on d.source_id = v.id
		where d.source_id is null or (v.online and d.state <> 'online' and d.last_seen_at < v.last_at)`
	hearStates = `insert into device_states as had
			(source_id, state, since, last_seen_at, check_at, pulse, solar_watts, ac_watts, grid_watts, load_watts, battery_watts, changes)
		select v.id, case when v.online or d.source_id is null then 'online' else d.state end,
			case when d.source_id is null or (v.online and d.state <> 'online') then %s else d.since end,
			v.last_at, v.check_at, v.pulse, v.solar, v.ac, v.grid, v.load, v.battery, 1
		from v join sun_sources as s on s.id = v.id left join device_states as d on d.source_id = v.id
		where true
		on conflict (source_id) do update set
			changes = had.changes + case when had.state <> excluded.state then 1 else 0 end,
			state = excluded.state, since = excluded.since, last_seen_at = excluded.last_seen_at, check_at = excluded.check_at,
			pulse = excluded.pulse, solar_watts = excluded.solar_watts, ac_watts = excluded.ac_watts, grid_watts = excluded.grid_watts,
			load_watts = excluded.load_watts, battery_watts = excluded.battery_watts
		where excluded.last_seen_at > had.last_seen_at`
)

// Hear stores what was heard.
func (d *Devices) Hear(ctx context.Context, heard []device.Heard) ([]device.Change, error) {
	var all []device.Change
	for len(heard) > 0 {
		part := heard[:min(len(heard), heardAtOnce)]
		heard = heard[len(part):]
		var changes []device.Change
		err := d.db.Run(ctx, func(ctx context.Context) error {
			var err error
			changes, err = d.hear(ctx, part)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("storing what was heard of devices: %w", translate(err))
		}
		all = append(all, changes...)
	}
	return all, nil
}

func (d *Devices) hear(ctx context.Context, heard []device.Heard) ([]device.Change, error) {
	open, _ := d.db.open(ctx)
	tx := open.tx.Tx
	list, after := heardSQLite, afterSQLite
	args, err := d.heardArgs(heard)
	if err != nil {
		return nil, err
	}
	if d.db.IsPostgres() {
		list, after = heardPostgres, afterPostgres
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock_shared($1)", int64(deviceLock)); err != nil {
			return nil, err
		}
	}
	changes, err := readChanges(ctx, tx, device.Online, list+fmt.Sprintf(hearChanges, after), args)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, list+fmt.Sprintf(hearStates, after), args...); err != nil {
		return nil, err
	}
	return changes, d.record(ctx, changes)
}

// readChanges reads rows of a source, the state it was in and since when it is in
// another.
func readChanges(ctx context.Context, tx *sql.Tx, state device.State, query string, args []any) ([]device.Change, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	var changes []device.Change
	for rows.Next() {
		c := device.Change{State: state}
		var since instant
		if err := rows.Scan(&c.SourceID, &c.Was, &since); err != nil {
			return nil, err
		}
		c.Since = since.at
		changes = append(changes, c)
	}
	return changes, rows.Err()
}

// heardArgs are the parameters that the lists are made of.
func (d *Devices) heardArgs(heard []device.Heard) ([]any, error) {
	n := len(heard)
	ids, online, pulses := make([]string, n), make([]bool, n), make([][]byte, n)
	first, last, check := make([]time.Time, n), make([]time.Time, n), make([]*time.Time, n)
	var powers [device.NumPowers][]*float64
	for f := range powers {
		powers[f] = make([]*float64, n)
	}
	for i := range heard {
		h := &heard[i]
		ids[i], online[i], first[i], last[i], check[i] = h.SourceID.String(), h.Online, h.FirstAt, h.LastSeenAt, maybeTime(h.CheckAt)
		for f := range powers {
			powers[f][i] = h.Powers[f]
		}
		var err error
		if pulses[i], err = h.Pulse.AppendBinary(nil); err != nil {
			return nil, err
		}
	}
	if d.db.IsPostgres() {
		args := []any{ids, first, last, online, check, pulses}
		for _, list := range powers {
			args = append(args, list)
		}
		return args, nil
	}
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{ids[i], first[i].UnixMicro(), last[i].UnixMicro(), online[i], maybeMicro(check[i]), hex.EncodeToString(pulses[i])}
		for _, list := range powers {
			rows[i] = append(rows[i], list[i])
		}
	}
	text, err := json.Marshal(rows)
	return []any{string(text)}, err
}

// maybeTime is nil for the zero time.
func maybeTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func maybeMicro(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

// record writes changes into the history.
func (d *Devices) record(ctx context.Context, changes []device.Change) error {
	if len(changes) == 0 {
		return nil
	}
	open, _ := d.db.open(ctx)
	const insert = "insert into device_changes (source_id, since, state, was) "
	if d.db.IsPostgres() {
		ids, since := make([]string, len(changes)), make([]time.Time, len(changes))
		states, was := make([]string, len(changes)), make([]string, len(changes))
		for i, c := range changes {
			ids[i], since[i], states[i], was[i] = c.SourceID.String(), c.Since, string(c.State), string(c.Was)
		}
		_, err := open.tx.Tx.ExecContext(ctx, insert+`select v.* from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) as v (id, since, state, was)
			join sun_sources as s on s.id = v.id on conflict do nothing`, ids, since, states, was)
		return err
	}
	rows := make([][]any, len(changes))
	for i, c := range changes {
		rows[i] = []any{c.SourceID.String(), c.Since.UnixMicro(), c.State, c.Was}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = open.tx.Tx.ExecContext(ctx, insert+`select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(?1)
		where true on conflict do nothing`, string(text))
	return err
}

// Load returns the statuses of those that were heard before.
func (d *Devices) Load(ctx context.Context, sources []uuid.UUID) ([]device.Status, error) {
	ids := make([]string, len(sources))
	for i, id := range sources {
		ids[i] = id.String()
	}
	const query = "select d.source_id, d.state, d.since, d.last_seen_at, d.pulse from %s as v (id) join device_states as d on d.source_id = v.id"
	text, arg := fmt.Sprintf(query, "unnest($1::text[]::uuid[])"), any(ids)
	if !d.db.IsPostgres() {
		encoded, err := json.Marshal(ids)
		if err != nil {
			return nil, err
		}
		text = "with v (id) as (select value from json_each($1)) " + fmt.Sprintf("select d.source_id, d.state, d.since, d.last_seen_at, d.pulse from %s join device_states as d on d.source_id = v.id", "v")
		arg = string(encoded)
	}
	rows, err := d.db.queryPrepared(ctx, text, []any{arg})
	if err != nil {
		return nil, fmt.Errorf("reading the states of devices: %w", translate(err))
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	list := make([]device.Status, 0, len(sources))
	for rows.Next() {
		s, err := scanStatus(rows)
		if err != nil {
			return nil, fmt.Errorf("reading the states of devices: %w", translate(err))
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the states of devices: %w", translate(err))
	}
	return list, nil
}

// scanStatus reads a row of source, state, since, last seen, pulse, and more.
func scanStatus(rows *sql.Rows, more ...any) (device.Status, error) {
	var s device.Status
	var since, last instant
	var pulse []byte
	if err := rows.Scan(append([]any{&s.SourceID, &s.State, &since, &last, &pulse}, more...)...); err != nil {
		return s, err
	}
	s.Since, s.LastSeenAt = since.at, last.at
	var err error
	if s.Pulse, err = device.ParsePulse(pulse); err != nil {
		// It can be learnt again; that the device was heard is not lost.
		s.Pulse = device.Pulse{}
		s.Pulse.Hear(last.at, last.at)
	}
	return s, nil
}

// Listening notes what a process hears.
func (d *Devices) Listening(ctx context.Context, l device.Listener) error {
	_, err := d.db.conn(ctx).ExecContext(ctx, `insert into device_listeners (process_id, since, heard_at) values (?, ?, ?)
		on conflict (process_id) do update set since = excluded.since, heard_at = excluded.heard_at`, l.Process, at(l.Since), at(l.HeardAt))
	if err != nil {
		return fmt.Errorf("noting that devices are heard: %w", translate(err))
	}
	return nil
}
