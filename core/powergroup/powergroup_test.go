package powergroup_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"ampra/core/fault"
	"ampra/core/powergroup"
)

func TestAPowerGroupKeepsItsLimits(t *testing.T) {
	t.Parallel()
	const url = "https://example.org/"
	for name, c := range map[string]struct {
		change func(*powergroup.PowerGroup)
		wrong  []string
	}{
		"a name alone":             {func(*powergroup.PowerGroup) {}, nil},
		"no name":                  {func(g *powergroup.PowerGroup) { g.Name = "" }, []string{"name"}},
		"a name of 100 characters": {func(g *powergroup.PowerGroup) { g.Name = strings.Repeat("ä", 100) }, nil},
		"a name of 101 characters": {func(g *powergroup.PowerGroup) { g.Name = strings.Repeat("ä", 101) }, []string{"name"}},
		"an empty description":     {func(g *powergroup.PowerGroup) { g.Description = new("") }, nil},
		"a description of 500":     {func(g *powergroup.PowerGroup) { g.Description = new(strings.Repeat("ä", 500)) }, nil},
		"a description of 501":     {func(g *powergroup.PowerGroup) { g.Description = new(strings.Repeat("x", 501)) }, []string{"description"}},
		"a logo of 500":            {func(g *powergroup.PowerGroup) { g.LogoURL = new(url + strings.Repeat("x", 500-len(url))) }, nil},
		"a logo of 501":            {func(g *powergroup.PowerGroup) { g.LogoURL = new(url + strings.Repeat("x", 501-len(url))) }, []string{"logoUrl"}},
		"a logo that is no URL":    {func(g *powergroup.PowerGroup) { g.LogoURL = new("logo.png") }, []string{"logoUrl"}},
		"an empty logo":            {func(g *powergroup.PowerGroup) { g.LogoURL = new("") }, []string{"logoUrl"}},
		"everything wrong, named at once": {func(g *powergroup.PowerGroup) {
			*g = powergroup.PowerGroup{Description: new(strings.Repeat("x", 501)), LogoURL: new("x")}
		}, []string{"description", "logoUrl", "name"}},
	} {
		g := powergroup.PowerGroup{Name: "Home"}
		c.change(&g)
		err := g.Validate()
		if got := fieldsOf(err); !slices.Equal(got, c.wrong) || (err == nil) != (len(c.wrong) == 0) {
			t.Errorf("%s: got %v, want the fields %v", name, err, c.wrong)
		}
	}
}

// fieldsOf lists the fields that a fault Invalid names.
func fieldsOf(err error) []string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.Invalid {
		return nil
	}
	return slices.Sorted(maps.Keys(f.Fields))
}
