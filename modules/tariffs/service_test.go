package tariffs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/actor"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/sunsource"
	"ampra/core/tariff"
	"ampra/modules/tariffs"
	"ampra/test/fake"
)

// site is a source that made 1 kWh in every hour since a moment, of which it
// exported a quarter.
type site struct {
	zone  *time.Location
	since time.Time
	// asked are the spans that were asked for: "days" or "hours", from, to.
	asked []string
	err   error
}

func (s *site) Zone(context.Context, sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	return s.zone, sunsource.ZoneFromOwner, nil
}

func (s *site) Energy(
	_ context.Context, _ sunsource.SunSource, zone *time.Location, res energy.Resolution, from, to time.Time,
) (list []energy.Bucket, err error) {
	what, next := "hours", func(t time.Time) time.Time { return t.Add(time.Hour) }
	if res == energy.DayOf {
		what, next = "days", func(t time.Time) time.Time {
			year, month, day := t.In(zone).Date()
			return tariff.DayAt(year, month, day+1, zone)
		}
	}
	s.asked = append(s.asked, what+" "+from.In(s.zone).Format("2006-01-02T15:04")+" "+to.In(s.zone).Format("2006-01-02T15:04"))
	for at := from; at.Before(to); at = next(at) {
		b := energy.Bucket{Start: at, End: next(at)}
		if !at.Before(s.since) {
			made := b.End.Sub(at).Milliseconds() * 1_000_000 / time.Hour.Milliseconds()
			b.Energy[energy.Production] = energy.Amount{MilliwattHours: made, Known: true}
			b.Energy[energy.GridExport] = energy.Amount{MilliwattHours: made / 4, Known: true}
		}
		list = append(list, b)
	}
	return list, s.err
}

type rig struct {
	*tariffs.Service
	site
	t       *testing.T
	records *fake.Records
	clock   *fake.Clock
	who     actor.Actor
	source  uuid.UUID
}

func newRig(t *testing.T, now, zone string, edit ...func(*sunsource.SunSource)) *rig {
	t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, records: fake.NewRecords(), clock: fake.NewClock(at), who: actor.Actor{UserID: uuid.New(), Role: actor.User}, source: uuid.New()}
	if r.zone, err = time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	s := sunsource.SunSource{ID: r.source, OwnerID: r.who.UserID, Name: "Roof", ConnectionType: sunsource.MQTT, Currency: "EUR"}
	for _, e := range edit {
		e(&s)
	}
	if err := r.records.SunSources.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.Service = tariffs.New(tariffs.Deps{
		Sources: r.records.SunSources, Prices: r.records.Tariffs, Zones: r, Energies: r, Clock: r.clock, Random: rand.Reader,
	})
	return r
}

func (r *rig) price(from, perKwh, feedIn string) tariff.Price {
	r.t.Helper()
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := r.Add(r.t.Context(), r.who, r.source, tariffs.Draft{
		PricePerKwh: decimal.RequireFromString(perKwh), FeedInPricePerKwh: new(decimal.RequireFromString(feedIn)), EffectiveFrom: at,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) earned(from, to string) tariffs.Earnings {
	r.t.Helper()
	r.asked = nil
	e, err := r.Return(r.t.Context(), r.who, r.source, tariffs.Ask{From: from, To: to})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func TestAPriceIsMadeChangedAndDeletedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2026-06-14T12:00:00Z", "UTC")
	p := r.price("2026-01-01T00:00:00Z", "0.30", "0.08")
	changed, err := r.Update(t.Context(), r.who, p.ID, tariffs.Update{Patch: tariff.Patch{PricePerKwh: patch.Set(decimal.RequireFromString("0.35"))}})
	if err != nil || changed.PricePerKwh.String() != "0.35" || !changed.CreatedAt.Equal(r.clock.Now()) {
		t.Fatalf("got %+v, %v", changed, err)
	}
	for name, stranger := range map[string]actor.Actor{"nobody": {}, "another": {UserID: uuid.New(), Role: actor.Overseer}} {
		_, listed := r.List(t.Context(), stranger, r.source)
		_, added := r.Add(t.Context(), stranger, r.source, tariffs.Draft{EffectiveFrom: r.clock.Now()})
		_, updated := r.Update(t.Context(), stranger, p.ID, tariffs.Update{})
		_, earned := r.Return(t.Context(), stranger, r.source, tariffs.Ask{From: "wrong"})
		for act, err := range map[string]error{"list": listed, "add": added, "update": updated, "return": earned, "delete": r.Delete(t.Context(), stranger, p.ID)} {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%s of %s: %v", act, name, err)
			}
		}
	}
	if err := r.Delete(t.Context(), r.who, p.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := r.List(t.Context(), r.who, r.source); err != nil || len(list) != 0 {
		t.Errorf("the prices are %v, %v", list, err)
	}
}

func TestAllThatIsWrongWithAPriceIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2026-06-14T12:00:00Z", "UTC")
	var unreadable fault.Fields
	unreadable.Add("effectiveFrom", "must be a time")
	_, err := r.Add(t.Context(), r.who, r.source, tariffs.Draft{PricePerKwh: decimal.New(-1, 0), Unreadable: unreadable})
	e, _ := errors.AsType[*fault.Error](err)
	if e == nil || len(e.Fields) != 2 || len(e.Fields["effectiveFrom"]) != 1 || len(e.Fields["pricePerKwh"]) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestASourceHasAtMostAThousandPrices(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2026-06-14T12:00:00Z", "UTC")
	draft := tariffs.Draft{EffectiveFrom: r.clock.Now()}
	for i := range tariff.MaxPrices {
		draft.EffectiveFrom = draft.EffectiveFrom.Add(time.Hour)
		if _, err := r.Add(t.Context(), r.who, r.source, draft); err != nil {
			t.Fatalf("price %d: %v", i, err)
		}
	}
	draft.EffectiveFrom = draft.EffectiveFrom.Add(time.Hour)
	if _, err := r.Add(t.Context(), r.who, r.source, draft); !fault.Is(err, fault.Conflict) {
		t.Errorf("one more: %v", err)
	}
}

func TestADayInWhichThePriceChangesIsAskedForByHours(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone, change string
		asked        []string
	}{
		"at a local midnight": {
			"Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"days 2026-03-28T00:00 2026-03-31T00:00"},
		},
		"at a midnight in UTC": {
			"Europe/Berlin", "2026-03-29T00:00:00Z", []string{"days 2026-03-28T00:00 2026-03-31T00:00", "hours 2026-03-29T00:00 2026-03-30T00:00"},
		},
		"in the afternoon of the day of 23 hours": {
			"Europe/Berlin", "2026-03-29T15:00:00+02:00", []string{"days 2026-03-28T00:00 2026-03-31T00:00", "hours 2026-03-29T00:00 2026-03-30T00:00"},
		},
	} {
		r := newRig(t, "2026-03-31T00:00:00+02:00", c.zone, func(s *sunsource.SunSource) {
			s.InstallationDate = new(time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC))
		})
		r.price("2020-01-01T00:00:00Z", "1", "0")
		r.price(c.change, "2", "0")
		e := r.earned("", "")
		if !slices.Equal(r.asked, c.asked) {
			t.Errorf("%s: asked for %q, want %q", name, r.asked, c.asked)
		}
		at, _ := time.Parse(time.RFC3339, c.change)
		begin, end := tariff.DayAt(2026, 3, 28, r.zone), tariff.DayAt(2026, 3, 31, r.zone)
		want := 0.75 * (at.Sub(begin).Hours() + 2*end.Sub(at).Hours())
		if got := e.Return.Savings.InexactFloat64(); got != want {
			t.Errorf("%s: saved %v, want %v", name, got, want)
		}
	}
}

func TestAReturnCoversTheDaysThatAreAskedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, want string }{
		"all":                              {"", "", "2026-01-01T00:00 2026-06-14T12:30"},
		"a month by dates":                 {"2026-03-01", "2026-04-01", "2026-03-01T00:00 2026-04-01T00:00"},
		"by times with an offset":          {"2026-03-01T00:00:00Z", "2026-03-31T22:00:00Z", "2026-03-01T00:00 2026-04-01T00:00"},
		"by local times, whose days count": {"2026-03-01T10:00:00", "2026-03-31T10:00", "2026-03-01T00:00 2026-04-01T00:00"},
		"from a day on":                    {"2026-06-01", "", "2026-06-01T00:00 2026-06-14T12:30"},
		"until a day":                      {"", "2026-02-01", "2026-01-01T00:00 2026-02-01T00:00"},
		"into the future":                  {"2026-06-01", "2027-01-01", "2026-06-01T00:00 2026-06-14T12:30"},
		"today":                            {"2026-06-14", "2026-06-15", "2026-06-14T00:00 2026-06-14T12:30"},
		"a day that is none":               {"2026-03-01", "2026-03-01", "2026-03-01T00:00 2026-03-01T00:00"},
		"before the installation":          {"2025-12-01", "2025-12-02", "2025-12-01T00:00 2025-12-02T00:00"},
		"before all":                       {"1900-01-02", "1901-01-01", "1900-01-02T00:00 1901-01-01T00:00"},
		"the future":                       {"2026-12-01", "", "2026-12-01T00:00 2026-12-01T00:00"},
	} {
		r := newRig(t, "2026-06-14T12:30:00+02:00", "Europe/Berlin", func(s *sunsource.SunSource) {
			s.InstallationDate = new(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			s.SystemCost = new(decimal.NewFromInt(100))
		})
		r.since = time.Date(2025, 12, 1, 0, 0, 0, 0, r.zone)
		r.price("2020-01-01T00:00:00Z", "0.1", "0")
		e := r.earned(c.from, c.to)
		if got := e.Return.From.In(r.zone).Format("2006-01-02T15:04") + " " + e.Return.Until.In(r.zone).Format("2006-01-02T15:04"); got != c.want {
			t.Errorf("%s: it covers %s, want %s", name, got, c.want)
		}
		if e.Payback.State != tariff.PaybackReached || !e.Payback.Month.Equal(tariff.DayAt(2026, 2, 1, r.zone)) {
			t.Errorf("%s: the payback is %+v", name, e.Payback)
		}
		if name == "before the installation" && e.Return.OwnUse.Kwh().String() != "18" {
			t.Errorf("%s: own use is %s", name, e.Return.OwnUse.Kwh())
		}
	}
}

func TestAWrongQuestionIsNamedByParameter(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2026-06-14T12:30:00Z", "UTC")
	for _, c := range [][3]string{ // from, to, what is named
		{"x", "y", "from to"},
		{"2026-06", "", "from"},
		{"0001-01-01", "", "from"},
		{"", "9999-12-32", "to"},
		{"2026-02-01", "2026-01-01", "to"},
		{"2026-02-30", "", "from"},
		{"2026-01-01T00:00:00+25:00", "", "from"},
		{"2026-01-01", "2026-01-01T00:00:00Z, and more", "to"},
	} {
		_, err := r.Return(t.Context(), r.who, r.source, tariffs.Ask{From: c[0], To: c[1]})
		e, _ := errors.AsType[*fault.Error](err)
		var got []string
		if e != nil {
			for field := range e.Fields {
				got = append(got, field)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c[2] {
			t.Errorf("%q to %q: %v, want %s named", c[0], c[1], err, c[2])
		}
	}
}

func TestEnergiesThatCanNotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, "2026-06-14T12:30:00Z", "UTC")
	r.err = fault.New(fault.Unavailable, "away")
	if _, err := r.Return(t.Context(), r.who, r.source, tariffs.Ask{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
