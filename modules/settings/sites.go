package settings

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Bounds of what is remembered, and of how it is read: see Sites.
const (
	maxRemembered = 200_000
	maxQueries    = 2
	maxTogether   = 1000
	queryTime     = 10 * time.Second
)

// SitesDeps are the ports of Sites.
type SitesDeps struct {
	Settings sunsource.SettingsRepository
	Zones    sunsource.Zones
	Feed     change.Feed
}

// Sites tells those who read payloads how a source's are understood. It remembers
// what it has read, also that nothing was decided, until the change feed says that
// it is no longer so. While the feed is cut off it goes on by what it remembers:
// settings open no door, and readings shall not wait for them. What it does not
// know it reads for all who ask at the same time together.
type Sites struct {
	d SitesDeps

	mu    sync.RWMutex
	known map[uuid.UUID]telemetry.Understanding
	// open are the questions that have no answer yet, waiting those of them that no
	// query has taken.
	open    map[uuid.UUID]*question
	waiting []*question
	queries int
}

// question is one about a source, shared by all who ask it at the same time.
type question struct {
	source uuid.UUID
	// trusted: when a query took it the feed was. overtaken: since then the source
	// changed, and the answer may be from before.
	begun, trusted, overtaken bool

	done  chan struct{}
	found telemetry.Understanding
	err   error
}

// NewSites returns one that remembers nothing, and subscribes it to the feed.
func NewSites(d SitesDeps) *Sites {
	s := &Sites{d: d, known: map[uuid.UUID]telemetry.Understanding{}, open: map[uuid.UUID]*question{}}
	d.Feed.Subscribe(s.forget)
	return s
}

func (s *Sites) forget(_ context.Context, c change.Change) {
	switch c.Kind {
	case change.CredentialsRotated, change.SourceUpdated:
		return // nothing that it remembers depends on it
	case change.Missed: // it may be any source
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.known)
		for source := range s.open {
			s.overtake(source)
		}
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.known, c.SourceID)
		s.overtake(c.SourceID)
	}
}

// overtake keeps an answer that is on its way from being remembered, or given to
// somebody who asks from now on. Called with the lock.
func (s *Sites) overtake(source uuid.UUID) {
	if q := s.open[source]; q != nil && q.begun {
		q.overtaken = true
		delete(s.open, source)
	}
}

// Understanding is how a source's payloads are read; the zero one for a source
// that there is not. An error says that it can't be told now.
func (s *Sites) Understanding(ctx context.Context, source uuid.UUID) (telemetry.Understanding, error) {
	s.mu.RLock()
	found, known := s.known[source]
	s.mu.RUnlock()
	if known {
		return found, nil
	}
	q := s.ask(ctx, source)
	select {
	case <-q.done:
		return q.found, q.err
	case <-ctx.Done():
		return telemetry.Understanding{}, fmt.Errorf("reading a source's settings: %w", ctx.Err())
	}
}

// ask returns the question about a source, which is answered once.
func (s *Sites) ask(ctx context.Context, source uuid.UUID) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, known := s.known[source]; known { // since the caller looked
		q := &question{source: source, done: make(chan struct{}), found: found}
		close(q.done)
		return q
	}
	q := s.open[source]
	if q == nil {
		q = &question{source: source, done: make(chan struct{})}
		s.open[source] = q
		s.waiting = append(s.waiting, q)
	}
	if len(s.waiting) > 0 && s.queries < maxQueries {
		s.queries++
		go s.query(context.WithoutCancel(ctx))
	}
	return q
}

// query answers what waits until nothing does.
func (s *Sites) query(ctx context.Context) {
	for batch := s.take(); batch != nil; batch = s.take() {
		sources := make([]uuid.UUID, len(batch))
		for i, q := range batch {
			sources[i] = q.source
		}
		reading, cancel := context.WithTimeout(ctx, queryTime)
		sites, err := s.d.Settings.Sites(reading, sources)
		cancel()
		found := make(map[uuid.UUID]sunsource.Site, len(sites))
		for _, site := range sites {
			found[site.SourceID] = site
		}
		for _, q := range batch {
			if site, ok := found[q.source]; ok && err == nil {
				q.found = understandingOf(s.d.Zones, site)
			}
			q.err = err
		}
		s.answer(batch)
	}
}

// take gives a query its questions. Without any it ends.
func (s *Sites) take() []*question {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), maxTogether)
	if n == 0 {
		s.queries--
		return nil
	}
	batch := s.waiting[:n:n]
	if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	trusted := s.d.Feed.Trusted()
	for _, q := range batch {
		q.begun, q.trusted = true, trusted
	}
	return batch
}

// answer remembers what may be remembered, and tells who waits. What was read
// before the feed runs may have changed before it listens.
func (s *Sites) answer(batch []*question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range batch {
		if q.trusted && !q.overtaken && q.err == nil {
			s.makeRoom()
			s.known[q.source] = q.found
		}
		if s.open[q.source] == q {
			delete(s.open, q.source)
		}
		close(q.done)
	}
}

// makeRoom drops an arbitrary tenth when all room is taken.
func (s *Sites) makeRoom() {
	if len(s.known) < maxRemembered {
		return
	}
	drop := maxRemembered / 10
	for source := range s.known {
		if drop--; drop < 0 {
			return
		}
		delete(s.known, source)
	}
}
