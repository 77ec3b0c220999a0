// Package imports brings files of measurements in: it understands them, first
// without storing anything if one wants, and hands their readings to the journal
// as jobs, slowly enough that devices are not disturbed.
package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/core/job"
	"ampra/core/live"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Config holds the settings. Zero values stand for the defaults.
type Config struct {
	// Rate is how many readings a second all imports of a process store, 20,000.
	Rate int
	// Workers is how many imports run at once, 2; a user's run one after another.
	Workers int
	// Open is how many uploads and jobs a process holds, 16, and OpenPerUser how
	// many of one user, 4.
	Open, OpenPerUser int
	// DryTime bounds a dry run, 10 s.
	DryTime time.Duration
	// Patience is how long the journal may be away before a job fails, 15 min.
	Patience time.Duration
}

func (c Config) withDefaults() Config {
	for _, one := range []struct {
		value     *int
		otherwise int
	}{{&c.Rate, 20_000}, {&c.Workers, 2}, {&c.Open, 16}, {&c.OpenPerUser, 4}} {
		if *one.value <= 0 {
			*one.value = one.otherwise
		}
	}
	if c.DryTime <= 0 {
		c.DryTime = 10 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 15 * time.Minute
	}
	return c
}

// Ingest makes readings durable; see ingest.Service.Store.
type Ingest interface {
	Store(ctx context.Context, owner, source uuid.UUID, readings []telemetry.Reading) (errs []error, err error)
}

// Zones knows where sites' clocks are.
type Zones interface {
	// Zone is the zone of a source's site.
	Zone(ctx context.Context, s sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error)
	// Load returns the zone of an IANA name, or an error that says it is unknown.
	Load(name string) (*time.Location, error)
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources sunsource.Repository
	Jobs    job.Repository
	Archive telemetry.Archive
	Ingest  Ingest
	Zones   Zones
	// Events is told of jobs' progress; nil: nobody is.
	Events live.Publisher
	Clock  clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
	// Failed is told of what went wrong that no answer says.
	Failed func(error)
}

// Service has the use cases.
type Service struct {
	cfg Config
	d   Deps

	wake   chan struct{}
	pace   pace
	stored atomic.Int64

	mu      sync.Mutex
	open    map[uuid.UUID]int // uploads and jobs by user
	all     int
	waiting []*task
	running map[*task]bool
	stopped bool
}

// New returns the use cases on their ports. Run does the work.
func New(cfg Config, d Deps) *Service {
	cfg = cfg.withDefaults()
	return &Service{
		cfg: cfg, d: d, wake: make(chan struct{}, 1), pace: pace{rate: cfg.Rate, clock: d.Clock},
		open: map[uuid.UUID]int{}, running: map[*task]bool{},
	}
}

// File is what was uploaded, unpacked. It is read from its begin.
type File interface {
	io.ReadSeekCloser
}

// Spooled is a file that is written first.
type Spooled interface {
	File
	io.Writer
}

// Upload is a place among the open imports: first of a request, then of its job.
type Upload struct {
	s      *Service
	owner  uuid.UUID
	source sunsource.SunSource
	once   sync.Once
}

// Admit lets an upload begin: the source is the actor's, and there is room. Close
// gives the place back.
func (s *Service) Admit(ctx context.Context, who actor.Actor, source uuid.UUID) (*Upload, error) {
	found, err := s.d.Sources.Get(ctx, who.UserID, source)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return nil, fault.Retry(fault.Unavailable, 5*time.Second, "The server is stopping.")
	case s.open[who.UserID] >= s.cfg.OpenPerUser:
		return nil, fault.Retry(fault.TooMany, 30*time.Second, "%d imports of yours wait or run already.", s.cfg.OpenPerUser)
	case s.all >= s.cfg.Open:
		return nil, fault.Retry(fault.TooMany, 30*time.Second, "Too many imports wait or run already.")
	}
	s.open[who.UserID]++
	s.all++
	return &Upload{s: s, owner: who.UserID, source: found}, nil
}

// Close gives the place back. It may be called several times.
func (u *Upload) Close() {
	u.once.Do(func() {
		u.s.mu.Lock()
		defer u.s.mu.Unlock()
		u.s.all--
		if u.s.open[u.owner]--; u.s.open[u.owner] == 0 {
			delete(u.s.open, u.owner)
		}
	})
}

// table opens a file.
func (u *Upload) table(ctx context.Context, file io.ReadSeeker, o csvimport.Options, now time.Time) (*csvimport.Table, error) {
	zone, err := u.zone(ctx, o)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading an upload: %w", err)
	}
	return csvimport.Open(file, o, csvimport.Env{Source: u.source.ID, Zone: zone, Now: telemetry.Truncate(now)})
}

func (u *Upload) zone(ctx context.Context, o csvimport.Options) (*time.Location, error) {
	if o.TimeZone == "" {
		zone, _, err := u.s.d.Zones.Zone(ctx, u.source)
		return zone, err
	}
	zone, err := u.s.d.Zones.Load(o.TimeZone)
	if err != nil {
		var wrong fault.Fields
		wrong.Add("timeZone", "must be an IANA name such as Europe/Berlin")
		return nil, wrong.Err()
	}
	return zone, nil
}

// Preview is what a dry run found.
type Preview struct {
	Plan          csvimport.Plan
	Counts        job.Counts
	Warnings      []job.Warning
	FirstProblems []job.Problem
	// From and To are the first and the last time; zero without a row.
	From, To time.Time
	// Complete is false where the file was too long to look at all of it.
	Complete bool
}

// DryRun reads the file and stores nothing.
func (u *Upload) DryRun(ctx context.Context, file File, o csvimport.Options) (Preview, error) {
	began := u.s.d.Clock.Now()
	table, err := u.table(ctx, file, o, began)
	if err != nil {
		return Preview{}, err
	}
	var p Preview
	var j job.Job
	for n := 0; ; n++ {
		if n%1000 == 999 {
			if err := ctx.Err(); err != nil {
				return Preview{}, err
			}
			if u.s.d.Clock.Now().Sub(began) > u.s.cfg.DryTime {
				break
			}
		}
		row, more, err := next(table)
		if err != nil {
			return Preview{}, err
		}
		if !more {
			p.Complete = true
			break
		}
		count(&j, row)
		if row.Problem == "" && !row.Empty {
			j.Counts.Accepted++
			at := row.Reading.Timestamp
			if p.From.IsZero() || at.Before(p.From) {
				p.From = at
			}
			if at.After(p.To) {
				p.To = at
			}
		}
	}
	p.Plan, p.Counts, p.FirstProblems = table.Plan(), j.Counts, j.FirstProblems
	p.Warnings = warn(nil, table)
	return p, nil
}

// next reads a row; more is false at the end.
func next(table *csvimport.Table) (row csvimport.Row, more bool, err error) {
	row, err = table.Next()
	if errors.Is(err, io.EOF) {
		return row, false, nil
	}
	return row, err == nil, err
}

// count notes a row that was read; what is accepted is for the caller.
func count(j *job.Job, row csvimport.Row) {
	j.Counts.Rows++
	switch {
	case row.Problem != "":
		j.Counts.Rejected++
		if len(j.FirstProblems) < job.MaxFirstProblems {
			r := job.Refused{Problem: job.Problem{Line: row.Line, Column: row.Column, Text: row.Problem}}.Bounded()
			j.FirstProblems = append(j.FirstProblems, r.Problem)
		}
	case row.Empty:
		j.Counts.Skipped++
	}
}

// warn are the table's warnings, in one order.
func warn(more []job.Warning, table *csvimport.Table) []job.Warning {
	found := slices.Clone(more)
	counts := table.Warnings()
	for _, code := range []string{
		csvimport.WarnAmbiguousTime, csvimport.WarnNonexistentTime, csvimport.WarnRepeatedHeader, csvimport.WarnNegativeEnergy,
	} {
		if counts[code] > 0 {
			found = append(found, job.Warning{Code: code, Count: counts[code]})
		}
	}
	return found
}

// Start makes a job of the file and returns its id. The file and the place are
// the job's from then on; with an error they are the caller's still.
func (u *Upload) Start(ctx context.Context, file File, size int64, o csvimport.Options) (uuid.UUID, error) {
	now := u.s.d.Clock.Now()
	table, err := u.table(ctx, file, o, now)
	if err != nil {
		return uuid.Nil, err
	}
	if !table.Plan().Usable() {
		var wrong fault.Fields
		wrong.Add("columns", "must say what at least one column is: none is understood by its name")
		return uuid.Nil, wrong.Err()
	}
	id, err := uuid.NewRandomFromReader(u.s.d.Random)
	if err != nil {
		return uuid.Nil, fmt.Errorf("drawing an id: %w", err)
	}
	t := &task{s: u.s, upload: u, file: file, size: size, options: o, job: job.New(id, u.owner, u.source.ID, job.Import, now)}
	if err := u.s.d.Jobs.Create(ctx, t.job); err != nil {
		return uuid.Nil, err
	}
	if !u.s.enqueue(t) {
		t.save(ctx, func(j *job.Job, now time.Time) { j.Fail(stoppedText, now) })
		return uuid.Nil, fault.Retry(fault.Unavailable, 5*time.Second, "The server is stopping.")
	}
	return id, nil
}

func (s *Service) enqueue(t *task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.waiting = append(s.waiting, t)
	s.nudge()
	return true
}

// Open is how many uploads and jobs there are.
func (s *Service) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// Stored is how many readings were stored so far.
func (s *Service) Stored() int64 { return s.stored.Load() }

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
