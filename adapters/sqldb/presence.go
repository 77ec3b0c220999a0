package sqldb

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/credential"
)

var _ credential.Presence = (*Presence)(nil)

// keepPresence is how long the rows of a process that is gone stay.
const keepPresence = time.Hour

// Presence keeps which sources have devices connected. With SQLite there is only
// this process, so it keeps them in memory: a household's disk is not written to
// every few seconds for what ends with the process anyway.
type Presence struct {
	db *DB

	mu        sync.Mutex
	processes map[uuid.UUID]*processSessions // SQLite only
}

type processSessions struct {
	seenAt   time.Time
	sessions map[uuid.UUID]int
}

// NewPresence returns the presence that processes on db tell each other.
func NewPresence(db *DB) *Presence {
	return &Presence{db: db, processes: map[uuid.UUID]*processSessions{}}
}

type presenceProcessRow struct {
	bun.BaseModel `bun:"table:presence_processes,alias:p"`

	ID     uuid.UUID `bun:"id,pk"`
	SeenAt instant   `bun:"seen_at"`
}

type presenceSessionRow struct {
	bun.BaseModel `bun:"table:presence_sessions,alias:s"`

	ProcessID uuid.UUID `bun:"process_id,pk"`
	SourceID  uuid.UUID `bun:"source_id,pk"`
	Sessions  int       `bun:"sessions"`
}

// Report tells how many sessions each named source has in a process.
func (p *Presence) Report(ctx context.Context, process uuid.UUID, sessions map[uuid.UUID]int, now time.Time) error {
	if !p.db.IsPostgres() {
		p.remember(process, sessions, now)
		return nil
	}
	err := p.db.Run(ctx, func(ctx context.Context) error { return p.write(ctx, process, sessions, now) })
	if err != nil {
		return fmt.Errorf("reporting connected devices: %w", translate(err))
	}
	return nil
}

func (p *Presence) write(ctx context.Context, process uuid.UUID, sessions map[uuid.UUID]int, now time.Time) error {
	conn := p.db.conn(ctx)
	if _, err := conn.NewInsert().Model(&presenceProcessRow{ID: process, SeenAt: at(now)}).
		On("conflict (id) do update").Set("seen_at = excluded.seen_at").Exec(ctx); err != nil {
		return err
	}
	var rows []presenceSessionRow
	var gone []uuid.UUID
	for source, n := range sessions {
		if n == 0 {
			gone = append(gone, source)
		} else {
			rows = append(rows, presenceSessionRow{ProcessID: process, SourceID: source, Sessions: n})
		}
	}
	// Two reports of one process lock their rows in the same order.
	slices.SortFunc(rows, func(a, b presenceSessionRow) int { return bytes.Compare(a.SourceID[:], b.SourceID[:]) })
	for chunk := range slices.Chunk(rows, 1000) {
		if _, err := conn.NewInsert().Model(&chunk).
			On("conflict (source_id, process_id) do update").Set("sessions = excluded.sessions").Exec(ctx); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(gone, 1000) {
		if _, err := conn.NewDelete().Model((*presenceSessionRow)(nil)).
			Where("process_id = ? and source_id in (?)", process, bun.List(chunk)).Exec(ctx); err != nil {
			return err
		}
	}
	_, err := conn.NewDelete().Model((*presenceProcessRow)(nil)).Where("seen_at < ?", now.Add(-keepPresence)).Exec(ctx)
	return err
}

func (p *Presence) remember(process uuid.UUID, sessions map[uuid.UUID]int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.processes, func(_ uuid.UUID, other *processSessions) bool {
		return other.seenAt.Before(now.Add(-keepPresence))
	})
	known := cmp.Or(p.processes[process], &processSessions{sessions: map[uuid.UUID]int{}})
	p.processes[process] = known
	known.seenAt = now
	for source, n := range sessions {
		if n == 0 {
			delete(known.sessions, source)
		} else {
			known.sessions[source] = n
		}
	}
}

// Connected is how many sessions a source has in all live processes.
func (p *Presence) Connected(ctx context.Context, source uuid.UUID, now time.Time) (n int, err error) {
	since := now.Add(-credential.PresenceLease)
	if !p.db.IsPostgres() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, known := range p.processes {
			if known.seenAt.After(since) {
				n += known.sessions[source]
			}
		}
		return n, nil
	}
	err = p.db.reader(ctx).NewSelect().Model((*presenceSessionRow)(nil)).
		ColumnExpr("coalesce(sum(s.sessions), 0)").
		Join("join presence_processes as p on p.id = s.process_id and p.seen_at > ?", since).
		Where("s.source_id = ?", source).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("counting connected devices: %w", translate(err))
	}
	return n, nil
}
