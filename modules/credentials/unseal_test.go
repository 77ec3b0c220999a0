package credentials_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
)

// opener counts what it opens.
type opener struct {
	plainSealer
	opened int
	broken bool
}

func (o *opener) Open(s credential.Sealed, row []byte) ([]byte, error) {
	o.opened++
	if o.broken {
		return nil, errors.New("the key is missing")
	}
	return o.plainSealer.Open(s, row)
}

func TestASecretIsUnsealedOnceAndOnlyForWhoVerifiesWithIt(t *testing.T) {
	r := newRig(t, sunsource.Webhook)
	sealer := &opener{broken: true}
	registry := credentials.NewRegistry(credentials.RegistryDeps{Records: &r.records, Sealer: sealer, Feed: &r.feed, Clock: r.clock})
	source := r.records.source.ID
	// Whether a source is there, and whose it is, is known without its secret.
	if alive, err := registry.Alive(t.Context(), []uuid.UUID{source, uuid.New()}); err != nil || !slices.Equal(alive, []bool{true, false}) {
		t.Errorf("alive: %v, %v", alive, err)
	}
	access, err := registry.Access(t.Context(), source)
	if err != nil || access.OwnerID != r.records.source.OwnerID || !access.Keys[0].Secret.IsZero() {
		t.Errorf("access: %+v, %v", access, err)
	}
	if sealer.opened != 0 {
		t.Errorf("%d secrets were unsealed for nobody", sealer.opened)
	}
	if _, err := registry.AccessWithSecrets(t.Context(), source); err == nil || fault.Is(err, fault.NotFound) {
		t.Errorf("without the key to it the access is answered with %v", err)
	}
	sealer.opened, sealer.broken = 0, false
	for range 3 {
		access, err := registry.AccessWithSecrets(t.Context(), source)
		if err != nil || !access.Keys[0].Secret.Equal(r.secret) {
			t.Errorf("access with secrets: %+v, %v", access, err)
		}
	}
	if sealer.opened != 1 || r.records.count() != 1 {
		t.Errorf("the secret was unsealed %d times in %d reads, want once", sealer.opened, r.records.count())
	}
	if access, err := registry.Access(t.Context(), source); err != nil || !access.Keys[0].Secret.IsZero() {
		t.Errorf("who needs no secret is given one: %v", err)
	}
	next := r.give(t, sunsource.Webhook)
	r.feed.tell(source)
	if access, err := registry.AccessWithSecrets(t.Context(), source); err != nil || !access.Keys[0].Secret.Equal(next) {
		t.Errorf("after a rotation: %v", err)
	}
}
