package credential

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// Access is all that the way in for devices needs to know of a source: who it
// belongs to, whether it may send, and what opens it. It is what processes
// cache.
type Access struct {
	SourceID uuid.UUID
	OwnerID  uuid.UUID
	Type     sunsource.ConnectionType
	Active   bool
	// Keys are the valid credentials, the current one first.
	Keys []AccessKey
}

// AccessKey is one valid credential.
type AccessKey struct {
	CredentialID uuid.UUID
	Version      int
	// Digest is set for MQTT sources, Secret for webhook sources.
	Digest     Digest
	Secret     Secret
	ValidUntil *time.Time
}

// Valid reports whether the key opens anything at the time.
func (k AccessKey) Valid(now time.Time) bool {
	return k.ValidUntil == nil || now.Before(*k.ValidUntil)
}

// Holds reports whether a session that signed in with the credential may go on
// at the time: the source is active and the credential still valid.
func (a Access) Holds(credentialID uuid.UUID, now time.Time) bool {
	if !a.Active {
		return false
	}
	for _, k := range a.Keys {
		if k.CredentialID == credentialID {
			return k.Valid(now)
		}
	}
	return false
}

// MatchMQTT returns the key that the secret opens at the time. Every key is
// compared, so that the time tells nothing.
func (a Access) MatchMQTT(secret Secret, now time.Time) (AccessKey, bool) {
	digest := DigestOf(secret)
	var found AccessKey
	ok := false
	for _, k := range a.Keys {
		if digestsEqual(k.Digest, digest) && k.Valid(now) && !ok {
			found, ok = k, true
		}
	}
	return found, ok && a.Active && a.Type == sunsource.MQTT
}

// AccessRecord is Access as the store of records has it: the secrets of webhook
// sources are still sealed.
type AccessRecord struct {
	// Access has no Secret in its keys.
	Access
	// Sealed has the box of each key, in the order of Keys; it is empty for MQTT
	// sources, whose digests are all that it takes.
	Sealed []Sealed
}

// AccessRecords reads what Access is made of, from the store of records.
type AccessRecords interface {
	// AccessByClientKeys returns the sources that client ids name, in any order,
	// each with the credentials that have not ended, the newest first. A key that
	// belongs to no source has none in the answer.
	AccessByClientKeys(ctx context.Context, keys []sunsource.ClientKey, now time.Time) ([]AccessRecord, error)
}
