package sunsources_test

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"go.uber.org/goleak"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/modules/sunsources"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func present() time.Time { return time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC) }

var errAway = fault.New(fault.Unavailable, "away")

// inTransaction marks the contexts of the rig's transactions.
type inTransaction struct{}

// rig is the use cases on fakes. It is the runner, the outbox, the feed and the
// credentials as well, and notes in steps what happens in which order.
type rig struct {
	*sunsources.Service
	t        *testing.T
	records  *fake.Records
	archive  fake.Archive
	clock    *fake.Clock
	random   io.Reader
	who      actor.Actor
	seq      int64
	outbox   error // of the next Append
	settle   error
	steps    []string
	deferred []error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, records: fake.NewRecords(), clock: fake.NewClock(present()), random: cryptorand.Reader,
		who: actor.Actor{UserID: uuid.New(), Role: actor.User},
	}
	r.Service = sunsources.New(sunsources.Deps{
		Sources: r.records.SunSources, Groups: r.records.PowerGroups, Erasures: erasures{r}, Prices: r.records.Tariffs, Credentials: r,
		Telemetry: eraser{r}, Transactions: r, Outbox: r, Feed: r, Audit: r.records.AuditLog, Clock: r.clock,
		Random: reader{r}, Deferred: func(err error) { r.deferred = append(r.deferred, err) },
	})
	return r
}

type reader struct{ r *rig }

func (d reader) Read(p []byte) (int, error) { return d.r.random.Read(p) }

func (r *rig) Run(ctx context.Context, act func(context.Context) error) error {
	return r.records.Run(ctx, func(ctx context.Context) error { return act(context.WithValue(ctx, inTransaction{}, true)) })
}

func (r *rig) Append(ctx context.Context, c change.Change) (int64, error) {
	if ctx.Value(inTransaction{}) == nil {
		r.t.Error("a change outside of a transaction")
	}
	if err := r.outbox; err != nil {
		r.outbox = nil
		return 0, err
	}
	r.seq++
	r.steps = append(r.steps, string(c.Kind))
	return r.seq, nil
}

func (r *rig) Settle(ctx context.Context, seq int64) error {
	if ctx.Value(inTransaction{}) != nil || seq != r.seq {
		r.t.Errorf("settling %d of %d, within a transaction: %v", seq, r.seq, ctx.Value(inTransaction{}))
	}
	r.steps = append(r.steps, "settled")
	return r.settle
}

func (r *rig) Subscribe(func(context.Context, change.Change)) {}
func (r *rig) Trusted() bool                                  { return true }

// Issue keeps a secret in the clear where a sealed one stands.
func (r *rig) Issue(ctx context.Context, source uuid.UUID, kind sunsource.ConnectionType, custom credential.Secret) error {
	if custom.IsZero() {
		custom = credential.NewSecret("drawn")
	}
	return r.records.Credentials.Add(ctx, credential.Credential{
		ID: uuid.New(), SourceID: source, Kind: kind, Version: 1, Sealed: credential.Sealed{KeyID: "k", Box: []byte(custom.Reveal())},
	})
}

func (r *rig) Reveal(ctx context.Context, who actor.Actor, source uuid.UUID) (credential.Secret, error) {
	list, err := r.records.Credentials.List(ctx, source)
	if err != nil {
		return credential.Secret{}, err
	}
	entry := audit.Entry{At: r.clock.Now(), ActorID: who.UserID, Act: audit.CredentialsShown, Subject: source}
	return credential.NewSecret(string(list[0].Sealed.Box)), r.records.AuditLog.Append(ctx, entry)
}

func (r *rig) RotateNow(ctx context.Context, _ actor.Actor, source uuid.UUID, kind sunsource.ConnectionType) (int64, error) {
	next := credential.Credential{ID: uuid.New(), SourceID: source, Kind: kind, Version: 2, Sealed: credential.Sealed{KeyID: "k", Box: []byte("new")}}
	if err := r.records.Credentials.Replace(ctx, next, nil); err != nil {
		return 0, err
	}
	return r.Append(ctx, change.Change{Kind: change.CredentialsRotated, SourceID: source})
}

// stored is how many sources, credentials, prices and audit entries there are of
// a source, and of all.
func (r *rig) stored(id uuid.UUID) (counts [4]int) {
	r.t.Helper()
	sources, err := r.records.SunSources.List(r.t.Context(), r.who.UserID, sunsource.Filter{}, sunsource.Page{})
	keys, err2 := r.records.Credentials.SealedWithout(r.t.Context(), "another", 1000)
	prices, err3 := r.records.Tariffs.History(r.t.Context(), id)
	entries, err4 := r.records.AuditLog.About(r.t.Context(), id)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		r.t.Fatal(err)
	}
	return [4]int{len(sources), len(keys), len(prices), len(entries)}
}

func (r *rig) make(kind sunsource.ConnectionType) uuid.UUID {
	r.t.Helper()
	made, err := r.Create(r.t.Context(), r.who, sunsources.Draft{Name: "Roof", ConnectionType: kind}, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return made.ID
}

func (r *rig) group(owner uuid.UUID) uuid.UUID {
	r.t.Helper()
	g := powergroup.PowerGroup{ID: uuid.New(), OwnerID: owner, Name: "Home"}
	if err := r.records.PowerGroups.Create(r.t.Context(), g); err != nil {
		r.t.Fatal(err)
	}
	return g.ID
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Invalid {
		t.Errorf("got %v, want fields %v", err, want)
		return
	}
	if got := slices.Sorted(maps.Keys(f.Fields)); !slices.Equal(got, want) {
		t.Errorf("it names the fields %v, want %v", got, want)
	}
}

func TestANewSourceHasItsDefaultsAndNoPrice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	made, err := r.Create(t.Context(), r.who, sunsources.Draft{Name: "Roof", ConnectionType: sunsource.MQTT}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := sunsource.SunSource{
		ID: made.ID, OwnerID: r.who.UserID, Name: "Roof", ConnectionType: sunsource.MQTT, IsActive: true, Currency: "EUR",
		CreatedAt: present(), UpdatedAt: present(),
	}
	if made.SunSource != want || !made.Secret.IsZero() {
		t.Errorf("made %+v, want %+v", made.SunSource, want)
	}
	if made.ID.Version() != 4 {
		t.Errorf("the id's version is %d", made.ID.Version())
	}
	if got := r.stored(made.ID); got != [4]int{1, 1, 0, 0} {
		t.Errorf("stored are %v", got)
	}
	if want := []string{string(change.SourceCreated)}; !slices.Equal(r.steps, want) {
		t.Errorf("the feed was told %v, want %v", r.steps, want)
	}
}

func TestANewSourceKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	group, currency, secret, price := r.group(r.who.UserID), "CHF", "a secret of one's own", decimal.RequireFromString("0.2512")
	made, err := r.Create(t.Context(), r.who, sunsources.Draft{
		Name: "Barn", ConnectionType: sunsource.Webhook, PowerGroupID: &group, Currency: &currency, WebhookSecret: &secret, InitialKwhPrice: &price,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	if made.Currency != "CHF" || *made.PowerGroupID != group || *made.PowerGroupName != "Home" || made.Secret.Reveal() != secret {
		t.Errorf("made %+v", made.SunSource)
	}
	if got := r.stored(made.ID); got != [4]int{1, 1, 1, 1} {
		t.Errorf("stored are %v", got)
	}
	history, err := r.records.Tariffs.History(t.Context(), made.ID)
	if err != nil || !history[0].PricePerKwh.Equal(price) || !history[0].EffectiveFrom.Equal(present()) || history[0].FeedInPricePerKwh != nil {
		t.Errorf("the price history is %+v, %v", history, err)
	}
}

func TestASourceIsMadeWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	price := decimal.NewFromInt(1)
	for name, fail := range map[string]func(*fake.Records){
		"the group":                  func(r *fake.Records) { r.PowerGroups.FailNext(1, errAway) },
		"the source":                 func(r *fake.Records) { r.SunSources.FailNext(1, errAway) },
		"the source's answer":        func(r *fake.Records) { r.SunSources.LoseAnswers(1, errAway) },
		"the credential":             func(r *fake.Records) { r.Credentials.FailNext(1, errAway) },
		"the credential's answer":    func(r *fake.Records) { r.Credentials.LoseAnswers(1, errAway) },
		"the price":                  func(r *fake.Records) { r.Tariffs.FailNext(1, errAway) },
		"the price's answer":         func(r *fake.Records) { r.Tariffs.LoseAnswers(1, errAway) },
		"reading it back":            func(r *fake.Records) { r.SunSources.PassNext(1); r.SunSources.FailNext(1, errAway) },
		"reading the secret":         func(r *fake.Records) { r.Credentials.PassNext(1); r.Credentials.FailNext(1, errAway) },
		"the audit entry":            func(r *fake.Records) { r.AuditLog.FailNext(1, errAway) },
		"the audit entry's answer":   func(r *fake.Records) { r.AuditLog.LoseAnswers(1, errAway) },
		"the transaction's own end ": func(r *fake.Records) { r.Commits.FailNext(1, errAway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			group := r.group(r.who.UserID)
			seed := [32]byte{1}
			id, err := uuid.NewRandomFromReader(rand.NewChaCha8(seed))
			if err != nil {
				t.Fatal(err)
			}
			r.random = rand.NewChaCha8(seed)
			draft := sunsources.Draft{Name: "Roof", ConnectionType: sunsource.Webhook, PowerGroupID: &group, InitialKwhPrice: &price}
			fail(r.records)
			made, err := r.Create(t.Context(), r.who, draft, true)
			if !errors.Is(err, errAway) || made.ID != uuid.Nil || !made.Secret.IsZero() {
				t.Errorf("got %+v, %v", made, err)
			}
			if got := r.stored(id); got != [4]int{} {
				t.Errorf("stored are %v", got)
			}
			r.random = rand.NewChaCha8(seed)
			if made, err = r.Create(t.Context(), r.who, draft, true); err != nil || made.ID != id || r.stored(id) != [4]int{1, 1, 1, 1} {
				t.Errorf("the next try: %v, stored are %v", err, r.stored(id))
			}
		})
	}
}

func TestWithoutRandomnessNothingIsMade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	price := decimal.NewFromInt(1)
	for _, left := range []int64{0, 8, 16, 31} {
		r.random = io.LimitReader(cryptorand.Reader, left)
		_, err := r.Create(t.Context(), r.who, sunsources.Draft{Name: "Roof", ConnectionType: sunsource.MQTT, InitialKwhPrice: &price}, false)
		if err == nil || r.stored(uuid.Nil) != [4]int{} {
			t.Errorf("with %d random bytes: %v", left, err)
		}
	}
}

func TestAnIDWhoseClientIDIsTakenIsDrawnAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.make(sunsource.MQTT)
	clash := first
	clash[15]++ // another id, with the same first 8 digits
	r.random = io.MultiReader(bytes.NewReader(clash[:]), bytes.NewReader(first[:]), cryptorand.Reader)
	if second := r.make(sunsource.Webhook); second == clash || second == first || sunsource.ClientID(second) == sunsource.ClientID(first) {
		t.Errorf("got %s beside %s", second, first)
	}
	if got := r.stored(clash); got != [4]int{2, 2, 0, 0} {
		t.Errorf("stored are %v", got)
	}
	r.random = strings.NewReader(strings.Repeat(string(clash[:]), 100))
	_, err := r.Create(t.Context(), r.who, sunsources.Draft{Name: "Roof", ConnectionType: sunsource.MQTT}, false)
	if fault.CodeOf(err) != fault.Internal || r.stored(clash) != [4]int{2, 2, 0, 0} {
		t.Errorf("when every id is taken: %v, stored are %v", err, r.stored(clash))
	}
}

func TestEverythingWrongWithADraftIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	foreign, unknown := r.group(uuid.New()), uuid.New()
	short, good, far, negative, fake := "short", "a secret of one's own", 91.0, decimal.NewFromInt(-1), "XXQ"
	var unreadable fault.Fields
	unreadable.Add("latitude", "must be a number")
	for name, c := range map[string]struct {
		draft sunsources.Draft
		want  []string
	}{
		"nothing given":           {sunsources.Draft{}, []string{"connectionType", "name"}},
		"source, secret, price":   {sunsources.Draft{ConnectionType: sunsource.Webhook, WebhookSecret: &short, InitialKwhPrice: &negative, Latitude: &far}, []string{"initialKwhPrice", "latitude", "name", "webhookSecret"}},
		"a secret for MQTT":       {sunsources.Draft{Name: "x", ConnectionType: sunsource.MQTT, WebhookSecret: &good}, []string{"webhookSecret"}},
		"an empty secret":         {sunsources.Draft{Name: "x", ConnectionType: sunsource.Webhook, WebhookSecret: new(string)}, []string{"webhookSecret"}},
		"another's group":         {sunsources.Draft{Name: "x", ConnectionType: sunsource.MQTT, PowerGroupID: &foreign}, []string{"powerGroupId"}},
		"a group and more":        {sunsources.Draft{ConnectionType: sunsource.MQTT, PowerGroupID: &unknown, Currency: &fake}, []string{"currency", "name", "powerGroupId"}},
		"unreadable and too much": {sunsources.Draft{Name: "x", ConnectionType: sunsource.MQTT, SystemCost: &negative, Unreadable: unreadable}, []string{"latitude", "systemCost"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Create(t.Context(), r.who, c.draft, false)
			wantFields(t, err, c.want...)
			if got := r.stored(uuid.Nil); got != [4]int{} {
				t.Errorf("stored are %v", got)
			}
		})
	}
}
