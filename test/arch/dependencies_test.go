package arch

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// requirement is one line of go.mod.
type requirement struct {
	Path, Version string
	Indirect      bool
}

// documented finds a module, its version and its date in the tables of
// docs/dependencies.md.
var documented = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v[^ ]+) \\| \\d{4}-\\d\\d-\\d\\d \\| [^|]+ \\| [^|]+ \\|$")

func TestEveryDependencySaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	// Read here too, so that a cached result knows of the file.
	if _, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading go.mod: %v", err)
	}
	var mod struct{ Require []requirement }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkDependencies(mod.Require, tree(t), string(doc)))
}

// checkDependencies compares the modules that the packages import, and those
// that go.mod calls direct, with the document.
func checkDependencies(required []requirement, pkgs []pkg, doc string) []string {
	versions := map[string]string{}
	direct := map[string]bool{}
	for _, r := range required {
		versions[r.Path] = r.Version
		if !r.Indirect {
			direct[r.Path] = true
		}
	}
	for _, p := range pkgs {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if m := providing(path, versions); m != "" {
				direct[m] = true
			}
		}
	}
	lines := map[string]string{}
	for _, m := range documented.FindAllStringSubmatch(doc, -1) {
		lines[m[1]] = m[2]
	}
	var found []string
	for _, path := range slices.Sorted(maps.Keys(direct)) {
		if _, ok := lines[path]; !ok {
			found = append(found, path+" has no line in docs/dependencies.md")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		switch required, ok := versions[path]; {
		case !ok:
			found = append(found, path+" has a line in docs/dependencies.md and is not in go.mod")
		case required != lines[path]:
			found = append(found, fmt.Sprintf("%s is %s in docs/dependencies.md and %s in go.mod", path, lines[path], required))
		}
	}
	return found
}

// providing finds the module that a package belongs to: the longest path that
// it is below of.
func providing(path string, modules map[string]string) string {
	for path != "." && strings.Contains(path, "/") {
		if _, ok := modules[path]; ok {
			return path
		}
		path = path[:strings.LastIndex(path, "/")]
	}
	return ""
}

func TestTheListOfDependenciesFollowsGoMod(t *testing.T) {
	t.Parallel()
	required := []requirement{
		{Path: "example.org/a", Version: "v1.0.0"},
		{Path: "example.org/a/part", Version: "v1.1.0", Indirect: true},
		{Path: "example.org/b", Version: "v1.2.0", Indirect: true},
	}
	const row = "| `%s` | %s | 2026-01-31 | this | that |\n"
	both := fmt.Sprintf(row, "example.org/a", "v1.0.0") + fmt.Sprintf(row, "example.org/a/part", "v1.1.0")
	part := []pkg{{TestImports: []string{"example.org/a/part/x", "os"}}}
	for name, c := range map[string]struct {
		pkgs []pkg
		doc  string
		want []string
	}{
		"all have a line": {part, both, nil},
		"a direct one has none": {nil, "", []string{
			"example.org/a has no line in docs/dependencies.md",
		}},
		"one that a test imports has none, whatever its mark": {part, fmt.Sprintf(row, "example.org/a", "v1.0.0"), []string{
			"example.org/a/part has no line in docs/dependencies.md",
		}},
		"a line without its date is none": {nil, "| `example.org/a` | v1.0.0 | | this | that |\n", []string{
			"example.org/a has no line in docs/dependencies.md",
		}},
		"a line of what is not required": {part, both + fmt.Sprintf(row, "example.org/c", "v1.0.0"), []string{
			"example.org/c has a line in docs/dependencies.md and is not in go.mod",
		}},
		"a line of another version": {nil, fmt.Sprintf(row, "example.org/a", "v0.9.0"), []string{
			"example.org/a is v0.9.0 in docs/dependencies.md and v1.0.0 in go.mod",
		}},
	} {
		if got := checkDependencies(required, c.pkgs, c.doc); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
