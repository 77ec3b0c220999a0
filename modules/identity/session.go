package identity

import (
	"context"
	"time"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/fault"
	"ampra/core/identity"
)

// Login signs in. A wrong e-mail and a wrong password give the same
// Unauthenticated in the same time; after identity.MaxFailures in a row TooMany
// says how long to wait.
func (s *Service) Login(ctx context.Context, email, password string) (SignedIn, error) {
	email = identity.NormalEmail(email)
	user, err := s.d.Users.ByEmail(ctx, email)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return SignedIn{}, err
	}
	ok, err := s.checkPassword(ctx, email, user.PasswordHash, password)
	if err != nil {
		return SignedIn{}, err
	}
	wrong := fault.New(fault.Unauthenticated, "The e-mail or the password is wrong.")
	if !ok {
		return SignedIn{}, wrong
	}
	var signed SignedIn
	err = s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		// Comparing takes long: a password that was replaced meanwhile, with an end
		// to all sessions, must not open one more.
		now, err := s.d.Users.ByID(ctx, user.ID)
		if err != nil {
			return err
		}
		if now.PasswordHash != user.PasswordHash {
			return wrong
		}
		signed, err = s.newSession(ctx, now)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	return signed, nil
}

// checkPassword counts the attempt, compares, and forgets the failures after a
// success. An empty hash is an unknown user's.
func (s *Service) checkPassword(ctx context.Context, email, hash, password string) (bool, error) {
	wait, err := s.d.Attempts.Begin(ctx, email, s.d.Clock.Now())
	if err != nil {
		return false, err
	}
	if wait > 0 {
		return false, fault.Retry(fault.TooMany, wait, "Too many failed attempts for this e-mail. Wait a few minutes before the next one.")
	}
	ok, err := s.d.Hasher.Verify(hash, password)
	if err != nil || !ok || hash == "" {
		return false, err
	}
	return true, s.d.Attempts.Clear(ctx, email)
}

// Logout ends the session; an unknown one is no error.
func (s *Service) Logout(ctx context.Context, session string) error {
	return s.d.Sessions.Delete(ctx, identity.DigestOf(session))
}

// Visitor is who is behind a session or a token.
type Visitor struct {
	Actor actor.Actor
	User  identity.User
	// Extended is set when the session's end moved, so that the cookie is sent
	// anew.
	Extended bool
}

// extendAfter keeps a busy session from being written at each request.
const extendAfter = time.Hour

// BySession returns who is behind a session's text and moves its end.
func (s *Service) BySession(ctx context.Context, session string) (Visitor, error) {
	now, digest := s.d.Clock.Now(), identity.DigestOf(session)
	user, found, err := s.d.Sessions.User(ctx, digest, now)
	if err != nil {
		return Visitor{}, signInFirst(err)
	}
	v := Visitor{Actor: actor.Actor{UserID: user.ID, Role: user.Role}, User: user}
	if end := now.Add(identity.SessionLifetime); end.Sub(found.ExpiresAt) > extendAfter {
		v.Extended = true
		err = s.d.Sessions.Extend(ctx, digest, end)
	}
	return v, err
}

// ByToken returns who is behind an API token's text.
func (s *Service) ByToken(ctx context.Context, text string) (Visitor, error) {
	now := s.d.Clock.Now()
	user, token, err := s.d.Tokens.User(ctx, identity.DigestOf(text), now)
	if err != nil {
		return Visitor{}, signInFirst(err)
	}
	if token.LastUsedAt == nil || now.Sub(*token.LastUsedAt) > time.Minute {
		if err := s.d.Tokens.Touch(ctx, token.ID, now); err != nil {
			return Visitor{}, err
		}
	}
	return Visitor{Actor: actor.Actor{UserID: user.ID, Role: user.Role, ReadOnly: !token.CanWrite()}, User: user}, nil
}

// signInFirst makes "no such session" the answer that it is.
func signInFirst(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Unauthenticated, "The session or token is unknown or has expired. Sign in again.")
	}
	return err
}

// ChangePassword replaces the actor's password and ends all other sessions.
// keep is the text of the session that stays. A wrong current password is
// Invalid for "currentPassword"; it counts as a failed sign-in.
func (s *Service) ChangePassword(ctx context.Context, who actor.Actor, keep, current, next string) error {
	user, err := s.d.Users.ByID(ctx, who.UserID)
	if err != nil {
		return err
	}
	ok, err := s.checkPassword(ctx, user.Email, user.PasswordHash, current)
	if err != nil {
		return err
	}
	var wrong fault.Fields
	wrong.Check(ok, "currentPassword", "is wrong")
	if err := wrong.With(identity.CheckPassword("newPassword", next)); err != nil {
		return err
	}
	hash, err := s.d.Hasher.Hash(next)
	if err != nil {
		return err
	}
	return s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		if err := s.d.Users.SetPassword(ctx, user.ID, hash); err != nil {
			return err
		}
		if err := s.d.Sessions.DeleteOthers(ctx, user.ID, identity.DigestOf(keep)); err != nil {
			return err
		}
		return s.note(ctx, who, audit.PasswordChanged, user.ID, "")
	})
}
