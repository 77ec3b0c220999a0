package contract

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

// SunSources runs what every sunsource.Repository promises. open is called once.
func SunSources(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a source comes back as it was stored":                    sourceRoundTrip,
		"every number comes back as it was":                       sourceNumbers,
		"times come back to the microsecond, in UTC":              sourceTimes,
		"a taken client id is a conflict that can be answered":    sourceClientID,
		"a group that is not the owner's is named":                sourceForeignGroup,
		"a source shows the name of its group":                    sourceGroupName,
		"sources are listed by creation time, then id":            sourcesListed,
		"a list can be narrowed to a group":                       sourcesFiltered,
		"pages show each source once":                             sourcesPaged,
		"a page after what is not in the list is refused":         sourcesLostPage,
		"an update saves what the change decides":                 sourceUpdated,
		"an error of the change saves nothing":                    sourceNotUpdated,
		"updates of one source run one after another":             sourceUpdatesInTurn,
		"another user's source is not found by any way":           sourceForeign,
		"deleting a source removes what hangs on it":              sourceDeleted,
		"a deletion that is rolled back leaves everything":        sourceNotDeleted,
		"an update inside a transaction belongs to it":            sourceUpdateRollsBack,
		"a source that is deleted while it is updated stays gone": sourceDeletedMeanwhile,
	})
}

func (r Records) wantSource(t *testing.T, want sunsource.SunSource) {
	t.Helper()
	got, err := r.SunSources.Get(t.Context(), want.OwnerID, want.ID)
	must(t, err)
	wantSame(t, got, want)
}

// sparse is a source that has only what it must have.
func sparse(s *sunsource.SunSource) {
	*s = sunsource.SunSource{
		ID: s.ID, OwnerID: s.OwnerID, Name: s.Name, ConnectionType: sunsource.Webhook,
		Currency: "CHF", CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
}

func sourceRoundTrip(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	r.wantSource(t, r.newSunSource(t, owner))
	r.wantSource(t, r.newSunSource(t, owner, sparse))
	r.wantSource(t, r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.Description, s.IsActive = new(""), false }))
	for _, text := range nastyTexts() {
		r.wantSource(t, r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.Name, s.Description = text, &text }))
	}
}

func sourceNumbers(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	for _, amount := range []string{
		"0", "0.25", "12500.00", "999999999999999.999999999999", "0.000000000001", "100000000000000", "0.1", "123456789012345.678901234567",
	} {
		r.wantSource(t, r.newSunSource(t, owner, func(s *sunsource.SunSource) {
			s.SystemCost = new(decimal.RequireFromString(amount))
			s.MaintenanceCostPerYear = s.SystemCost
		}))
	}
	numbers := []float64{0, 0.1, 1e6, 89.99999999999999, math.SmallestNonzeroFloat64, math.Nextafter(1, 2), 1.0 / 3, 5e-324, 2.2250738585072011e-308}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers each time
	for range 200 {
		numbers = append(numbers, random.Float64()*90, math.Ldexp(random.Float64(), -random.IntN(60)))
	}
	for _, n := range numbers {
		r.wantSource(t, r.newSunSource(t, owner, func(s *sunsource.SunSource) {
			s.Latitude, s.Longitude, s.InstalledCapacityWatts = new(0-n), &n, new(n*1000) // stores know no -0
		}))
	}
}

func sourceTimes(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	for _, at := range []time.Time{
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2000, 2, 29, 12, 0, 0, 1000, time.UTC),
	} {
		r.wantSource(t, r.newSunSource(t, owner, func(s *sunsource.SunSource) {
			s.InstallationDate, s.CreatedAt, s.UpdatedAt = &at, at, at
		}))
	}
	exact := time.Date(1965, 3, 28, 2, 30, 0, 123456789, time.FixedZone("somewhere", -5400))
	s := r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.InstallationDate, s.UpdatedAt = &exact, exact })
	cut := exact.UTC().Truncate(time.Microsecond)
	s.InstallationDate, s.UpdatedAt = &cut, cut
	r.wantSource(t, s)
}

func sourceClientID(t *testing.T, r Records) {
	taken := r.newSunSource(t, r.newUser(t).ID)
	clash := sunSourceOf(r.newUser(t).ID)
	copy(clash.ID[:4], taken.ID[:4]) // the first 8 hex digits
	must(t, r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		wantCode(t, r.SunSources.Create(ctx, clash), fault.Conflict)
		clash.ID = uuid.New()
		return r.SunSources.Create(ctx, clash)
	}))
	r.wantSource(t, clash)
	wantCode(t, r.SunSources.Create(t.Context(), clash), fault.Conflict)
}

func sourceForeignGroup(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	own, foreign := r.newGroup(t, owner), r.newGroup(t, r.newUser(t).ID)
	s := r.newSunSource(t, owner, inGroup(own.ID))
	s.PowerGroupName = &own.Name
	for name, group := range map[string]uuid.UUID{"another user's": foreign.ID, "unknown": uuid.New()} {
		t.Run(name, func(t *testing.T) {
			fresh := sunSourceOf(owner)
			fresh.PowerGroupID = &group
			wantField(t, r.SunSources.Create(t.Context(), fresh), "powerGroupId")
			_, err := r.SunSources.Update(t.Context(), owner, s.ID, func(s *sunsource.SunSource) error {
				s.Name, s.PowerGroupID = "Moved", &group
				return nil
			})
			wantField(t, err, "powerGroupId")
			r.wantSource(t, s)
		})
	}
}

func sourceGroupName(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	g := r.newGroup(t, owner)
	s := r.newSunSource(t, owner, inGroup(g.ID), func(s *sunsource.SunSource) { s.PowerGroupName = new("Made up") })
	s.PowerGroupName = &g.Name
	r.wantSource(t, s)
	got, err := r.SunSources.Update(t.Context(), owner, s.ID, func(s *sunsource.SunSource) error {
		s.PowerGroupID, s.UpdatedAt = nil, instantOf(9)
		return nil
	})
	must(t, err)
	s.PowerGroupID, s.PowerGroupName, s.UpdatedAt = nil, nil, instantOf(9)
	wantSame(t, got, s)
	r.wantSource(t, s)
	got, err = r.SunSources.Update(t.Context(), owner, s.ID, func(s *sunsource.SunSource) error {
		s.PowerGroupID = &g.ID
		return nil
	})
	must(t, err)
	s.PowerGroupID, s.PowerGroupName = &g.ID, &g.Name
	wantSame(t, got, s)
}

func sourceUpdated(t *testing.T, r Records) {
	before := r.newSunSource(t, r.newUser(t).ID)
	want := before
	sparse(&want)
	want.ConnectionType, want.Name, want.UpdatedAt = before.ConnectionType, "Bare", instantOf(9)
	for _, want := range []sunsource.SunSource{want, before} { // to bare and back to full
		got, err := r.SunSources.Update(t.Context(), before.OwnerID, before.ID, func(s *sunsource.SunSource) error {
			*s = want
			// What never changes stays, whatever the change says.
			s.ConnectionType, s.CreatedAt = sunsource.Webhook, instantOf(77)
			return nil
		})
		must(t, err)
		wantSame(t, got, want)
		r.wantSource(t, want)
	}
}

func sourceNotUpdated(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	_, err := r.SunSources.Update(t.Context(), s.OwnerID, s.ID, func(s *sunsource.SunSource) error {
		s.Name = "Barn"
		*s.Description = "written through the pointer"
		return actError{}
	})
	if err != (actError{}) { //nolint:errorlint // it is returned as it is
		t.Errorf("Update returned %v", err)
	}
	r.wantSource(t, s)
}

func sourceUpdatesInTurn(t *testing.T, r Records) {
	const n = 20
	s := r.newSunSource(t, r.newUser(t).ID)
	for i, err := range atOnce(n, func(int) error {
		_, err := r.SunSources.Update(t.Context(), s.OwnerID, s.ID, func(s *sunsource.SunSource) error {
			s.Name += "+"
			return nil
		})
		return err
	}) {
		if err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	got, err := r.SunSources.Get(t.Context(), s.OwnerID, s.ID)
	must(t, err)
	if len(got.Name) != len(s.Name)+n {
		t.Errorf("%d updates left the name %q", n, got.Name)
	}
}

func sourceForeign(t *testing.T, r Records) {
	s, stranger := r.newSunSource(t, r.newUser(t).ID), r.newUser(t).ID
	for _, key := range [][2]uuid.UUID{{stranger, s.ID}, {s.OwnerID, uuid.New()}, {uuid.Nil, s.ID}} {
		_, err := r.SunSources.Get(t.Context(), key[0], key[1])
		wantCode(t, err, fault.NotFound)
		_, err = r.SunSources.Update(t.Context(), key[0], key[1], func(*sunsource.SunSource) error {
			t.Error("the change was asked")
			return nil
		})
		wantCode(t, err, fault.NotFound)
		wantCode(t, r.SunSources.Delete(t.Context(), key[0], key[1]), fault.NotFound)
	}
	list, err := r.SunSources.List(t.Context(), stranger, sunsource.Filter{}, sunsource.Page{})
	must(t, err)
	if len(list) != 0 {
		t.Errorf("a stranger sees %d sources", len(list))
	}
	r.wantSource(t, s)
}
