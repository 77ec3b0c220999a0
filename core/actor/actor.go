// Package actor says who asks. Every use case takes an Actor; its zero value
// sees nothing.
package actor

import (
	"github.com/google/uuid"

	"ampra/core/fault"
)

// Role is what a user may do in an installation, from the least to the most.
type Role string

// The roles. Each may do what the ones before it may.
const (
	User     Role = "User"     // owns sun sources
	Admin    Role = "Admin"    // makes accounts
	Overseer Role = "Overseer" // the first account of an installation
)

// Rank orders the roles: 0 for none or an unknown one.
func (r Role) Rank() int {
	switch r {
	case User:
		return 1
	case Admin:
		return 2
	case Overseer:
		return 3
	default:
		return 0
	}
}

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return r.Rank() > 0 }

// Actor is who asks: a user and what the way of signing in allows.
type Actor struct {
	UserID uuid.UUID
	Role   Role
	// ReadOnly is set for an API token without the scope "write".
	ReadOnly bool
}

// Known reports whether somebody has signed in.
func (a Actor) Known() bool { return a.UserID != uuid.Nil && a.Role.Valid() }

// Need returns nil when the actor's role is at least min; else a fault
// Unauthenticated for nobody, Forbidden for a lower role.
func (a Actor) Need(min Role) error {
	if !a.Known() {
		return fault.New(fault.Unauthenticated, "Sign in first.")
	}
	if a.Role.Rank() < min.Rank() {
		return fault.New(fault.Forbidden, "This needs the role %s.", min)
	}
	return nil
}
