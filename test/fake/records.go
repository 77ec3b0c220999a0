package fake

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/audit"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/idempotency"
	"ampra/core/identity"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/core/tariff"
	"ampra/core/telemetry"
	"ampra/core/transaction"
)

var _ transaction.Runner = (*Records)(nil)

// Records is the store of records in memory: one for each port, on common
// tables, so that a transaction undoes all of it and a deletion takes along what
// hangs on the deleted. Each port has Faults of its own. Unlike a database it
// takes records of users that it does not know.
type Records struct {
	// Commits are the faults of the end of each outermost Run.
	Commits Faults

	Users       *Users
	Sessions    *Sessions
	Tokens      *Tokens
	Attempts    *Attempts
	SetupTokens *SetupTokens
	PowerGroups *PowerGroups
	SunSources  *SunSources
	Erasures    *Erasures
	Credentials *Credentials
	Access      *AccessRecords
	Tariffs     *Tariffs
	Settings    *Settings
	Explained   *Explanations
	Idempotency *Idempotency
	AuditLog    *AuditLog
	Devices     *Devices

	committed atomic.Pointer[tables]
	writer    chan struct{} // holds one token for whoever writes
}

// tables is everything at one moment. Rows are never changed in place.
type tables struct {
	users       map[uuid.UUID]identity.User
	sessions    map[identity.Digest]identity.Session
	tokens      map[uuid.UUID]identity.Token
	attempts    map[string]attempts
	setupToken  *identity.Digest
	groups      map[uuid.UUID]powergroup.PowerGroup
	sources     map[uuid.UUID]sunsource.SunSource
	erasures    []uuid.UUID
	credentials map[uuid.UUID]credential.Credential
	prices      map[uuid.UUID]tariff.Price
	settings    map[uuid.UUID]sunsource.Settings
	// explanations are each source's fields in the order of names.
	explanations map[uuid.UUID][]telemetry.Explained
	answers      map[idempotency.Key]answer
	entries      []audit.Entry
	devices      deviceTables
}

func (t *tables) clone() *tables {
	c := *t
	c.users, c.sessions, c.tokens = maps.Clone(t.users), maps.Clone(t.sessions), maps.Clone(t.tokens)
	c.attempts, c.answers = maps.Clone(t.attempts), maps.Clone(t.answers)
	c.groups, c.sources = maps.Clone(t.groups), maps.Clone(t.sources)
	c.credentials, c.prices = maps.Clone(t.credentials), maps.Clone(t.prices)
	c.settings, c.explanations = maps.Clone(t.settings), maps.Clone(t.explanations)
	c.erasures, c.entries = slices.Clone(t.erasures), slices.Clone(t.entries)
	c.devices = t.devices.clone()
	return &c
}

// NewRecords returns an empty store.
func NewRecords() *Records {
	r := &Records{writer: make(chan struct{}, 1)}
	r.Users, r.Sessions, r.Tokens = &Users{r: r}, &Sessions{r: r}, &Tokens{r: r}
	r.Attempts, r.SetupTokens = &Attempts{r: r}, &SetupTokens{r: r}
	r.PowerGroups, r.SunSources, r.Erasures = &PowerGroups{r: r}, &SunSources{r: r}, &Erasures{r: r}
	r.Credentials, r.Access, r.Tariffs = &Credentials{r: r}, &AccessRecords{r: r}, &Tariffs{r: r}
	r.Settings, r.Explained = &Settings{r: r}, &Explanations{r: r}
	r.Idempotency, r.AuditLog = &Idempotency{r: r}, &AuditLog{r: r}
	r.Devices = &Devices{r: r}
	r.committed.Store(&tables{
		users: map[uuid.UUID]identity.User{}, sessions: map[identity.Digest]identity.Session{},
		tokens: map[uuid.UUID]identity.Token{}, attempts: map[string]attempts{},
		groups: map[uuid.UUID]powergroup.PowerGroup{}, sources: map[uuid.UUID]sunsource.SunSource{},
		credentials: map[uuid.UUID]credential.Credential{}, prices: map[uuid.UUID]tariff.Price{},
		settings: map[uuid.UUID]sunsource.Settings{}, explanations: map[uuid.UUID][]telemetry.Explained{},
		answers: map[idempotency.Key]answer{},
		devices: deviceTables{map[uuid.UUID]knownDevice{}, map[uuid.UUID][]device.Change{}, map[uuid.UUID]device.Listener{}},
	})
	return r
}

// openKey finds a store's own transaction in a context.
type openKey struct{ r *Records }

// open is a transaction: what it has written so far.
type open struct{ tables *tables }

func (r *Records) open(ctx context.Context) (*open, bool) {
	tx, ok := ctx.Value(openKey{r}).(*open)
	return tx, ok
}

// Run runs act in a transaction. Others read what was committed before; whoever
// writes waits.
func (r *Records) Run(ctx context.Context, act func(ctx context.Context) error) error {
	if outer, ok := r.open(ctx); ok {
		before := outer.tables.clone()
		done := false
		defer func() {
			if !done {
				outer.tables = before
			}
		}()
		err := act(ctx)
		done = err == nil
		return err
	}
	return r.alone(ctx, func(now *tables) error {
		tx := &open{now}
		if err := act(context.WithValue(ctx, openKey{r}, tx)); err != nil {
			return err
		}
		fate, err := r.Commits.begin(ctx)
		if err != nil {
			return err
		}
		if fate.err != nil && !fate.stored {
			return fate.err
		}
		r.committed.Store(tx.tables)
		return fate.err
	})
}

// alone calls act as the only writer, with a copy of all tables.
func (r *Records) alone(ctx context.Context, act func(now *tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case r.writer <- struct{}{}:
		defer func() { <-r.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return act(r.committed.Load().clone())
}

// write is one statement, in the context's transaction or by itself.
func (r *Records) write(ctx context.Context, f *Faults, statement func(*tables) error) error {
	fate, err := f.begin(ctx)
	if err != nil {
		return err
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	if tx, ok := r.open(ctx); ok {
		err = statement(tx.tables)
	} else {
		err = r.alone(ctx, func(now *tables) error {
			if err := statement(now); err != nil {
				return err
			}
			r.committed.Store(now)
			return nil
		})
	}
	if err != nil {
		return err
	}
	return fate.err
}

// read asks what the context's transaction sees.
func read[T any](ctx context.Context, r *Records, f *Faults, query func(*tables) (T, error)) (T, error) {
	var nothing T
	fate, err := f.begin(ctx)
	if err != nil {
		return nothing, err
	}
	if fate.err != nil {
		return nothing, fate.err
	}
	if tx, ok := r.open(ctx); ok {
		return query(tx.tables)
	}
	return query(r.committed.Load())
}

// instant is a time as databases keep it: in UTC, to the microsecond.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// copied keeps what a pointer of the caller's points to.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// copiedInstant is copied for times.
func copiedInstant(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	v := instant(*t)
	return &v
}

// inOrder lists rows by a time, then by id.
func inOrder[T any](rows []T, key func(T) (time.Time, uuid.UUID)) []T {
	slices.SortFunc(rows, func(a, b T) int {
		atA, idA := key(a)
		atB, idB := key(b)
		if c := atA.Compare(atB); c != 0 {
			return c
		}
		return slices.Compare(idA[:], idB[:])
	})
	return rows
}
