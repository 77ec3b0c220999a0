package fake

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/job"
)

var _ job.Repository = (*Jobs)(nil)

// Jobs are jobs in memory. The zero value is ready.
type Jobs struct {
	mu      sync.Mutex
	jobs    []job.Job // in the order of their places
	refused map[uuid.UUID][]job.Refused
}

func comparePlace(a, b job.Place) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

func placeOf(j job.Job) job.Place { return job.Place{CreatedAt: j.CreatedAt, ID: j.ID} }

// Create stores a new job.
func (s *Jobs) Create(_ context.Context, j job.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, cloneJob(j))
	slices.SortFunc(s.jobs, func(a, b job.Job) int { return comparePlace(placeOf(a), placeOf(b)) })
	own := 0
	for i, k := range slices.Backward(s.jobs) {
		if k.OwnerID != j.OwnerID {
			continue
		}
		if own++; own > job.MaxKept {
			s.jobs = slices.Delete(s.jobs, i, i+1)
		}
	}
	return nil
}

func cloneJob(j job.Job) job.Job {
	j.Warnings, j.FirstProblems = slices.Clone(j.Warnings), slices.Clone(j.FirstProblems)
	return j
}

// Save stores how far a job is.
func (s *Jobs) Save(_ context.Context, j job.Job, refused ...job.Refused) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(j.ID)
	if i < 0 {
		return noJob()
	}
	old := s.jobs[i]
	s.jobs[i] = cloneJob(j)
	s.jobs[i].OwnerID, s.jobs[i].SourceID, s.jobs[i].Kind, s.jobs[i].CreatedAt = old.OwnerID, old.SourceID, old.Kind, old.CreatedAt
	if s.refused == nil {
		s.refused = map[uuid.UUID][]job.Refused{}
	}
	for _, r := range refused {
		s.refused[j.ID] = append(s.refused[j.ID], r.Bounded())
	}
	return nil
}

func noJob() error { return fault.New(fault.NotFound, "There is no such job.") }

func (s *Jobs) find(id uuid.UUID) int {
	return slices.IndexFunc(s.jobs, func(j job.Job) bool { return j.ID == id })
}

// Get returns a job.
func (s *Jobs) Get(_ context.Context, owner, id uuid.UUID) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(id); i >= 0 && s.jobs[i].OwnerID == owner {
		return cloneJob(s.jobs[i]), nil
	}
	return job.Job{}, noJob()
}

// List returns jobs, the newest first.
func (s *Jobs) List(_ context.Context, owner uuid.UUID, limit int, after *job.Place) ([]job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []job.Job{}
	for _, j := range slices.Backward(s.jobs) {
		if j.OwnerID == owner && len(found) < limit && (after == nil || comparePlace(placeOf(j), *after) < 0) {
			found = append(found, cloneJob(j))
		}
	}
	return found, nil
}

// Refused returns what a job refused.
func (s *Jobs) Refused(ctx context.Context, owner, id uuid.UUID) ([]job.Refused, error) {
	if _, err := s.Get(ctx, owner, id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.refused[id]
	return slices.Clone(all[:min(len(all), job.MaxRefused)]), nil
}

// DeleteOf removes a source's jobs, as deleting the source does.
func (s *Jobs) DeleteOf(source uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = slices.DeleteFunc(s.jobs, func(j job.Job) bool { return j.SourceID == source })
}
