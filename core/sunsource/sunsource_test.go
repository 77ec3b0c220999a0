package sunsource_test

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

func money(text string) *decimal.Decimal { return new(decimal.RequireFromString(text)) }

// least is a source with nothing but what it must have.
func least() sunsource.SunSource {
	return sunsource.SunSource{Name: "Roof", ConnectionType: sunsource.MQTT, Currency: sunsource.DefaultCurrency}
}

// fieldsOf lists the fields that a fault Invalid names.
func fieldsOf(err error) []string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.Invalid {
		return nil
	}
	return slices.Sorted(maps.Keys(f.Fields))
}

func TestASourceKeepsItsLimits(t *testing.T) {
	t.Parallel()
	const url = "https://example.org/"
	type source = *sunsource.SunSource
	for name, c := range map[string]struct {
		change func(source)
		wrong  string
	}{
		"what it must have":            {func(source) {}, ""},
		"a webhook source":             {func(s source) { s.ConnectionType = sunsource.Webhook }, ""},
		"no connection type":           {func(s source) { s.ConnectionType = "" }, "connectionType"},
		"another connection type":      {func(s source) { s.ConnectionType = "mqtt" }, "connectionType"},
		"no name":                      {func(s source) { s.Name = "" }, "name"},
		"a name of one character":      {func(s source) { s.Name = "ä" }, ""},
		"a name of 100 characters":     {func(s source) { s.Name = strings.Repeat("😀", 100) }, ""},
		"a name of 101 characters":     {func(s source) { s.Name = strings.Repeat("x", 101) }, "name"},
		"an empty description":         {func(s source) { s.Description = new("") }, ""},
		"a description of 500":         {func(s source) { s.Description = new(strings.Repeat("ä", 500)) }, ""},
		"a description of 501":         {func(s source) { s.Description = new(strings.Repeat("x", 501)) }, "description"},
		"an icon of 500":               {func(s source) { s.IconURL = new(url + strings.Repeat("x", 500-len(url))) }, ""},
		"an icon of 501":               {func(s source) { s.IconURL = new(url + strings.Repeat("x", 501-len(url))) }, "iconUrl"},
		"an icon that is no URL":       {func(s source) { s.IconURL = new("icon.png") }, "iconUrl"},
		"an icon that is a script":     {func(s source) { s.IconURL = new("javascript:alert(1)") }, "iconUrl"},
		"the north pole":               {func(s source) { s.Latitude = new(90.0) }, ""},
		"the south pole":               {func(s source) { s.Latitude = new(-90.0) }, ""},
		"beyond the north pole":        {func(s source) { s.Latitude = new(math.Nextafter(90, 91)) }, "latitude"},
		"beyond the south pole":        {func(s source) { s.Latitude = new(-90.1) }, "latitude"},
		"a latitude that is no number": {func(s source) { s.Latitude = new(math.NaN()) }, "latitude"},
		"the date line from the east":  {func(s source) { s.Longitude = new(180.0) }, ""},
		"the date line from the west":  {func(s source) { s.Longitude = new(-180.0) }, ""},
		"beyond the date line":         {func(s source) { s.Longitude = new(180.1) }, "longitude"},
		"before the date line":         {func(s source) { s.Longitude = new(math.Nextafter(-180, -181)) }, "longitude"},
		"an infinite longitude":        {func(s source) { s.Longitude = new(math.Inf(-1)) }, "longitude"},
		"no capacity":                  {func(s source) { s.InstalledCapacityWatts = new(0.0) }, ""},
		"a capacity of a megawatt":     {func(s source) { s.InstalledCapacityWatts = new(1e6) }, ""},
		"a capacity above":             {func(s source) { s.InstalledCapacityWatts = new(1e6 + 0.1) }, "installedCapacityWatts"},
		"a capacity below nothing":     {func(s source) { s.InstalledCapacityWatts = new(-0.1) }, "installedCapacityWatts"},
		"no currency":                  {func(s source) { s.Currency = "" }, "currency"},
		"a currency in small letters":  {func(s source) { s.Currency = "eur" }, "currency"},
		"costs of nothing":             {func(s source) { s.SystemCost, s.MaintenanceCostPerYear = money("0"), money("0.00") }, ""},
		"a negative cost":              {func(s source) { s.SystemCost = money("-0.01") }, "systemCost"},
		"the largest cost":             {func(s source) { s.SystemCost = money("999999999999999.999999999999") }, ""},
		"a cost above it":              {func(s source) { s.SystemCost = money("1e15") }, "systemCost"},
		"a cost of 13 decimals":        {func(s source) { s.MaintenanceCostPerYear = money("0.0000000000001") }, "maintenanceCostPerYear"},
		"a cost of a huge exponent":    {func(s source) { s.SystemCost = new(decimal.New(1, math.MaxInt32)) }, "systemCost"},
		"a cost of a tiny exponent":    {func(s source) { s.SystemCost = new(decimal.New(1, math.MinInt32)) }, "systemCost"},
		"nothing of a huge exponent":   {func(s source) { s.SystemCost = new(decimal.New(0, math.MaxInt32)) }, ""},
		"a negative maintenance":       {func(s source) { s.MaintenanceCostPerYear = money("-1") }, "maintenanceCostPerYear"},
		"installed in 1900":            {func(s source) { s.InstallationDate = new(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)) }, ""},
		"installed before":             {func(s source) { s.InstallationDate = new(time.Date(1899, 12, 31, 23, 59, 59, 0, time.UTC)) }, "installationDate"},
		"installed before, in UTC":     {func(s source) { s.InstallationDate = new(time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))) }, "installationDate"},
		"installed in 9999":            {func(s source) { s.InstallationDate = new(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)) }, ""},
		"installed after, in UTC": {func(s source) {
			s.InstallationDate = new(time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)))
		}, "installationDate"},
	} {
		s := least()
		c.change(&s)
		err := s.Validate()
		if got := strings.Join(fieldsOf(err), " "); got != c.wrong || (err == nil) != (c.wrong == "") {
			t.Errorf("%s: got %v, want the field %q", name, err, c.wrong)
		}
	}
}

func TestAllFieldsThatAreWrongAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	s := sunsource.SunSource{
		Description: new(strings.Repeat("x", 501)), IconURL: new("x"), Latitude: new(91.0), Longitude: new(181.0),
		InstalledCapacityWatts: new(-1.0), SystemCost: money("-1"), MaintenanceCostPerYear: money("-1"), InstallationDate: new(time.Time{}),
	}
	want := []string{
		"connectionType", "currency", "description", "iconUrl", "installationDate", "installedCapacityWatts", "latitude", "longitude",
		"maintenanceCostPerYear", "name", "systemCost",
	}
	if got := fieldsOf(s.Validate()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCurrenciesAreISO4217(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"EUR", "USD", "GBP", "CHF", "AED", "ZMW", "ZWG", "JPY", "KWD", "XAF", "XCG", "SLE", "VED", "TRY", "INR"} {
		if !sunsource.KnownCurrency(code) {
			t.Errorf("%s is not known", code)
		}
	}
	for _, code := range []string{
		"", " ", "   ", "E", "EU", "EURO", "eur", "Eur", "EUR ", " EUR", "UR ", "D E", "AED AFN", "ABC", "€", "XXX", "XTS", "XAU", "XDR", "DEM", "HRK",
		"ANG", "ZWL", "VEF", "\x00\x00\x00", "ЕUR", // the last one begins with a Cyrillic letter
	} {
		if sunsource.KnownCurrency(code) {
			t.Errorf("%q is known", code)
		}
	}
	known := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				if sunsource.KnownCurrency(string([]rune{a, b, c})) {
					known++
				}
			}
		}
	}
	if known < 150 || known > 170 {
		t.Errorf("%d currencies are known", known)
	}
}

func TestASourcesNamesInMQTT(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("7c9e6679-7425-40de-944b-e07fc1f90ae7")
	if got := (sunsource.SunSource{ID: id}).ClientID(); got != "sunsource_7c9e6679" || sunsource.ClientID(id) != got {
		t.Errorf("the client id is %s", got)
	}
	if got := sunsource.Topic(id); got != "sunsource/7c9e6679-7425-40de-944b-e07fc1f90ae7/data" {
		t.Errorf("the topic is %s", got)
	}
}

func TestAClientIDIsReadBackAndNothingElseIs(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("7c9e6679-7425-40de-944b-e07fc1f90ae7")
	if key, ok := sunsource.ParseClientID("sunsource_7c9e6679"); !ok || key != sunsource.ClientKeyOf(id) {
		t.Errorf("got %x, %t", key, ok)
	}
	for _, text := range []string{
		"", "sunsource_", "sunsource_7c9e667", "sunsource_7c9e66790", "sunsource_7C9E6679", "Sunsource_7c9e6679", "7c9e6679",
		"sunsource_7c9e667g", "sunsource_7c9e667\x00", " sunsource_7c9e6679", "sunsource_\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		if key, ok := sunsource.ParseClientID(text); ok {
			t.Errorf("%q is read as %x", text, key)
		}
	}
}
