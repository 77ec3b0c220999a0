package credentials

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Rotate replaces the credential of one of the actor's sources and returns the
// new secret. With a grace of 0 everything before ends: when Rotate returns it
// opens nothing any more, in any process, and devices connected with it are cut
// off. With a grace (at most credential.MaxGrace) the one that was current stays
// valid that long. A source of another kind is a Conflict.
func (s *Service) Rotate(ctx context.Context, who actor.Actor, source uuid.UUID, kind sunsource.ConnectionType, grace time.Duration) (credential.Secret, error) {
	if grace < 0 || grace > credential.MaxGrace {
		return credential.Secret{}, &fault.Error{
			Code: fault.Invalid, Message: "The request has invalid fields.",
			Fields: map[string][]string{"graceSeconds": {"must be between 0 and 604800 (7 days)"}},
		}
	}
	var secret credential.Secret
	var seq int64
	err := s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		found, err := s.d.Sources.Get(ctx, who.UserID, source)
		if err != nil {
			return err
		}
		if found.ConnectionType != kind {
			return WrongKind(found.ConnectionType)
		}
		secret, seq, err = s.RotateWithin(ctx, who, source, kind, grace)
		return err
	})
	if err != nil {
		return credential.Secret{}, err
	}
	if err := s.settle(ctx, seq); err != nil {
		return credential.Secret{}, err
	}
	return secret, nil
}

// RotateWithin is Rotate inside a transaction of the caller's, who has checked
// that the source is the actor's and of this kind, and who must call the feed's
// Settle with the returned seq after the commit.
func (s *Service) RotateWithin(ctx context.Context, who actor.Actor, source uuid.UUID, kind sunsource.ConnectionType, grace time.Duration) (credential.Secret, int64, error) {
	all, err := s.d.Credentials.List(ctx, source)
	if err != nil {
		return credential.Secret{}, 0, err
	}
	version := 1
	if len(all) > 0 {
		version = all[0].Version + 1
	}
	next, secret, err := s.make(source, kind, version, credential.Secret{})
	if err != nil {
		return credential.Secret{}, 0, err
	}
	var until *time.Time
	if grace > 0 {
		at := s.d.Clock.Now().Add(grace)
		until = &at
	}
	if err := s.d.Credentials.Replace(ctx, next, until); err != nil {
		return credential.Secret{}, 0, err
	}
	if err := s.note(ctx, who, audit.CredentialsRotated, source); err != nil {
		return credential.Secret{}, 0, err
	}
	seq, err := s.d.Outbox.Append(ctx, change.Change{Kind: change.CredentialsRotated, SourceID: source})
	return secret, seq, err
}

// settle waits until the change is known everywhere. The change itself is
// committed by then, so a caller that left does not take it back.
func (s *Service) settle(ctx context.Context, seq int64) error {
	if err := s.d.Feed.Settle(ctx, seq); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The credential is replaced, but not every server has confirmed it in time. Read the new one with includeConnectionDetails=true.")
	}
	return nil
}

func (s *Service) note(ctx context.Context, who actor.Actor, act audit.Act, subject uuid.UUID) error {
	return s.d.Audit.Append(ctx, audit.Entry{At: s.d.Clock.Now(), ActorID: who.UserID, Act: act, Subject: subject})
}

// WrongKind is the Conflict of a call that does not fit a source's connection
// type.
func WrongKind(actual sunsource.ConnectionType) error {
	if actual == sunsource.MQTT {
		return fault.New(fault.Conflict, "This is an MQTT source: it has an MQTT key, but no webhook URL or secret.")
	}
	return fault.New(fault.Conflict, "This is a Webhook source: it has a webhook secret, but no MQTT key.")
}

// RotateNow is RotateWithin without a grace, for a caller that shows no secret.
func (s *Service) RotateNow(ctx context.Context, who actor.Actor, source uuid.UUID, kind sunsource.ConnectionType) (int64, error) {
	_, seq, err := s.RotateWithin(ctx, who, source, kind, 0)
	return seq, err
}
