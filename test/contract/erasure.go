package contract

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// Erasures runs what every sunsource.Erasures promises. open is called once.
func Erasures(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"deleted sources are pending, the oldest deletion first, until done": erasuresInOrder,
		"a deletion that is rolled back erases nothing":                      sourceNotDeleted,
	})
}

// erasing returns which of the sources are pending, in the order of the list.
func (r Records) erasing(t *testing.T, sources ...sunsource.SunSource) []uuid.UUID {
	t.Helper()
	pending, err := r.Erasures.Pending(t.Context(), 10_000)
	must(t, err)
	return slices.DeleteFunc(pending, func(id uuid.UUID) bool {
		return !slices.ContainsFunc(sources, func(s sunsource.SunSource) bool { return s.ID == id })
	})
}

func erasuresInOrder(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	var sources []sunsource.SunSource
	var want []uuid.UUID
	for range 5 {
		sources = append(sources, r.newSunSource(t, owner))
	}
	wantSame(t, r.erasing(t, sources...), []uuid.UUID{})
	for _, i := range []int{3, 0, 4, 1} {
		must(t, r.SunSources.Delete(t.Context(), owner, sources[i].ID))
		want = append(want, sources[i].ID)
	}
	wantSame(t, r.erasing(t, sources...), want)
	first, err := r.Erasures.Pending(t.Context(), 1)
	must(t, err)
	if len(first) != 1 {
		t.Errorf("%d pending with a limit of 1", len(first))
	}
	for range 2 { // an unknown one is no error
		must(t, r.Erasures.Done(t.Context(), want[1]))
	}
	wantSame(t, r.erasing(t, sources...), slices.Delete(want, 1, 2))
}

// hung is a source with everything that hangs on one.
func (r Records) hung(t *testing.T) sunsource.SunSource {
	t.Helper()
	s := r.newSunSource(t, r.newUser(t).ID)
	must(t, r.Credentials.Add(t.Context(), credentialOf(s, 1)))
	must(t, r.Credentials.Replace(t.Context(), credentialOf(s, 2), new(instantOf(90))))
	must(t, r.Tariffs.Add(t.Context(), priceOf(s, 0)))
	return s
}

// wantHanging checks how many credentials and prices hang on a source.
func (r Records) wantHanging(t *testing.T, source uuid.UUID, credentials, prices int) {
	t.Helper()
	haveCredentials, err := r.Credentials.List(t.Context(), source)
	must(t, err)
	var havePrices []tariff.Price
	havePrices, err = r.Tariffs.History(t.Context(), source)
	must(t, err)
	if len(haveCredentials) != credentials || len(havePrices) != prices {
		t.Errorf("%d credentials and %d prices, want %d and %d", len(haveCredentials), len(havePrices), credentials, prices)
	}
}

func sourceDeleted(t *testing.T, r Records) {
	s, other := r.hung(t), r.hung(t)
	must(t, r.SunSources.Delete(t.Context(), s.OwnerID, s.ID))
	_, err := r.SunSources.Get(t.Context(), s.OwnerID, s.ID)
	wantCode(t, err, fault.NotFound)
	r.wantAccess(t, instantOf(0), []sunsource.SunSource{s})
	r.wantHanging(t, s.ID, 0, 0)
	r.wantHanging(t, other.ID, 2, 1)
	wantSame(t, r.erasing(t, s, other), []uuid.UUID{s.ID})
	wantCode(t, r.SunSources.Delete(t.Context(), s.OwnerID, s.ID), fault.NotFound)
}

func sourceNotDeleted(t *testing.T, r Records) {
	s := r.hung(t)
	err := r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		must(t, r.SunSources.Delete(ctx, s.OwnerID, s.ID))
		return actError{}
	})
	if err == nil {
		t.Fatal("no error")
	}
	r.wantSource(t, s)
	r.wantHanging(t, s.ID, 2, 1)
	wantSame(t, r.erasing(t, s), []uuid.UUID{})
}

func sourceUpdateRollsBack(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	err := r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		_, err := r.SunSources.Update(ctx, s.OwnerID, s.ID, func(s *sunsource.SunSource) error {
			s.Name = "Barn"
			return nil
		})
		must(t, err)
		inside, err := r.SunSources.Get(ctx, s.OwnerID, s.ID)
		must(t, err)
		if inside.Name != "Barn" {
			t.Errorf("inside it is named %q", inside.Name)
		}
		return actError{}
	})
	if err == nil {
		t.Fatal("no error")
	}
	r.wantSource(t, s)
}

func sourceDeletedMeanwhile(t *testing.T, r Records) {
	for range 5 {
		s := r.hung(t)
		for i, err := range atOnce(8, func(i int) error {
			switch i % 4 {
			case 0:
				err := r.SunSources.Delete(t.Context(), s.OwnerID, s.ID)
				return unless(err, fault.NotFound)
			case 1:
				_, err := r.SunSources.Update(t.Context(), s.OwnerID, s.ID, func(s *sunsource.SunSource) error {
					s.Name += "+"
					return nil
				})
				return unless(err, fault.NotFound)
			case 2:
				return unless(r.Credentials.Replace(t.Context(), credentialOf(s, 3), nil), fault.NotFound, fault.Conflict)
			default:
				return unless(r.Tariffs.Add(t.Context(), priceOf(s, i)), fault.NotFound)
			}
		}) {
			if err != nil {
				t.Errorf("act %d: %v", i, err)
			}
		}
		_, err := r.SunSources.Get(t.Context(), s.OwnerID, s.ID)
		wantCode(t, err, fault.NotFound)
		r.wantHanging(t, s.ID, 0, 0)
	}
}

// unless lets errors with the codes pass.
func unless(err error, codes ...fault.Code) error {
	if err != nil && slices.Contains(codes, fault.CodeOf(err)) {
		return nil
	}
	return err
}
