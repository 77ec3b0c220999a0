package fake

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
)

var _ identity.Users = (*Users)(nil)

// Users keeps accounts in memory.
type Users struct {
	Faults
	r *Records
}

func copyUser(u identity.User) identity.User {
	u.FirstName, u.LastName, u.CreatedAt = copied(u.FirstName), copied(u.LastName), instant(u.CreatedAt)
	return u
}

func (t *tables) addUser(u identity.User) error {
	for _, have := range t.users {
		if have.Email == u.Email || have.ID == u.ID {
			return fault.New(fault.Conflict, "This e-mail has an account already.")
		}
	}
	t.users[u.ID] = copyUser(u)
	return nil
}

// Create stores a user; a taken e-mail is a Conflict.
func (s *Users) Create(ctx context.Context, u identity.User) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error { return t.addUser(u) })
}

// CreateFirst stores the user only when there is none yet.
func (s *Users) CreateFirst(ctx context.Context, u identity.User) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if len(t.users) > 0 {
			return fault.New(fault.Forbidden, "This installation has its first account already.")
		}
		return t.addUser(u)
	})
}

// Any reports whether there is an account at all.
func (s *Users) Any(ctx context.Context) (bool, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (bool, error) { return len(t.users) > 0, nil })
}

// ByID returns one user or NotFound.
func (s *Users) ByID(ctx context.Context, id uuid.UUID) (identity.User, error) {
	return s.one(ctx, func(u identity.User) bool { return u.ID == id })
}

// ByEmail returns one user or NotFound.
func (s *Users) ByEmail(ctx context.Context, email string) (identity.User, error) {
	return s.one(ctx, func(u identity.User) bool { return u.Email == email })
}

func (s *Users) one(ctx context.Context, is func(identity.User) bool) (identity.User, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (identity.User, error) {
		for _, u := range t.users {
			if is(u) {
				return copyUser(u), nil
			}
		}
		return identity.User{}, missing("user")
	})
}

func missing(what string) error { return fault.New(fault.NotFound, "There is no such %s.", what) }

// List returns users by creation time, then id.
func (s *Users) List(ctx context.Context) ([]identity.User, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]identity.User, error) {
		var list []identity.User
		for _, u := range t.users {
			list = append(list, copyUser(u))
		}
		return inOrder(list, func(u identity.User) (time.Time, uuid.UUID) { return u.CreatedAt, u.ID }), nil
	})
}

// SetPassword replaces the hash.
func (s *Users) SetPassword(ctx context.Context, id uuid.UUID, hash string) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		u, ok := t.users[id]
		if !ok {
			return missing("user")
		}
		u.PasswordHash = hash
		t.users[id] = u
		return nil
	})
}
