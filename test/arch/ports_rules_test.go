package arch

import (
	"maps"
	"slices"
	"testing"
)

// A small house with one port: its suite, an adapter that runs it, a fake that
// another package's test runs it on.
func portHouse() map[string]map[string]string {
	return map[string]map[string]string{
		"ampra/core/tariff": {
			"tariff.go": "package tariff\ntype Repository interface{ Get() error }\ntype number interface{ Get() }\n" +
				"type Number interface{ ~int | ~string }\ntype Price struct{}\n",
		},
		"ampra/test/contract": {
			"tariff.go": "package contract\nfunc Tariffs(open func() any) {}\n",
		},
		"ampra/adapters/sqldb": {
			"tariff.go":      "package sqldb\nimport \"ampra/core/tariff\"\nvar _ tariff.Repository = (*DB)(nil)\ntype DB struct{}\n",
			"tariff_test.go": "package sqldb\nimport \"ampra/test/contract\"\nfunc TestTariffs() { contract.Tariffs(nil) }\n",
		},
		"ampra/test/fake": {
			"tariff.go": "package fake\nimport prices \"ampra/core/tariff\"\nvar _ prices.Repository = (*Tariffs)(nil)\ntype Tariffs struct{}\n",
		},
		"ampra/test/e2e": {
			"fake_test.go": "package e2e\nimport suites \"ampra/test/contract\"\nimport _ \"ampra/test/fake\"\nfunc TestFake() { suites.Tariffs(nil) }\n",
		},
	}
}

func TestPortsWithoutASuiteAndImplementersThatDoNotRunItAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(house map[string]map[string]string)
		suites  map[string]string
		without map[string]string
		want    []string
	}{
		"nothing to complain of": {suites: map[string]string{"tariff.Repository": "Tariffs"}},
		"a port that the table does not know": {want: []string{
			"tariff.Repository: name its suite in suites, or the reason for having none in withoutSuite",
		}},
		"a port that needs no suite": {without: map[string]string{"tariff.Repository": "tiny"}},
		"entries of what is no port": {
			suites:  map[string]string{"tariff.Repository": "Tariffs", "tariff.Price": "Tariffs"},
			without: map[string]string{"tariff.number": "private"},
			want: []string{
				"tariff.Price stands in suites and is no port of core",
				"tariff.number stands in withoutSuite and is no port of core, or has a suite",
			},
		},
		"a suite that is not written": {
			suites: map[string]string{"tariff.Repository": "Prices"},
			want:   []string{"contract.Prices is not written: it is the suite of tariff.Repository"},
		},
		"a suite that no one runs": {
			suites: map[string]string{"tariff.Repository": "Tariffs"},
			change: func(house map[string]map[string]string) {
				maps.DeleteFunc(house, func(path string, _ map[string]string) bool {
					return path != "ampra/core/tariff" && path != "ampra/test/contract"
				})
			},
			want: []string{"contract.Tariffs is run by no test"},
		},
		"an adapter that does not run its suite": {
			suites: map[string]string{"tariff.Repository": "Tariffs"},
			change: func(house map[string]map[string]string) { delete(house["ampra/adapters/sqldb"], "tariff_test.go") },
			want: []string{
				"ampra/adapters/sqldb implements tariff.Repository and no test there, or that imports it, runs contract.Tariffs",
			},
		},
		"a fake that does not run its suite": {
			suites: map[string]string{"tariff.Repository": "Tariffs"},
			change: func(house map[string]map[string]string) { delete(house, "ampra/test/e2e") },
			want: []string{
				"ampra/test/fake implements tariff.Repository and no test there, or that imports it, runs contract.Tariffs",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			house := portHouse()
			if c.change != nil {
				c.change(house)
			}
			var pkgs []pkg
			for _, path := range slices.Sorted(maps.Keys(house)) {
				pkgs = append(pkgs, packageOf(t, path, house[path]))
			}
			if got := checkPorts(pkgs, c.suites, c.without); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
