package arch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestThePackagesImportOnlyWhatTheirRoomMay(t *testing.T) {
	t.Parallel()
	report(t, checkImports(tree(t)))
}

// checkImports holds every import of every package to the table.
func checkImports(pkgs []pkg) []string {
	var found []string
	for _, p := range pkgs {
		from := p.inModule()
		if why := unknownRoom(from); why != "" {
			found = append(found, p.ImportPath+": "+why)
			continue
		}
		refuse := func(imports []string, test bool) {
			for _, to := range imports {
				if why := refusal(from, to, test); why != "" {
					found = append(found, fmt.Sprintf("%s imports %s: %s", p.ImportPath, to, why))
				}
			}
		}
		refuse(p.Imports, false)
		refuse(slices.Concat(p.TestImports, p.XTestImports), true)
	}
	return found
}

// unknownRoom says what is wrong with a package's place, "" if nothing.
func unknownRoom(path string) string {
	switch room(path) {
	case "", "modules", "bootstrap", "migrations", "test":
		return ""
	case "core":
		if !slices.Contains(coreOrder, strings.TrimPrefix(path, "core/")) {
			return "is not in the order of core's concepts (coreOrder)"
		}
	case "adapters":
		if _, ok := adapters[technology(path)]; !ok {
			return "is not listed as a driving or a driven adapter (adapters)"
		}
	default:
		return "is in no room of the design"
	}
	return ""
}

// technology is the adapter's folder of a path in adapters/.
func technology(path string) string { return room(strings.TrimPrefix(path, "adapters/")) }

// refusal says why the package at path from may not import to, or "". test is
// true for the imports of its _test.go files.
func refusal(from, to string, test bool) string {
	switch first, _, _ := strings.Cut(to, "/"); {
	case first == module:
		return refuseOwn(from, strings.TrimPrefix(to, module+"/"), test)
	case strings.Contains(first, "."):
		return refuseVendor(from, to, test)
	default:
		return refuseStandard(from, to, test)
	}
}

func refuseOwn(from, to string, test bool) string {
	tested := test || room(from) == "test"
	if room(to) == "test" {
		if tested {
			return ""
		}
		return "test/ is imported by _test.go files only"
	}
	if below(to, from) && from != "" || room(from) == "test" {
		return ""
	}
	switch room(from) {
	case "core":
		return refuseCore(from, to, test)
	case "modules":
		if room(to) != "core" {
			return "a module imports core only; what it needs of others it declares as an interface"
		}
	case "adapters":
		return refuseAdapter(technology(from), to)
	case "migrations":
		return "migrations hold the schema and import nothing of the house"
	case "":
		if room(to) != "bootstrap" {
			return "main only calls bootstrap"
		}
	}
	return ""
}

// refuseCore holds core's concepts to their order. A test outside the package
// may look down from above.
func refuseCore(from, to string, test bool) string {
	if room(to) != "core" {
		return "core imports core only"
	}
	at := slices.Index(coreOrder, strings.TrimPrefix(to, "core/"))
	if at < 0 {
		return "is not in the order of core's concepts (coreOrder)"
	}
	if !test && at >= slices.Index(coreOrder, strings.TrimPrefix(from, "core/")) {
		return "points back up the order of core's concepts"
	}
	return ""
}

func refuseAdapter(name, to string) string {
	switch room(to) {
	case "core":
		return ""
	case "modules":
		if adapters[name].driving {
			return ""
		}
		return "a driven adapter calls no use case"
	case "migrations":
		if adapters[name].schema {
			return ""
		}
		return "the schema belongs to the adapters that keep it"
	case "adapters":
		if technology(to) == name {
			return ""
		}
		return "no adapter imports another; what crosses adapters is bootstrap's or test/'s"
	}
	return "an adapter is given what it needs"
}

func refuseVendor(from, to string, test bool) string {
	for vendor, folder := range onlyIn {
		if below(to, vendor) && !below(from, folder) {
			return "is for " + folder + " only"
		}
	}
	if test || room(from) == "test" || belowAny(to, vendorsOf(from)) {
		return ""
	}
	return "is not one of the vendors of this folder"
}

// vendorsOf lists the vendors that a folder may import.
func vendorsOf(path string) []string {
	switch room(path) {
	case "core":
		return coreVendors
	case "modules":
		return pureVendors
	case "adapters":
		return slices.Concat(pureVendors, adapters[technology(path)].vendors)
	case "bootstrap":
		return slices.Concat(pureVendors, roomVendors["bootstrap"])
	}
	return nil
}

func refuseStandard(from, to string, test bool) string {
	if test || room(from) == "test" {
		return ""
	}
	switch room(from) {
	case "core":
		if belowAny(to, coreDenied) && !slices.Contains(coreSpared, to) && !slices.Contains(coreSpecial[from], to) {
			return "core has no I/O, no log, no chance and no machine"
		}
	case "modules":
		if belowAny(to, moduleDenied) {
			return "this is an adapter's work"
		}
	case "migrations":
		if belowAny(to, coreDenied) && to != "embed" && to != "io/fs" {
			return "migrations hold the schema and run nothing"
		}
	}
	if below(to, "testing") || to == "net/http/httptest" {
		return "is for _test.go files only"
	}
	return ""
}

func belowAny(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return below(path, folder) })
}
