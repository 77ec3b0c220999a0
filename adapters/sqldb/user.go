package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/identity"
)

var _ identity.Users = (*Users)(nil)

// Users keeps accounts.
type Users struct{ db *DB }

// NewUsers returns the accounts in db.
func NewUsers(db *DB) *Users { return &Users{db} }

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           uuid.UUID  `bun:"id,pk"`
	Email        string     `bun:"email"`
	PasswordHash string     `bun:"password_hash"`
	FirstName    *string    `bun:"first_name"`
	LastName     *string    `bun:"last_name"`
	Role         actor.Role `bun:"role"`
	CreatedAt    instant    `bun:"created_at"`
}

func userToRow(u identity.User) *userRow {
	return &userRow{
		ID: u.ID, Email: u.Email, PasswordHash: u.PasswordHash,
		FirstName: u.FirstName, LastName: u.LastName, Role: u.Role, CreatedAt: at(u.CreatedAt),
	}
}

func (r *userRow) user() identity.User {
	return identity.User{
		ID: r.ID, Email: r.Email, PasswordHash: r.PasswordHash,
		FirstName: r.FirstName, LastName: r.LastName, Role: r.Role, CreatedAt: r.CreatedAt.at,
	}
}

// Create stores a user; a taken e-mail is a Conflict.
func (u *Users) Create(ctx context.Context, user identity.User) error {
	n, err := affected(u.db.conn(ctx).NewInsert().Model(userToRow(user)).On("conflict do nothing").Exec(ctx))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "This e-mail has an account already.")
	}
	if err != nil {
		return fmt.Errorf("storing a user: %w", err)
	}
	return nil
}

// CreateFirst stores the user only when there is none yet.
func (u *Users) CreateFirst(ctx context.Context, user identity.User) error {
	taken := fault.New(fault.Forbidden, "This installation has its first account already.")
	// Asked before the lock, so that nobody can hold up sign-ups by trying again
	// and again.
	if there, err := u.Any(ctx); err != nil {
		return err
	} else if there {
		return taken
	}
	return u.db.Run(ctx, func(ctx context.Context) error {
		if u.db.IsPostgres() {
			// Readers go on; whoever adds an account waits for us and then sees ours.
			if _, err := u.db.conn(ctx).ExecContext(ctx, "lock table users in share row exclusive mode"); err != nil {
				return fmt.Errorf("locking the accounts: %w", translate(err))
			}
		}
		if there, err := u.Any(ctx); err != nil {
			return err
		} else if there {
			return taken
		}
		return u.Create(ctx, user)
	})
}

// Any reports whether there is an account at all.
func (u *Users) Any(ctx context.Context) (bool, error) {
	there, err := u.db.reader(ctx).NewSelect().Model((*userRow)(nil)).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("looking for an account: %w", translate(err))
	}
	return there, nil
}

// ByID returns one user or NotFound.
func (u *Users) ByID(ctx context.Context, id uuid.UUID) (identity.User, error) {
	return u.one(ctx, "u.id = ?", id)
}

// ByEmail returns one user or NotFound.
func (u *Users) ByEmail(ctx context.Context, email string) (identity.User, error) {
	return u.one(ctx, "u.email = ?", email)
}

func (u *Users) one(ctx context.Context, where string, arg any) (identity.User, error) {
	var row userRow
	err := u.db.reader(ctx).NewSelect().Model(&row).Where(where, arg).Scan(ctx)
	if err != nil {
		return identity.User{}, fmt.Errorf("reading a user: %w", found(err, "user"))
	}
	return row.user(), nil
}

// List returns users by creation time, then id.
func (u *Users) List(ctx context.Context) ([]identity.User, error) {
	var rows []userRow
	err := u.db.reader(ctx).NewSelect().Model(&rows).OrderExpr("u.created_at, u.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", translate(err))
	}
	users := make([]identity.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users, nil
}

// SetPassword replaces the hash.
func (u *Users) SetPassword(ctx context.Context, id uuid.UUID, hash string) error {
	result, err := u.db.conn(ctx).NewUpdate().Model((*userRow)(nil)).
		Set("password_hash = ?", hash).Where("id = ?", id).Exec(ctx)
	if err := affectedOne(result, err, "user"); err != nil {
		return fmt.Errorf("storing a password: %w", err)
	}
	return nil
}
