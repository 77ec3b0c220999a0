// Package audit keeps who did what with secrets and accounts.
package audit

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Act names what was done.
type Act string

// The acts that leave an entry.
const (
	CredentialsShown   Act = "credentials.shown"
	CredentialsRotated Act = "credentials.rotated"
	SourceDeleted      Act = "source.deleted"
	PasswordChanged    Act = "password.changed"
	UserCreated        Act = "user.created"
	TokenCreated       Act = "token.created"
	TokenRevoked       Act = "token.revoked"
)

// Entry is one line of the audit log. It never holds a secret.
type Entry struct {
	At      time.Time
	ActorID uuid.UUID
	Act     Act
	// Subject is the id of what was acted on: a source, a user, a token.
	Subject uuid.UUID
	Detail  string
}

// Log keeps entries.
type Log interface {
	// Append stores the entry, in the context's transaction when it has one.
	Append(ctx context.Context, entry Entry) error
}
