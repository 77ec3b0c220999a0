// Package powergroup is the domain of power groups: a user's own way to put sun
// sources together, such as all that hang on one house.
package powergroup

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/fault"
)

// Limits of the fields, in characters.
const (
	MaxName        = 100
	MaxDescription = 500
	MaxURL         = 500
)

// PowerGroup is a named set of one user's sun sources.
type PowerGroup struct {
	ID          uuid.UUID
	OwnerID     uuid.UUID
	Name        string
	Description *string
	LogoURL     *string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// SunSourceCount is how many sources are assigned; filled when read.
	SunSourceCount int
}

// Validate names every field that breaks a rule.
func (g PowerGroup) Validate() error {
	var f fault.Fields
	n := utf8.RuneCountInString(g.Name)
	f.Check(n >= 1 && n <= MaxName, "name", "must have 1 to 100 characters")
	if g.Description != nil {
		f.Check(utf8.RuneCountInString(*g.Description) <= MaxDescription, "description", "must have at most 500 characters")
	}
	if g.LogoURL != nil {
		f.Check(fault.WebURL(*g.LogoURL, MaxURL), "logoUrl", "must be an http or https URL of at most 500 characters")
	}
	return f.Err()
}

// Repository keeps power groups. Every method sees only the owner's groups;
// another's is a fault NotFound.
type Repository interface {
	// Create stores a new group.
	Create(ctx context.Context, g PowerGroup) error
	// Get returns one group with its count of sources, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (PowerGroup, error)
	// List returns the owner's groups by creation time, then id.
	List(ctx context.Context, owner uuid.UUID) ([]PowerGroup, error)
	// Update loads, lets change decide, and saves, in one transaction. It returns
	// what was saved; an error of change is returned as it is and saves nothing.
	Update(ctx context.Context, owner, id uuid.UUID, change func(*PowerGroup) error) (PowerGroup, error)
	// Delete removes the group; its sources stay, unassigned.
	Delete(ctx context.Context, owner, id uuid.UUID) error
}
