package credentials

import (
	"context"
	"time"

	"ampra/core/fault"
)

// ValidUntil is when a session's credential ends, as it stands now: a rotation
// with a grace bounds a session that had no bound when it signed in. nil says that
// it has none, the zero time that it is over. An error says that it can't be told
// now.
func (g *Gate) ValidUntil(ctx context.Context, s Session) (*time.Time, error) {
	access, err := g.d.Registry.Access(ctx, s.SourceID)
	if fault.Is(err, fault.NotFound) {
		return &time.Time{}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, key := range access.Keys {
		if key.CredentialID == s.CredentialID {
			return key.ValidUntil, nil
		}
	}
	return &time.Time{}, nil
}
