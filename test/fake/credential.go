package fake

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

var (
	_ credential.Repository    = (*Credentials)(nil)
	_ credential.AccessRecords = (*AccessRecords)(nil)
)

// Credentials keeps credentials in memory.
type Credentials struct {
	Faults
	r *Records
}

func copyCredential(c credential.Credential) credential.Credential {
	c.Sealed.Box = bytes.Clone(c.Sealed.Box)
	c.CreatedAt = instant(c.CreatedAt)
	c.ValidUntil, c.LastUsedAt = copiedInstant(c.ValidUntil), copiedInstant(c.LastUsedAt)
	return c
}

// credentialsOf returns a source's, the newest version first.
func (t *tables) credentialsOf(source uuid.UUID) []credential.Credential {
	var list []credential.Credential
	for _, c := range t.credentials {
		if c.SourceID == source {
			list = append(list, copyCredential(c))
		}
	}
	slices.SortFunc(list, func(a, b credential.Credential) int { return b.Version - a.Version })
	return list
}

func (t *tables) addCredential(c credential.Credential) error {
	if _, known := t.sources[c.SourceID]; !known {
		return missing("sun source")
	}
	for _, have := range t.credentials {
		if have.ID == c.ID || have.SourceID == c.SourceID && have.Version == c.Version {
			return fault.New(fault.Conflict, "The sun source has this version of its credentials already.")
		}
	}
	t.credentials[c.ID] = copyCredential(c)
	return nil
}

// Add stores the first credential of a source.
func (s *Credentials) Add(ctx context.Context, c credential.Credential) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error { return t.addCredential(c) })
}

// List returns a source's credentials, the newest version first.
func (s *Credentials) List(ctx context.Context, source uuid.UUID) ([]credential.Credential, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]credential.Credential, error) {
		return t.credentialsOf(source), nil
	})
}

// Replace stores next as the current credential and ends those before it.
func (s *Credentials) Replace(ctx context.Context, next credential.Credential, validUntil *time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, known := t.sources[next.SourceID]; !known {
			return missing("sun source")
		}
		list := t.credentialsOf(next.SourceID)
		current := 0
		if len(list) > 0 {
			current = list[0].Version
		}
		if next.Version != current+1 {
			return fault.New(fault.Conflict, "The credentials were replaced meanwhile.")
		}
		for _, c := range list {
			if c.Version == current && validUntil != nil {
				c.ValidUntil = copiedInstant(validUntil)
				t.credentials[c.ID] = c
			} else {
				delete(t.credentials, c.ID)
			}
		}
		return t.addCredential(next)
	})
}

// Touch notes when credentials were last used.
func (s *Credentials) Touch(ctx context.Context, used map[uuid.UUID]time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		for id, at := range used {
			c, ok := t.credentials[id]
			if ok && (c.LastUsedAt == nil || c.LastUsedAt.Before(at)) {
				c.LastUsedAt = copiedInstant(&at)
				t.credentials[id] = c
			}
		}
		return nil
	})
}

// Sweep removes credentials that ended before the time.
func (s *Credentials) Sweep(ctx context.Context, before time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		maps.DeleteFunc(t.credentials, func(_ uuid.UUID, c credential.Credential) bool {
			return c.ValidUntil != nil && c.ValidUntil.Before(instant(before))
		})
		return nil
	})
}

// SealedWithout returns up to limit credentials that are not sealed with the key.
func (s *Credentials) SealedWithout(ctx context.Context, keyID string, limit int) ([]credential.Credential, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]credential.Credential, error) {
		var list []credential.Credential
		for _, c := range t.credentials {
			if c.Sealed.KeyID != keyID {
				list = append(list, copyCredential(c))
			}
		}
		inOrder(list, func(c credential.Credential) (time.Time, uuid.UUID) { return time.Time{}, c.ID })
		return list[:min(limit, len(list))], nil
	})
}

// Reseal replaces the box of a credential when it is still the old one.
func (s *Credentials) Reseal(ctx context.Context, id uuid.UUID, old, sealed credential.Sealed) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		c, ok := t.credentials[id]
		if ok && c.Sealed.KeyID == old.KeyID && bytes.Equal(c.Sealed.Box, old.Box) {
			c.Sealed = sealed
			t.credentials[id] = copyCredential(c)
		}
		return nil
	})
}

// AccessRecords reads what a device's sign-in needs.
type AccessRecords struct {
	Faults
	r *Records
}

// AccessByClientKeys returns sources with the credentials that have not ended.
func (s *AccessRecords) AccessByClientKeys(ctx context.Context, keys []sunsource.ClientKey, now time.Time) ([]credential.AccessRecord, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]credential.AccessRecord, error) {
		var list []credential.AccessRecord
		for id, source := range t.sources {
			if !slices.Contains(keys, sunsource.ClientKeyOf(id)) {
				continue
			}
			record := credential.AccessRecord{Access: credential.Access{
				SourceID: id, OwnerID: source.OwnerID, Type: source.ConnectionType, Active: source.IsActive,
			}}
			for _, c := range t.credentialsOf(id) {
				if !c.Valid(instant(now)) {
					continue
				}
				record.Keys = append(record.Keys, credential.AccessKey{
					CredentialID: c.ID, Version: c.Version, Digest: c.Digest, ValidUntil: c.ValidUntil,
				})
				if source.ConnectionType == sunsource.Webhook {
					record.Sealed = append(record.Sealed, c.Sealed)
				}
			}
			list = append(list, record)
		}
		return list, nil
	})
}
