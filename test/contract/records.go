package contract

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/core/idempotency"
	"ampra/core/identity"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/core/tariff"
	"ampra/core/telemetry"
	"ampra/core/transaction"
)

// Records is a store of records under test: all its ports, on one store, because
// a record hangs on others. The suites of the single ports take a function that
// opens one. It may hold other records, but for those suites that say otherwise.
type Records struct {
	Transactions transaction.Runner
	Users        identity.Users
	Sessions     identity.Sessions
	Tokens       identity.Tokens
	Attempts     identity.Attempts
	SetupTokens  identity.SetupTokens
	PowerGroups  powergroup.Repository
	SunSources   sunsource.Repository
	Erasures     sunsource.Erasures
	Credentials  credential.Repository
	Access       credential.AccessRecords
	Tariffs      tariff.Repository
	Settings     sunsource.SettingsRepository
	Explanations telemetry.Explanations
	Idempotency  idempotency.Store
	AuditLog     audit.Log
	Devices      Devices
	// AuditEntries returns the entries about a subject, the newest first.
	AuditEntries func(ctx context.Context, subject uuid.UUID) ([]audit.Entry, error)
}

// recordTests runs each test as a subtest on one store.
func recordTests(t *testing.T, open func(t *testing.T) Records, tests map[string]func(*testing.T, Records)) {
	t.Helper()
	r := open(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, r) })
	}
}

// instantOf is a moment of the tests with all the digits that stores keep.
func instantOf(i int) time.Time {
	return noon().Add(time.Duration(i)*time.Minute + 123456*time.Microsecond)
}

func (r Records) newUser(t *testing.T) identity.User {
	t.Helper()
	u := userOf(uuid.New())
	must(t, r.Users.Create(t.Context(), u))
	return u
}

func userOf(id uuid.UUID) identity.User {
	return identity.User{
		ID: id, Email: id.String() + "@example.org", PasswordHash: "$argon2id$v=19$" + id.String(),
		FirstName: new("Ada"), Role: actor.User, CreatedAt: instantOf(0),
	}
}

func (r Records) newGroup(t *testing.T, owner uuid.UUID, edit ...func(*powergroup.PowerGroup)) powergroup.PowerGroup {
	t.Helper()
	g := powergroup.PowerGroup{
		ID: uuid.New(), OwnerID: owner, Name: "Home", Description: new("All on one roof"),
		LogoURL: new("https://example.org/logo.png"), CreatedAt: instantOf(0), UpdatedAt: instantOf(1),
	}
	for _, e := range edit {
		e(&g)
	}
	must(t, r.PowerGroups.Create(t.Context(), g))
	return g
}

// newSunSource stores a source that has everything but a group.
func (r Records) newSunSource(t *testing.T, owner uuid.UUID, edit ...func(*sunsource.SunSource)) sunsource.SunSource {
	t.Helper()
	s := sunSourceOf(owner)
	for _, e := range edit {
		e(&s)
	}
	must(t, r.SunSources.Create(t.Context(), s))
	return s
}

func sunSourceOf(owner uuid.UUID) sunsource.SunSource {
	return sunsource.SunSource{
		ID: uuid.New(), OwnerID: owner, Name: "Roof", Description: new("South"),
		IconURL: new("https://example.org/icon.png"), ConnectionType: sunsource.MQTT,
		Latitude: new(45.4642), Longitude: new(-9.19), IsActive: true, InstalledCapacityWatts: new(5000.5),
		Currency: "EUR", SystemCost: new(decimal.RequireFromString("12500.10")),
		MaintenanceCostPerYear: new(decimal.RequireFromString("0.000000000001")),
		InstallationDate:       new(time.Date(2024, time.June, 1, 0, 0, 0, 0, time.UTC)),
		CreatedAt:              instantOf(0), UpdatedAt: instantOf(1),
	}
}

func credentialOf(s sunsource.SunSource, version int) credential.Credential {
	c := credential.Credential{
		ID: uuid.New(), SourceID: s.ID, Kind: s.ConnectionType, Version: version,
		Sealed:    credential.Sealed{KeyID: "key-1", Box: fmt.Appendf([]byte{0, 1, 0xff}, "%d", version)},
		CreatedAt: instantOf(version),
	}
	if s.ConnectionType == sunsource.MQTT {
		c.Digest = credential.Digest(randomDigest())
	}
	return c
}

func randomDigest() (d [32]byte) {
	_, _ = rand.Read(d[:]) // crypto/rand never fails
	return d
}

// atOnce runs act n times at the same time and returns what each returned.
func atOnce(n int, act func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = act(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("%v: code %q, want %q", err, fault.CodeOf(err), code)
	}
}

// wantField checks that err is Invalid and names the field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	wantCode(t, err, fault.Invalid)
	f, _ := errors.AsType[*fault.Error](err)
	if len(f.Fields[field]) == 0 || len(f.Fields) != 1 {
		t.Fatalf("%v: names %v, want %q alone", err, f.Fields, field)
	}
}

// wantSame compares records with all their parts; times must be in UTC.
func wantSame(t *testing.T, got, want any) {
	t.Helper()
	if g, w := describe(reflect.ValueOf(got)), describe(reflect.ValueOf(want)); g != w {
		t.Fatalf("got\n%s\nwant\n%s", g, w)
	}
}

// describe writes a value down so that two that mean the same look the same:
// what pointers point to, amounts without trailing zeros.
func describe(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Time:
		return value.Format(time.RFC3339Nano)
	case decimal.Decimal:
		return value.String()
	case uuid.UUID:
		return value.String()
	case []byte:
		return hex.EncodeToString(value)
	case device.Pulse:
		b, _ := value.AppendBinary(nil) // never an error
		return hex.EncodeToString(b)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return describe(v.Elem())
	case reflect.Struct:
		var b strings.Builder
		for i := range v.NumField() {
			fmt.Fprintf(&b, "%s: %s\n", v.Type().Field(i).Name, describe(v.Field(i)))
		}
		return b.String()
	case reflect.Slice, reflect.Array:
		var b strings.Builder
		for i := range v.Len() {
			fmt.Fprintf(&b, "%s, ", describe(v.Index(i)))
		}
		return "[" + b.String() + "]"
	default:
		return fmt.Sprintf("%#v", v.Interface())
	}
}

// byCreation orders records as lists do.
func byCreation(at time.Time, id uuid.UUID, otherAt time.Time, other uuid.UUID) int {
	if c := at.Compare(otherAt); c != 0 {
		return c
	}
	return bytes.Compare(id[:], other[:])
}
