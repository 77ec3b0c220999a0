package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/device"
	"ampra/core/sunsource"
)

// stateRank is a state's place in the order of device.States.
const stateRank = `case d.state when 'offline' then 0 when 'late' then 1 when 'asleep' then 3 when 'online' then 4 else 2 end`

// Search returns those of the owner's sources that a query asks for.
func (d *Devices) Search(ctx context.Context, owner uuid.UUID, query device.Query) ([]device.Listed, error) {
	q := (&SunSources{d.db}).listQuery(ctx).ColumnExpr("d.state, d.since, d.last_seen_at").
		Join("left join device_states as d on d.source_id = s.id").Where("s.owner_id = ?", owner)
	if query.PowerGroupID != nil {
		q = q.Where("s.power_group_id = ?", *query.PowerGroupID)
	}
	if len(query.States) > 0 {
		known := slices.DeleteFunc(slices.Clone(query.States), func(s device.State) bool { return s == device.Unknown })
		q = q.WhereGroup(" and ", func(q *bun.SelectQuery) *bun.SelectQuery {
			if len(known) > 0 {
				q = q.WhereOr("d.state in (?)", bun.List(known))
			}
			if len(known) < len(query.States) {
				q = q.WhereOr("d.state is null")
			}
			return q
		})
	}
	for _, word := range query.Words {
		q = q.WhereGroup(" and ", func(q *bun.SelectQuery) *bun.SelectQuery { return d.holding(q, word) })
	}
	q = d.ordered(q, query)
	if query.Limit > 0 {
		q = q.Limit(int64(query.Limit))
	}
	list, err := scanListed(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("searching sun sources: %w", translate(err))
	}
	return list, nil
}

// holding asks for sources that a word is found in.
func (d *Devices) holding(q *bun.SelectQuery, word string) *bun.SelectQuery {
	anywhere := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(word) + "%"
	q = q.WhereOr(`s.name_key like ? escape '\'`, anywhere).WhereOr(`s.description_key like ? escape '\'`, anywhere)
	if client := device.ClientStart(word); client != "" {
		q = q.WhereOr("substr(s.client_id, 1, ?) = ?", len(client), client)
	}
	if id := device.IDStart(word); id != "" {
		q = q.WhereOr("substr(cast(s.id as text), 1, ?) = ?", len(id), id)
	}
	return q
}

// ordered asks for an order and a place in it.
func (d *Devices) ordered(q *bun.SelectQuery, query device.Query) *bun.SelectQuery {
	key, instantKey := "s.created_at", false
	switch query.Sort {
	case device.ByName:
		key = "s.name_key"
	case device.ByState:
		key = stateRank
	case device.ByCapacity:
		key = fmt.Sprintf("coalesce(s.installed_capacity_watts, %g)", device.NoCapacity)
	case device.ByLastSeen:
		key, instantKey = d.neverIs("d.last_seen_at"), true
	case device.ByCreation:
		instantKey = true
	}
	direction, beyond := "", ">"
	if query.Descending {
		direction, beyond = " desc", "<"
	}
	if after := query.After; after != nil {
		var place any = after.Number
		switch {
		case instantKey:
			place = at(time.UnixMicro(int64(after.Number)).UTC())
		case query.Sort == device.ByName:
			place = after.Text
		}
		q = q.Where("("+key+", s.id) "+beyond+" (?, ?)", place, after.ID)
	}
	return q.OrderExpr(key + direction + ", s.id" + direction)
}

// neverIs is a time column with 1970 where it is null.
func (d *Devices) neverIs(column string) string {
	if d.db.IsPostgres() {
		return "coalesce(" + column + ", to_timestamp(0))"
	}
	return "coalesce(" + column + ", 0)"
}

func scanListed(ctx context.Context, q *bun.SelectQuery) ([]device.Listed, error) {
	rows, err := q.Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	list := []device.Listed{}
	for rows.Next() {
		var r sourceRow
		var state *device.State
		var since, last instant
		if err := rows.Scan(append(r.listed(), &state, &since, &last)...); err != nil {
			return nil, err
		}
		one := device.Listed{SunSource: r.source(), Status: device.Status{SourceID: r.ID, State: device.Unknown}}
		if state != nil {
			one.Status.State, one.Status.Since, one.Status.LastSeenAt = *state, since.at, last.at
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// overviewQuery has a row for each state, with the sum and the number of each
// power in the order of device.Powers.
const overviewQuery = `select coalesce(d.state, 'unknown'), count(*),
	coalesce(sum(d.solar_watts), 0), count(d.solar_watts), coalesce(sum(d.ac_watts), 0), count(d.ac_watts),
	coalesce(sum(d.grid_watts), 0), count(d.grid_watts), coalesce(sum(d.load_watts), 0), count(d.load_watts),
	coalesce(sum(d.battery_watts), 0), count(d.battery_watts)
	from sun_sources as s left join device_states as d on d.source_id = s.id where s.owner_id = ? group by 1`

// Overview sums up all of the owner's sources.
func (d *Devices) Overview(ctx context.Context, owner uuid.UUID) (device.Overview, error) {
	o := device.Overview{States: map[device.State]int{}}
	rows, err := d.db.reader(ctx).QueryContext(ctx, overviewQuery, owner)
	if err != nil {
		return o, fmt.Errorf("summing up sun sources: %w", translate(err))
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	for rows.Next() {
		var state device.State
		var n int
		var sums [device.NumPowers]float64
		var counts [device.NumPowers]int
		into := []any{&state, &n}
		for f := range sums {
			into = append(into, &sums[f], &counts[f])
		}
		if err := rows.Scan(into...); err != nil {
			return o, fmt.Errorf("summing up sun sources: %w", translate(err))
		}
		o.States[state] = n
		o.Sources += n
		if state == device.Online {
			o.Powers, o.PowerSources = sums, counts
		}
	}
	if err := rows.Err(); err != nil {
		return o, fmt.Errorf("summing up sun sources: %w", translate(err))
	}
	return o, nil
}

// foldAtOnce is how many names one transaction folds.
const foldAtOnce = 500

// FoldNames writes the names of sources from before they were searched as they
// are searched. It does nothing the second time.
func (d *Devices) FoldNames(ctx context.Context) error {
	for {
		n := 0
		err := d.db.Run(ctx, func(ctx context.Context) error {
			var rows []sourceRow
			err := d.db.conn(ctx).NewSelect().Model(&rows).Column("id", "name", "description").Where("s.name_key is null").
				Limit(foldAtOnce).Apply(d.db.locking).Scan(ctx)
			if err != nil {
				return err
			}
			n = len(rows)
			for _, r := range rows {
				_, err := d.db.conn(ctx).NewUpdate().Model((*sourceRow)(nil)).Set("name_key = ?", sunsource.Fold(r.Name)).
					Set("description_key = ?", folded(r.Description)).Where("id = ?", r.ID).Exec(ctx)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("folding names: %w", translate(err))
		}
		if n < foldAtOnce {
			return nil
		}
	}
}

// folded is a text that may be missing as it is searched.
func folded(text *string) *string {
	if text == nil {
		return nil
	}
	return new(sunsource.Fold(*text))
}
