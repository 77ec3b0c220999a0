package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// GateDeps are what the gate stands on.
type GateDeps struct {
	Registry *Registry
	Usage    *Usage
	Clock    clock.Clock
	Random   io.Reader
}

// Gate lets devices in, or not.
type Gate struct {
	d GateDeps
	// decoy stands in for the secret of a source that is not there, so that the
	// answer takes as long.
	decoy credential.Secret
}

// NewGate draws the decoy; random's error is returned.
func NewGate(d GateDeps) (*Gate, error) {
	decoy, err := credential.NewWebhookSecret(d.Random)
	if err != nil {
		return nil, err
	}
	return &Gate{d: d, decoy: decoy}, nil
}

// Session is a device that signed in by MQTT.
type Session struct {
	SourceID     uuid.UUID
	OwnerID      uuid.UUID
	CredentialID uuid.UUID
	// ValidUntil is when the credential's grace ends; nil for a current one.
	ValidUntil *time.Time
}

var errRefused = fault.New(fault.Unauthenticated, "The client id, user name or key is wrong.")

// SignInRefusal is why a CONNECT was refused. Its fault is always the same
// Unauthenticated; the rest is for the owner, not for the answer.
type SignInRefusal struct {
	// SourceID is whose client id it was, Nil for nobody's.
	SourceID uuid.UUID
	// Reason is one of package device's.
	Reason string
}

// Error gives the reason.
func (r *SignInRefusal) Error() string { return "MQTT sign-in refused: " + r.Reason }

// Unwrap gives the fault.
func (r *SignInRefusal) Unwrap() error { return errRefused }

// SignInMQTT checks a device's CONNECT: the client id is the source's, the user
// name is empty, the client id or the source's id, the password a valid key of
// an active MQTT source. Whatever is wrong, the fault is the same
// Unauthenticated; Unavailable says that it can't be told now.
func (g *Gate) SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (Session, error) {
	access, err := g.d.Registry.AccessByClient(ctx, clientID)
	switch {
	case fault.Is(err, fault.NotFound):
		return Session{}, &SignInRefusal{Reason: device.UnknownClient}
	case err != nil:
		return Session{}, fault.Wrap(fault.Unavailable, err, "Signing in is not possible right now.")
	}
	now := g.d.Clock.Now()
	key, ok := access.MatchMQTT(password, now)
	if !ok || (username != "" && username != clientID && username != access.SourceID.String()) {
		return Session{}, &SignInRefusal{access.SourceID, reasonOf(access, ok)}
	}
	g.d.Usage.Used(key.CredentialID, now)
	return Session{SourceID: access.SourceID, OwnerID: access.OwnerID, CredentialID: key.CredentialID, ValidUntil: key.ValidUntil}, nil
}

// reasonOf is why an access was refused to a key that matched, or did not. It costs
// the same whatever it is.
func reasonOf(access credential.Access, matched bool) string {
	switch {
	case access.Type != sunsource.MQTT:
		return device.WrongKind
	case !access.Active:
		return device.Inactive
	case matched:
		return device.WrongUser
	default:
		return device.WrongKey
	}
}

// Holds reports whether a session may go on: its source is active and its
// credential valid. An error says that it can't be told now.
func (g *Gate) Holds(ctx context.Context, s Session) (bool, error) {
	access, err := g.d.Registry.Access(ctx, s.SourceID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return access.Holds(s.CredentialID, g.d.Clock.Now()), nil
}

// Trusted reports whether this process hears of revocations in time. While it
// does not, sessions must not be believed without asking Holds.
func (g *Gate) Trusted() bool { return g.d.Registry.d.Feed.Trusted() }

// Knock is a signed webhook request.
type Knock struct {
	SourceID   uuid.UUID
	Signatures credential.Signatures
	Body       []byte
}

// Refusal is why a knock was refused. Its fault is always the same
// Unauthenticated; the reason is for the owner and the log, not for the answer.
type Refusal struct{ Reason error }

// Error gives the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("webhook refused: %v", r.Reason) }

// Unwrap gives the reason and the fault.
func (r *Refusal) Unwrap() []error {
	return []error{fault.New(fault.Unauthenticated, "The signature is missing or wrong."), r.Reason}
}

var (
	errNoSource = errors.New("no such source")
	errInactive = errors.New("the source is inactive")
	errKind     = errors.New("the source connects by MQTT")
)

// Code is the reason in a word of package device's, "" where there is no source.
func (r *Refusal) Code() string {
	switch {
	case errors.Is(r.Reason, errNoSource):
		return ""
	case errors.Is(r.Reason, errInactive):
		return device.Inactive
	case errors.Is(r.Reason, errKind):
		return device.WrongKind
	case errors.Is(r.Reason, credential.ErrTooOld), errors.Is(r.Reason, credential.ErrTooNew):
		return device.WrongClock
	default:
		return device.BadSignature
	}
}

// AdmitWebhook checks the signatures of a webhook request against every valid
// secret of its source. signedAt is the signed time, or zero for a form without
// one. An unknown, inactive or MQTT source costs the same work and gets the same
// fault as a wrong signature.
func (g *Gate) AdmitWebhook(ctx context.Context, k Knock) (signedAt time.Time, err error) {
	now := g.d.Clock.Now()
	access, err := g.d.Registry.AccessWithSecrets(ctx, k.SourceID)
	var reason error
	switch {
	case fault.Is(err, fault.NotFound):
		reason = errNoSource
	case err != nil:
		return time.Time{}, fault.Wrap(fault.Unavailable, err, "The signature can't be checked right now.")
	case access.Type != sunsource.Webhook:
		reason = errKind
	case !access.Active:
		reason = errInactive
	}
	if reason != nil || len(access.Keys) == 0 {
		_, _ = k.Signatures.Verify(g.decoy, k.Body, now)
		if reason == nil {
			reason = errNoSource
		}
		return time.Time{}, &Refusal{Reason: reason}
	}
	for _, key := range access.Keys {
		at, err := k.Signatures.Verify(key.Secret, k.Body, now)
		if err == nil && key.Valid(now) {
			g.d.Usage.Used(key.CredentialID, now)
			return at, nil
		}
		if err != nil && reason == nil {
			reason = err // of the current secret, which is the one that the owner sees
		}
	}
	if reason == nil {
		reason = credential.ErrSignature
	}
	return time.Time{}, &Refusal{Reason: reason}
}
