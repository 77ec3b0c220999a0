package arch

import (
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
)

// parsed makes a source of a text.
func parsed(t *testing.T, name, text string) source {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name: name, test: strings.HasSuffix(name, "_test.go"), text: []byte(text), tree: tree}
}

// packageOf makes a package of texts by file name.
func packageOf(t *testing.T, path string, files map[string]string) pkg {
	t.Helper()
	p := pkg{ImportPath: path}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s := parsed(t, name, files[name])
		if p.files = append(p.files, s); s.test {
			p.TestGoFiles = append(p.TestGoFiles, name)
		} else {
			p.GoFiles = append(p.GoFiles, name)
		}
		p.addImports(s)
	}
	return p
}
