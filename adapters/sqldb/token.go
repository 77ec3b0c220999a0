package sqldb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/identity"
)

var _ identity.Tokens = (*Tokens)(nil)

// Tokens keeps personal API tokens.
type Tokens struct{ db *DB }

// NewTokens returns the API tokens in db.
func NewTokens(db *DB) *Tokens { return &Tokens{db} }

type tokenRow struct {
	bun.BaseModel `bun:"table:api_tokens,alias:t"`

	ID         uuid.UUID `bun:"id,pk"`
	UserID     uuid.UUID `bun:"user_id"`
	Name       string    `bun:"name"`
	Scopes     string    `bun:"scopes"` // with spaces between them
	Digest     []byte    `bun:"digest"`
	CreatedAt  instant   `bun:"created_at"`
	ExpiresAt  instant   `bun:"expires_at"`
	LastUsedAt *instant  `bun:"last_used_at"`
	User       *userRow  `bun:"rel:belongs-to,join:user_id=id"`
}

func (r *tokenRow) token() (identity.Token, error) {
	digest, err := digestOf(r.Digest)
	if err != nil {
		return identity.Token{}, err
	}
	t := identity.Token{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Digest: digest,
		CreatedAt: r.CreatedAt.at, ExpiresAt: r.ExpiresAt.at, LastUsedAt: r.LastUsedAt.maybeTime(),
	}
	for scope := range strings.FieldsSeq(r.Scopes) {
		t.Scopes = append(t.Scopes, identity.Scope(scope))
	}
	return t, nil
}

// Create stores a token.
func (t *Tokens) Create(ctx context.Context, token identity.Token) error {
	scopes := make([]string, len(token.Scopes))
	for i, scope := range token.Scopes {
		scopes[i] = string(scope)
	}
	row := &tokenRow{
		ID: token.ID, UserID: token.UserID, Name: token.Name, Scopes: strings.Join(scopes, " "),
		Digest: token.Digest[:], CreatedAt: at(token.CreatedAt), ExpiresAt: at(token.ExpiresAt),
		LastUsedAt: maybeAt(token.LastUsedAt),
	}
	if _, err := t.db.conn(ctx).NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("storing a token: %w", translate(err))
	}
	return nil
}

// User returns the user of a token that has not expired, else NotFound.
func (t *Tokens) User(ctx context.Context, digest identity.Digest, now time.Time) (identity.User, identity.Token, error) {
	var row tokenRow
	err := t.db.reader(ctx).NewSelect().Model(&row).Relation("User").
		Where("t.digest = ? and t.expires_at > ?", digest[:], now).Scan(ctx)
	if err != nil {
		return identity.User{}, identity.Token{}, fmt.Errorf("reading a token: %w", found(err, "token"))
	}
	token, err := row.token()
	if err != nil {
		return identity.User{}, identity.Token{}, fmt.Errorf("reading a token: %w", err)
	}
	return row.User.user(), token, nil
}

// List returns a user's tokens by creation time, expired ones too.
func (t *Tokens) List(ctx context.Context, user uuid.UUID) ([]identity.Token, error) {
	var rows []tokenRow
	err := t.db.reader(ctx).NewSelect().Model(&rows).
		Where("t.user_id = ?", user).OrderExpr("t.created_at, t.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", translate(err))
	}
	tokens := make([]identity.Token, len(rows))
	for i := range rows {
		if tokens[i], err = rows[i].token(); err != nil {
			return nil, fmt.Errorf("listing tokens: %w", err)
		}
	}
	return tokens, nil
}

// Delete removes one of the user's tokens, or NotFound.
func (t *Tokens) Delete(ctx context.Context, user, id uuid.UUID) error {
	result, err := t.db.conn(ctx).NewDelete().Model((*tokenRow)(nil)).
		Where("id = ? and user_id = ?", id, user).Exec(ctx)
	if err := affectedOne(result, err, "token"); err != nil {
		return fmt.Errorf("deleting a token: %w", err)
	}
	return nil
}

// Touch notes that a token was used. A later use stays noted; a token that was
// deleted meanwhile is no error.
func (t *Tokens) Touch(ctx context.Context, id uuid.UUID, used time.Time) error {
	_, err := t.db.conn(ctx).NewUpdate().Model((*tokenRow)(nil)).Set("last_used_at = ?", used).
		Where("id = ? and (last_used_at is null or last_used_at < ?)", id, used).Exec(ctx)
	if err != nil {
		return fmt.Errorf("noting the use of a token: %w", translate(err))
	}
	return nil
}
