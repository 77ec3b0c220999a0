package fake_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheRecordsKeepTheirContracts(t *testing.T) {
	t.Parallel()
	for name, suite := range map[string]func(*testing.T, func(*testing.T) contract.Records){
		"transactions":   contract.Transactions,
		"users":          contract.Users,
		"sessions":       contract.Sessions,
		"tokens":         contract.Tokens,
		"attempts":       contract.Attempts,
		"setup tokens":   contract.SetupTokens,
		"power groups":   contract.PowerGroups,
		"sun sources":    contract.SunSources,
		"erasures":       contract.Erasures,
		"credentials":    contract.Credentials,
		"access records": contract.AccessRecords,
		"tariffs":        contract.Tariffs,
		"settings":       contract.Settings,
		"explanations":   contract.Explanations,
		"idempotency":    contract.Idempotency,
		"audit log":      contract.AuditLog,
		"devices":        contract.DeviceStates,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite(t, func(*testing.T) contract.Records { return recordsOf(fake.NewRecords()) })
		})
	}
}

func recordsOf(r *fake.Records) contract.Records {
	return contract.Records{
		Transactions: r, Users: r.Users, Sessions: r.Sessions, Tokens: r.Tokens, Attempts: r.Attempts,
		SetupTokens: r.SetupTokens, PowerGroups: r.PowerGroups, SunSources: r.SunSources, Erasures: r.Erasures,
		Credentials: r.Credentials, Access: r.Access, Tariffs: r.Tariffs, Settings: r.Settings, Explanations: r.Explained, Idempotency: r.Idempotency,
		AuditLog: r.AuditLog, AuditEntries: r.AuditLog.About, Devices: r.Devices,
	}
}

func TestTheRecordsFailOnDemand(t *testing.T) {
	t.Parallel()
	r := fake.NewRecords()
	away := fault.Retry(fault.Unavailable, 1, "away")
	create := func(ctx context.Context) error {
		id := uuid.New()
		return r.Users.Create(ctx, identity.User{ID: id, Email: id.String()})
	}
	for name, c := range map[string]struct {
		plan func()
		left int
	}{
		"before the statement": {func() { r.Users.FailNext(1, away) }, 0},
		"before the commit":    {func() { r.Commits.FailNext(1, away) }, 0},
		"after the commit":     {func() { r.Commits.LoseAnswers(1, away) }, 1},
	} {
		before, err := r.Users.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.plan()
		if err := r.Run(t.Context(), create); !errors.Is(err, away) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := r.Users.List(t.Context())
		if err != nil || len(after)-len(before) != c.left {
			t.Errorf("%s: %d users more, %v", name, len(after)-len(before), err)
		}
	}
}
