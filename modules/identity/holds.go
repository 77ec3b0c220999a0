package identity

import (
	"context"

	"ampra/core/identity"
)

// SessionHolds returns nil while a session goes on, and Unauthenticated when it
// is over. It does not move the session's end.
func (s *Service) SessionHolds(ctx context.Context, session identity.Digest) error {
	_, _, err := s.d.Sessions.User(ctx, session, s.d.Clock.Now())
	return signInFirst(err)
}

// TokenHolds returns nil while an API token goes on, and Unauthenticated when it
// is over. It does not count as a use.
func (s *Service) TokenHolds(ctx context.Context, token identity.Digest) error {
	_, _, err := s.d.Tokens.User(ctx, token, s.d.Clock.Now())
	return signInFirst(err)
}
