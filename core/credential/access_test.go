package credential_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

func noon() time.Time { return time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC) }

func TestACredentialEndsAtTheMomentThatItIsValidUntil(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Duration]bool{-time.Nanosecond: true, 0: false, time.Nanosecond: false, -time.Hour: true, time.Hour: false} {
		until := new(noon())
		if got := (credential.Credential{ValidUntil: until}).Valid(noon().Add(at)); got != want {
			t.Errorf("a credential %v after its end: %t", at, got)
		}
		if got := (credential.AccessKey{ValidUntil: until}).Valid(noon().Add(at)); got != want {
			t.Errorf("a key %v after its end: %t", at, got)
		}
		// The same moment in another zone.
		if got := (credential.AccessKey{ValidUntil: until}).Valid(noon().Add(at).In(time.FixedZone("", 3600))); got != want {
			t.Errorf("a key %v after its end, elsewhere: %t", at, got)
		}
	}
	if !(credential.Credential{}).Valid(noon()) || !(credential.AccessKey{}).Valid(noon()) {
		t.Error("the current credential has ended")
	}
}

// replaced is an MQTT source whose key was replaced with a grace until noon.
func replaced() (access credential.Access, current, previous credential.Secret) {
	current, previous = credential.NewSecret("ak_current"), credential.NewSecret("ak_previous")
	return credential.Access{Type: sunsource.MQTT, Active: true, Keys: []credential.AccessKey{
		{CredentialID: uuid.UUID{2}, Version: 2, Digest: credential.DigestOf(current)},
		{CredentialID: uuid.UUID{1}, Version: 1, Digest: credential.DigestOf(previous), ValidUntil: new(noon())},
	}}, current, previous
}

func TestMatchMQTTOpensForValidKeysOnly(t *testing.T) {
	t.Parallel()
	access, current, previous := replaced()
	inactive, webhook, none := access, access, access
	inactive.Active, webhook.Type, none.Keys = false, sunsource.Webhook, nil
	for name, c := range map[string]struct {
		access credential.Access
		secret credential.Secret
		at     time.Time
		want   int // the key's version, 0 for none
	}{
		"the current key":                   {access, current, noon(), 2},
		"the previous key in its grace":     {access, previous, noon().Add(-time.Nanosecond), 1},
		"the previous key at its end":       {access, previous, noon(), 0},
		"the previous key after its end":    {access, previous, noon().Add(time.Hour), 0},
		"another key":                       {access, credential.NewSecret("ak_other"), noon(), 0},
		"a key with something behind it":    {access, credential.NewSecret("ak_current "), noon(), 0},
		"no key":                            {access, credential.Secret{}, noon(), 0},
		"a source that is not active":       {inactive, current, noon(), 0},
		"a source that uses webhooks":       {webhook, current, noon(), 0},
		"a source without keys":             {none, current, noon(), 0},
		"a source that nobody knows":        {credential.Access{}, current, noon(), 0},
		"no key for a key without digest":   {credential.Access{Type: sunsource.MQTT, Active: true, Keys: make([]credential.AccessKey, 1)}, credential.Secret{}, noon(), 0},
		"the digest of a key as the key":    {access, credential.NewSecret(string(access.Keys[0].Digest[:])), noon(), 0},
		"the current key a long time ahead": {access, current, noon().AddDate(50, 0, 0), 2},
	} {
		key, ok := c.access.MatchMQTT(c.secret, c.at)
		if ok != (c.want > 0) || ok && key.Version != c.want {
			t.Errorf("%s: got version %d, %t, want %d", name, key.Version, ok, c.want)
		}
	}
}

func TestASessionHoldsAsLongAsItsCredential(t *testing.T) {
	t.Parallel()
	access, _, _ := replaced()
	inactive := access
	inactive.Active = false
	for name, c := range map[string]struct {
		access credential.Access
		id     uuid.UUID
		at     time.Time
		want   bool
	}{
		"the current credential":                {access, uuid.UUID{2}, noon(), true},
		"the previous one in its grace":         {access, uuid.UUID{1}, noon().Add(-time.Nanosecond), true},
		"the previous one at its end":           {access, uuid.UUID{1}, noon(), false},
		"one that is gone":                      {access, uuid.UUID{9}, noon(), false},
		"none":                                  {access, uuid.Nil, noon(), false},
		"the current one of an inactive source": {inactive, uuid.UUID{2}, noon(), false},
		"any of a source that is gone":          {credential.Access{}, uuid.UUID{2}, noon(), false},
	} {
		if got := c.access.Holds(c.id, c.at); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestAChosenSecretHas16To256Characters(t *testing.T) {
	t.Parallel()
	encoded := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for text, want := range map[string]bool{
		"":                                  false,
		strings.Repeat("x", 15):             false,
		strings.Repeat("x", 16):             true,
		strings.Repeat("x", 256):            true,
		strings.Repeat("x", 257):            false,
		strings.Repeat("ä", 15):             false, // 30 bytes
		strings.Repeat("ä", 16):             true,
		strings.Repeat("😀", 256):            true, // 1024 bytes
		strings.Repeat("😀", 257):            false,
		encoded(15):                         false,
		encoded(16):                         true,
		encoded(18):                         true, // no padding
		encoded(186):                        true,
		encoded(187):                        false,
		strings.TrimRight(encoded(16), "="): true,
		"whsec_not/base64=============!":    false,
		"WHSEC_not/base64!!!!!!!!":          true, // just a text
		plainSecret:                         true,
		vectorSecret:                        true,
	} {
		err := credential.CheckCustomSecret(text)
		if (err == nil) != want {
			t.Errorf("%.40q: got %v", text, err)
			continue
		}
		if err == nil {
			if _, ok := credential.SignPlain(credential.NewSecret(text), nil); !ok {
				t.Errorf("%.40q is allowed and signs nothing", text)
			}
			continue
		}
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Invalid || len(f.Fields["webhookSecret"]) == 0 || len(f.Fields) != 1 {
			t.Errorf("%.40q: got %#v, want the field webhookSecret named", text, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%.40q: the error shows it", text)
		}
	}
}

func TestASealedSecretIsBoundToItsRow(t *testing.T) {
	t.Parallel()
	c := credential.Credential{ID: uuid.UUID{1}, SourceID: uuid.UUID{2}}
	seen := map[string]bool{}
	for _, other := range []credential.Credential{
		c, {ID: uuid.UUID{2}, SourceID: uuid.UUID{2}}, {ID: uuid.UUID{1}, SourceID: uuid.UUID{1}}, {ID: uuid.UUID{2}, SourceID: uuid.UUID{1}},
	} {
		seen[string(other.AssociatedData())] = true
	}
	if len(seen) != 4 {
		t.Errorf("two rows have one associated data: %v", seen)
	}
	changed := c
	changed.Version, changed.Kind, changed.ValidUntil = 9, sunsource.MQTT, new(noon())
	if string(changed.AssociatedData()) != string(c.AssociatedData()) {
		t.Error("what changes in a row changes its associated data")
	}
}
