package contract

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

func (r Records) search(t *testing.T, owner uuid.UUID, query device.Query) []device.Listed {
	t.Helper()
	list, err := r.Devices.Search(t.Context(), owner, query)
	must(t, err)
	return list
}

func namesOf(list []device.Listed) string {
	names := make([]string, len(list))
	for i, l := range list {
		names[i] = l.Name
	}
	return strings.Join(names, ", ")
}

func deviceSearch(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	named := func(name string, description *string) sunsource.SunSource {
		return r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.Name, s.Description = name, description })
	}
	barn := named("Scheune Süd", new("100 % Ökostrom"))
	named("ÉCOLE_A", nil)
	named("Straße 1", new(`back\slash`))
	r.newSunSource(t, r.newUser(t).ID, func(s *sunsource.SunSource) { s.Name = "Scheune" })
	for text, want := range map[string]string{
		"":                                 "Scheune Süd, Straße 1, ÉCOLE_A",
		"scheune":                          "Scheune Süd",
		"SUD":                              "Scheune Süd",
		"süd SCHEUNE":                      "Scheune Süd",
		"scheune nord":                     "",
		"oko":                              "Scheune Süd",
		"%":                                "Scheune Süd",
		"_":                                "ÉCOLE_A",
		"\\":                               "Straße 1",
		"ecole":                            "ÉCOLE_A",
		"strasse":                          "Straße 1",
		"'":                                "",
		barn.ClientID():                    "Scheune Süd",
		strings.ToUpper(barn.ClientID()):   "Scheune Süd",
		barn.ClientID()[:14]:               "Scheune Süd",
		barn.ID.String():                   "Scheune Süd",
		barn.ID.String()[:8]:               "Scheune Süd",
		barn.ID.String()[:13] + " scheune": "Scheune Süd",
		barn.ID.String()[9:]:               "",
		"sunsource_":                       "",
	} {
		got := r.search(t, owner, device.Query{Words: device.Words(text), Sort: device.ByName})
		names := strings.Split(namesOf(got), ", ")
		slices.Sort(names)
		if strings.Join(names, ", ") != want {
			t.Errorf("%q finds %v, want %s", text, names, want)
		}
	}
	// A change of the name is found by the new one.
	_, err := r.SunSources.Update(t.Context(), owner, barn.ID, func(s *sunsource.SunSource) error { s.Name, s.Description = "Stall", nil; return nil })
	must(t, err)
	if got := r.search(t, owner, device.Query{Words: device.Words("stall"), Sort: device.ByName}); namesOf(got) != "Stall" {
		t.Errorf("found %s", namesOf(got))
	}
	if got := r.search(t, owner, device.Query{Words: device.Words("oko"), Sort: device.ByName}); len(got) != 0 {
		t.Errorf("found %s", namesOf(got))
	}
}

// fleet stores sources that differ in all by which lists are sorted, many of them
// alike in each.
func (r Records) fleet(t *testing.T, owner, group uuid.UUID) []sunsource.SunSource {
	t.Helper()
	var all []sunsource.SunSource
	for i := range 23 {
		s := r.newSunSource(t, owner, func(s *sunsource.SunSource) {
			s.Name = []string{"b", "B", "ä", "Z", "_"}[i%5]
			s.CreatedAt = instantOf(i % 7)
			s.InstalledCapacityWatts = []*float64{nil, new(0.0), new(5000.5), new(100.0)}[i%4]
			if i%2 == 0 {
				s.PowerGroupID = &group
			}
		})
		all = append(all, s)
		if i%3 == 0 {
			continue // never heard
		}
		h := heardAt(s.ID, instantOf(7000+i%6))
		r.hear(t, h)
		if i%3 == 1 {
			r.listen(t, instantOf(6990), h.CheckAt)
			r.sweep(t, h.CheckAt, s.ID, device.Verdict{State: device.States()[i%5%2]})
		}
	}
	return all
}

func deviceOrders(t *testing.T, r Records) {
	owner, stranger := r.newUser(t).ID, r.newUser(t).ID
	g, foreign := r.newGroup(t, owner), r.newGroup(t, stranger)
	fleet := r.fleet(t, owner, g.ID)
	r.fleet(t, stranger, foreign.ID) // nobody is shown another's
	for _, sort := range device.Sorts() {
		for _, descending := range []bool{false, true} {
			for name, query := range map[string]device.Query{
				"all":      {},
				"a group":  {PowerGroupID: &g.ID},
				"foreign":  {PowerGroupID: &foreign.ID},
				"unknown":  {States: []device.State{device.Unknown}},
				"silent":   {States: []device.State{device.Offline, device.Late}},
				"two":      {States: []device.State{device.Unknown, device.Online}},
				"by words": {Words: []string{"b"}, PowerGroupID: &g.ID, States: device.States()},
			} {
				query.Sort, query.Descending = sort, descending
				want := r.search(t, owner, query)
				wanted := 0
				for _, s := range fleet {
					if query.Matches(s, r.status(t, s.ID).State) {
						wanted++
					}
				}
				if len(want) != wanted {
					t.Fatalf("%s by %s: %d sources, want %d", name, sort, len(want), wanted)
				}
				if !slices.IsSortedFunc(want, func(a, b device.Listed) int { return inQueryOrder(query, a, b) }) {
					t.Errorf("%s by %s, descending %t: out of order: %s", name, sort, descending, namesOf(want))
				}
				for limit := 1; limit <= 24; limit += 5 {
					wantSame(t, r.inPages(t, owner, query, limit), want)
				}
			}
		}
	}
}

func inQueryOrder(query device.Query, a, b device.Listed) int {
	x, y := query.PlaceOf(a), query.PlaceOf(b)
	order := cmp.Or(cmp.Compare(x.Number, y.Number), strings.Compare(x.Text, y.Text), bytes.Compare(x.ID[:], y.ID[:]))
	if query.Descending {
		return -order
	}
	return order
}

// inPages collects all pages of a query.
func (r Records) inPages(t *testing.T, owner uuid.UUID, query device.Query, limit int) []device.Listed {
	t.Helper()
	query.Limit = limit
	got := []device.Listed{}
	for range 100 {
		page := r.search(t, owner, query)
		if len(page) > limit {
			t.Fatalf("%d sources on a page of %d", len(page), limit)
		}
		got = append(got, page...)
		if len(page) < limit {
			return got
		}
		query.After = new(query.PlaceOf(page[limit-1]))
	}
	t.Fatal("there is no end of pages")
	return nil
}

func devicePlaces(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	named := func(names ...string) {
		for _, name := range names {
			r.newSunSource(t, owner, func(s *sunsource.SunSource) { s.Name = name })
		}
	}
	named("a", "c", "e", "g")
	query := device.Query{Sort: device.ByName, Limit: 2}
	page := r.search(t, owner, query)
	query.After = new(query.PlaceOf(page[1]))
	must(t, r.SunSources.Delete(t.Context(), owner, page[1].ID)) // the place itself goes
	named("b", "d", "f")
	query.Limit = 10
	if got := namesOf(r.search(t, owner, query)); got != "d, e, f, g" {
		t.Errorf("the next page is %s", got)
	}
}

func deviceOverview(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	measured := func(online bool, solar, grid *float64) {
		s := r.newSunSource(t, owner)
		h := heardAt(s.ID, instantOf(8000))
		h.Powers[telemetry.SolarPowerWatts], h.Powers[telemetry.GridPowerWatts] = solar, grid
		r.hear(t, h)
		if !online {
			r.listen(t, instantOf(7990), h.CheckAt)
			r.sweep(t, h.CheckAt, s.ID, device.Verdict{State: device.Late})
		}
	}
	measured(true, new(1000.5), new(-200.0))
	measured(true, new(500.0), nil)
	measured(false, new(4000.0), new(1.0))
	r.newSunSource(t, owner)
	measuredByOther := r.newSunSource(t, r.newUser(t).ID)
	r.hear(t, heardAt(measuredByOther.ID, instantOf(8000)))
	got, err := r.Devices.Overview(t.Context(), owner)
	must(t, err)
	want := device.Overview{Sources: 4}
	want.Powers[telemetry.SolarPowerWatts], want.PowerSources[telemetry.SolarPowerWatts] = 1500.5, 2
	want.Powers[telemetry.GridPowerWatts], want.PowerSources[telemetry.GridPowerWatts] = -200, 1
	if got.Powers != want.Powers || got.PowerSources != want.PowerSources || got.Sources != 4 ||
		!maps.Equal(got.States, map[device.State]int{device.Online: 2, device.Late: 1, device.Unknown: 1}) {
		t.Errorf("got %+v", got)
	}
	none, err := r.Devices.Overview(t.Context(), r.newUser(t).ID)
	must(t, err)
	if none.Sources != 0 || none.Powers != (device.Overview{}).Powers {
		t.Errorf("of nothing: %+v", none)
	}
}
