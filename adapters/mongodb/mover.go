package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Bounds of hot, and times of its move.
const (
	maxHotBytes = 1 << 30
	leaseTime   = 30 * time.Second
	pollTime    = 2 * time.Second
	// lateMoves is how many of Config.MoveEvery may pass without a move that
	// ends, before that is said.
	lateMoves = 3
	lateTime  = 10 * time.Minute
)

// Stats tells of what waits to be moved, as Run saw it last.
type Stats struct {
	// Waiting is how many rows are not in the series yet.
	Waiting int64
	// SinceMove is how long ago the last move ended.
	SinceMove time.Duration
}

// mover brings rows from hot into the series.
type mover struct {
	archive *Archive
	log     *slog.Logger
	every   time.Duration
	rows    int64
	batch   int
	lease   time.Duration
	poll    time.Duration
	// mostRefused is how many rows may be kept aside.
	mostRefused int64
	// between is called between any two steps of a move, for tests.
	between func(step string) error

	waiting   atomic.Int64
	sinceMove atomic.Int64
	late      bool // was said
	failing   bool // was said
}

func newMover(a *Archive) *mover {
	return &mover{
		archive: a, log: a.log, every: a.cfg.MoveEvery, rows: a.cfg.MoveRows, batch: a.cfg.BatchSize,
		lease: leaseTime, poll: min(a.cfg.MoveEvery, pollTime), mostRefused: maxRefused, between: func(string) error { return nil },
	}
}

// Run moves what was written on into the series, every Config.MoveEvery or when it
// is much, until ctx ends. Each process that writes runs it: one of them moves at a
// time, and another goes on where one was killed. What keeps it from moving is
// logged, and hinders neither writes nor queries.
func (a *Archive) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.mover.poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.mover.tick(ctx)
		}
	}
}

// Stats tells of what waits to be moved. It is empty in a process that does not run
// Run.
func (a *Archive) Stats() Stats {
	return Stats{Waiting: a.mover.waiting.Load(), SinceMove: time.Duration(a.mover.sinceMove.Load())}
}

// MoveSoon asks the process that moves readings to do so now.
func (a *Archive) MoveSoon(ctx context.Context) error {
	db, err := a.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	_, err = states(db).UpdateOne(ctx, bson.D{{Key: idField, Value: stateID}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "asked", Value: true}}}})
	if err != nil {
		return fmt.Errorf("asking for a move: %w", translate(err))
	}
	return nil
}

// Waiting counts what is not in the series yet.
func (a *Archive) Waiting(ctx context.Context) (rows int64, err error) {
	db, err := a.open()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	for _, name := range []string{hotCollection, movingCollection} {
		s, err := sizeOf(ctx, db, name)
		if err != nil {
			return 0, translate(err)
		}
		rows += s.Count
	}
	return rows, nil
}

// tick moves when it is time.
func (m *mover) tick(ctx context.Context) {
	db, err := m.archive.open()
	if err != nil {
		return // it is not set up
	}
	state, err := m.look(ctx, db)
	if err == nil {
		m.tellLate(ctx)
		if state.due {
			err = m.move(ctx, db)
		}
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, errLost):
	case err != nil && !m.failing:
		m.failing = true
		m.log.WarnContext(ctx, "moving readings into the time series failed, it will be tried again; they are stored and can be queried", "error", err)
	case err == nil:
		m.failing = false
	}
}

// seen is what a mover finds.
type seen struct {
	moveState
	due     bool
	pressed bool // it is more than there should be
}

// look counts what waits and says whether a move is due.
func (m *mover) look(ctx context.Context, db *mongo.Database) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, m.archive.cfg.Timeout)
	defer cancel()
	state, err := readState(ctx, db)
	if err != nil {
		return seen{}, err
	}
	hot, err := sizeOf(ctx, db, hotCollection)
	if err != nil {
		return seen{}, err
	}
	moving, err := sizeOf(ctx, db, movingCollection)
	if err != nil {
		return seen{}, err
	}
	m.waiting.Store(hot.Count + moving.Count)
	m.sinceMove.Store(int64(state.Now.Sub(state.Done)))
	pressed := hot.Count >= m.rows || hot.Size >= maxHotBytes
	due := moving.there || hot.there && (state.Asked || pressed || state.Now.Sub(state.Begun) >= m.every)
	return seen{state, due, pressed}, nil
}

// tellLate says once when no move comes to its end.
func (m *mover) tellLate(ctx context.Context) {
	since := time.Duration(m.sinceMove.Load())
	late := m.waiting.Load() > 0 && since > max(lateMoves*m.every, lateTime)
	if late && !m.late {
		m.log.WarnContext(ctx, "readings wait to be moved into the time series; they are stored and can be queried, but take more room",
			"waiting", m.waiting.Load(), "since", since.Round(time.Second))
	} else if m.late && !late {
		m.log.InfoContext(ctx, "readings are moved into the time series again")
	}
	m.late = late
}

// size is what the server keeps of a collection's size.
type size struct {
	Count int64 `bson:"count"`
	Size  int64 `bson:"size"`
	there bool
}

// sizeOf is nothing where there is no collection.
func sizeOf(ctx context.Context, db *mongo.Database, name string) (size, error) {
	_, there, err := uuidOf(ctx, db, name)
	if err != nil || !there {
		return size{}, err
	}
	s := size{there: true}
	if err := db.RunCommand(ctx, bson.D{{Key: "collStats", Value: name}}).Decode(&s); err != nil {
		return size{}, fmt.Errorf("looking at the size of %s: %w", name, err)
	}
	return s, nil
}

// uuidOf finds out which collection has a name now.
func uuidOf(ctx context.Context, db *mongo.Database, name string) (*bson.Binary, bool, error) {
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: name}})
	if err != nil {
		return nil, false, fmt.Errorf("looking for %s: %w", name, err)
	}
	if len(specs) != 1 || specs[0].UUID == nil {
		return nil, false, nil
	}
	return specs[0].UUID, true, nil
}
