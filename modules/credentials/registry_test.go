package credentials_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainSealer keeps secrets as they are.
type plainSealer struct{}

func (plainSealer) Seal(plain, _ []byte) (credential.Sealed, error) {
	return credential.Sealed{KeyID: "k", Box: plain}, nil
}
func (plainSealer) Open(s credential.Sealed, _ []byte) ([]byte, error) { return s.Box, nil }
func (plainSealer) CurrentKey() string                                 { return "k" }

// feed calls its listeners when it is told to.
type feed struct {
	listeners []func(context.Context, change.Change)
	cutOff    bool
}

func (f *feed) Settle(context.Context, int64) error { return nil }
func (f *feed) Trusted() bool                       { return !f.cutOff }
func (f *feed) Subscribe(apply func(context.Context, change.Change)) {
	f.listeners = append(f.listeners, apply)
}

func (f *feed) tell(source uuid.UUID) {
	for _, listener := range f.listeners {
		listener(context.Background(), change.Change{Kind: change.CredentialsRotated, SourceID: source})
	}
}

// records hold one source, and may be stopped between reading and answering.
type records struct {
	mu      sync.Mutex
	source  sunsource.SunSource
	keys    []credential.Credential
	err     error
	reads   int
	asked   []int         // how many keys each read asked for
	holding chan struct{} // an answer waits for it
	reading chan struct{} // told when an answer waits
}

func (r *records) AccessByClientKeys(_ context.Context, keys []sunsource.ClientKey, _ time.Time) ([]credential.AccessRecord, error) {
	r.mu.Lock()
	r.reads++
	r.asked = append(r.asked, len(keys))
	source, credentials, err, holding := r.source, r.keys, r.err, r.holding
	r.mu.Unlock()
	if holding != nil {
		r.reading <- struct{}{}
		<-holding
	}
	if err != nil || !slices.Contains(keys, sunsource.ClientKeyOf(source.ID)) {
		return nil, err
	}
	found := credential.AccessRecord{Access: credential.Access{
		SourceID: source.ID, OwnerID: source.OwnerID, Type: source.ConnectionType, Active: source.IsActive,
	}}
	for _, c := range credentials {
		found.Keys = append(found.Keys, credential.AccessKey{CredentialID: c.ID, Version: c.Version, Digest: c.Digest, ValidUntil: c.ValidUntil})
		if c.Kind == sunsource.Webhook {
			found.Sealed = append(found.Sealed, c.Sealed)
		}
	}
	return []credential.AccessRecord{found}, nil
}

func (r *records) set(act func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	act()
}

func (r *records) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads
}

// usage is where nothing is written.
type nowhere struct {
	credential.Repository
	credential.Presence
}

func present() time.Time { return time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC) }

type rig struct {
	feed     feed
	records  records
	clock    *fake.Clock
	registry *credentials.Registry
	gate     *credentials.Gate
	secret   credential.Secret
}

// newRig has one active source with one credential.
func newRig(t *testing.T, kind sunsource.ConnectionType) *rig {
	t.Helper()
	r := &rig{clock: fake.NewClock(present())}
	r.records.source = sunsource.SunSource{ID: uuid.New(), OwnerID: uuid.New(), ConnectionType: kind, IsActive: true}
	r.secret = r.give(t, kind)
	r.registry = credentials.NewRegistry(credentials.RegistryDeps{
		Records: &r.records, Sealer: plainSealer{}, Feed: &r.feed, Clock: r.clock,
	})
	usage := credentials.NewUsage(credentials.UsageDeps{
		Credentials: nowhere{}, Presence: nowhere{}, Clock: r.clock, Process: uuid.New(), Failed: func(error) {},
	})
	var err error
	r.gate, err = credentials.NewGate(credentials.GateDeps{Registry: r.registry, Usage: usage, Clock: r.clock, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// give makes a fresh credential the current one and ends the one before at once.
func (r *rig) give(t *testing.T, kind sunsource.ConnectionType) credential.Secret {
	t.Helper()
	draw := credential.NewWebhookSecret
	if kind == sunsource.MQTT {
		draw = credential.NewMQTTKey
	}
	secret, err := draw(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := credential.Credential{ID: uuid.New(), SourceID: r.records.source.ID, Kind: kind, Version: 1}
	if kind == sunsource.MQTT {
		c.Digest = credential.DigestOf(secret)
	}
	c.Sealed.Box = []byte(secret.Reveal())
	r.records.set(func() { r.records.keys = []credential.Credential{c} })
	return secret
}

func (r *rig) signIn(t *testing.T, key credential.Secret) (credentials.Session, error) {
	t.Helper()
	return r.gate.SignInMQTT(t.Context(), r.records.source.ClientID(), "", key)
}

func TestWhatIsRememberedIsReadOnceUntilItChanges(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	for range 5 {
		if _, err := r.signIn(t, r.secret); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.records.count(); n != 1 {
		t.Errorf("5 sign-ins took %d reads, expected 1", n)
	}
	old := r.secret
	next := r.give(t, sunsource.MQTT)
	r.feed.tell(r.records.source.ID)
	if _, err := r.signIn(t, old); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old key: %v, expected Unauthenticated", err)
	}
	if _, err := r.signIn(t, next); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func TestAnAnswerThatWasReadBeforeAChangeIsNotRemembered(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	r.records.set(func() { r.records.holding, r.records.reading = make(chan struct{}), make(chan struct{}) })
	signedIn := make(chan error, 1)
	go func() {
		_, err := r.gate.SignInMQTT(t.Context(), r.records.source.ClientID(), "", r.secret)
		signedIn <- err
	}()
	<-r.records.reading // the old credential has been read
	holding := r.records.holding
	r.records.set(func() { r.records.holding = nil })
	r.give(t, sunsource.MQTT)
	r.feed.tell(r.records.source.ID)
	close(holding)
	if err := <-signedIn; err != nil && !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the sign-in that began before the rotation: %v", err) // it may have gone through
	}
	if _, err := r.signIn(t, r.secret); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old key after the rotation: %v, expected Unauthenticated", err)
	}
}

func TestAProcessThatIsCutOffTrustsNothingThatItRemembers(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	session, err := r.signIn(t, r.secret)
	if err != nil {
		t.Fatal(err)
	}
	r.feed.cutOff = true
	r.give(t, sunsource.MQTT) // and nobody tells us
	if _, err := r.signIn(t, r.secret); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old key: %v, expected Unauthenticated", err)
	}
	if holds, err := r.gate.Holds(t.Context(), session); holds || err != nil {
		t.Errorf("the old session holds: %v, %v", holds, err)
	}
	r.records.set(func() { r.records.err = errors.New("away") })
	if _, err := r.signIn(t, r.secret); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with the records away: %v, expected Unavailable", err)
	}
	if _, err := r.gate.Holds(t.Context(), session); err == nil {
		t.Error("with the records away a session is believed")
	}
}

func TestSigningInNeedsEveryPartToBeRight(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	id := r.records.source.ClientID()
	for name, c := range map[string]struct {
		client, user string
		key          credential.Secret
		ok           bool
	}{
		"no user name":              {id, "", r.secret, true},
		"the client id as user":     {id, id, r.secret, true},
		"the source's id as user":   {id, r.records.source.ID.String(), r.secret, true},
		"another user name":         {id, "somebody", r.secret, false},
		"another client id":         {"sunsource_00000000", "", r.secret, false},
		"no client id":              {"", "", r.secret, false},
		"a wrong key":               {id, "", credential.NewSecret("ak_wrong"), false},
		"no key":                    {id, "", credential.Secret{}, false},
		"the client id in capitals": {"SUNSOURCE_" + id[10:], "", r.secret, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.gate.SignInMQTT(t.Context(), c.client, c.user, c.key)
			if c.ok != (err == nil) || (!c.ok && !fault.Is(err, fault.Unauthenticated)) {
				t.Errorf("got %v", err)
			}
		})
	}
	r.records.set(func() { r.records.source.IsActive = false })
	r.feed.tell(r.records.source.ID)
	if _, err := r.signIn(t, r.secret); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("an inactive source: %v", err)
	}
}

func TestAReplacedKeyIsGoodUntilItsGraceEnds(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	old := r.secret
	until := present().Add(time.Hour)
	replaced := r.records.keys[0]
	replaced.ValidUntil = &until
	next := r.give(t, sunsource.MQTT)
	r.records.set(func() { r.records.keys = append(r.records.keys, replaced) })

	session, err := r.signIn(t, old)
	if err != nil || session.ValidUntil == nil || !session.ValidUntil.Equal(until) {
		t.Fatalf("the old key within its grace: %+v, %v", session, err)
	}
	r.clock.Set(until.Add(-time.Millisecond))
	if holds, err := r.gate.Holds(t.Context(), session); !holds || err != nil {
		t.Errorf("just before the end it holds: %v, %v", holds, err)
	}
	r.clock.Set(until)
	if holds, _ := r.gate.Holds(t.Context(), session); holds {
		t.Error("the session holds beyond its grace")
	}
	if _, err := r.signIn(t, old); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old key beyond its grace: %v", err)
	}
	if _, err := r.signIn(t, next); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func (r *rig) knock(t *testing.T, secret credential.Secret) error {
	t.Helper()
	return r.knockAt(t, r.records.source.ID, secret)
}

func (r *rig) knockAt(t *testing.T, source uuid.UUID, secret credential.Secret) error {
	t.Helper()
	body := []byte(`{"acPowerWatts": 1}`)
	signature, ok := credential.SignPlain(secret, body)
	if !ok {
		t.Fatal("the secret does not sign")
	}
	_, err := r.gate.AdmitWebhook(t.Context(), credentials.Knock{
		SourceID: source, Body: body, Signatures: credential.Signatures{Plain: []string{signature}},
	})
	return err
}

func TestAWebhookIsAdmittedByEachValidSecretAndRefusedAlikeOtherwise(t *testing.T) {
	r := newRig(t, sunsource.Webhook)
	old := r.secret
	until := present().Add(time.Hour)
	replaced := r.records.keys[0]
	replaced.ValidUntil = &until
	next := r.give(t, sunsource.Webhook)
	r.records.set(func() { r.records.keys = append(r.records.keys, replaced) })
	for name, secret := range map[string]credential.Secret{"the current": next, "the one within its grace": old} {
		if err := r.knock(t, secret); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuse := func(name string) {
		t.Helper()
		err := r.knock(t, next)
		var refusal *credentials.Refusal
		if !fault.Is(err, fault.Unauthenticated) || !errors.As(err, &refusal) || refusal.Reason == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.clock.Set(until)
	if err := r.knock(t, old); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("beyond its grace: %v", err)
	}
	r.records.set(func() { r.records.source.IsActive = false })
	r.feed.tell(r.records.source.ID)
	refuse("an inactive source")
	r.records.set(func() { r.records.source.IsActive, r.records.source.ConnectionType = true, sunsource.MQTT })
	r.feed.tell(r.records.source.ID)
	refuse("an MQTT source")
	there, unknown := r.records.source, r.records.source.ID
	r.records.set(func() { r.records.source = sunsource.SunSource{} })
	r.feed.tell(unknown)
	if err := r.knockAt(t, unknown, next); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("an unknown source: %v", err)
	}
	r.records.set(func() { r.records.source, r.records.err = there, errors.New("away") })
	r.feed.tell(unknown)
	if err := r.knock(t, next); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with the records away: %v", err)
	}
}

func TestWhoMissedChangesForgetsAllSources(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	if _, err := r.signIn(t, r.secret); err != nil {
		t.Fatal(err)
	}
	r.give(t, sunsource.MQTT) // and the change was swept before it was heard
	for _, listener := range r.feed.listeners {
		listener(t.Context(), change.Change{Kind: change.Missed})
	}
	if _, err := r.signIn(t, r.secret); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old key: %v, expected Unauthenticated", err)
	}
}
