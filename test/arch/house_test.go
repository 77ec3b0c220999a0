// Package arch holds the tree to its design: who may import whom, the order of
// the concepts in core, which folder knows which vendor, the size of files, a
// suite for every port. It looks at source and imports only; what the code does
// is tested where the code is.
//
// Each rule is a function from packages or source to a list of violations, so
// that beside running it on the tree a test can show that it finds something.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the module's folder, seen from here.
const root = "../.."

// module is the module's own path.
const module = "ampra"

// pkg is one package as `go list -json` prints it.
type pkg struct {
	ImportPath string
	Dir        string

	GoFiles, CgoFiles, IgnoredGoFiles []string
	TestGoFiles, XTestGoFiles         []string

	Imports, TestImports, XTestImports []string

	Error *struct{ Err string }

	files []source
}

// source is one parsed file.
type source struct {
	name string // relative to the module's folder
	test bool
	text []byte
	tree *ast.File
}

// inModule is the package's path inside the module: "" for the root, else as
// "core/fault".
func (p pkg) inModule() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// room is the top-level folder of a path inside the module.
func room(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// below reports whether path is folder or in it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// house lists and parses the tree once for all tests.
var house = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-deps=false",
		"-json=ImportPath,Dir,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Error",
		"./...")
	cmd.Dir = root
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(failure.String()))
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		if err := p.parse(); err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

// parse reads all files of the package, also those that this machine's build
// leaves out, and adds the imports that only those have.
func (p *pkg) parse() error {
	tests := slices.Concat(p.TestGoFiles, p.XTestGoFiles)
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, tests) {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := source{
			name: filepath.ToSlash(filepath.Join(p.inModule(), name)),
			test: strings.HasSuffix(name, "_test.go"), text: text, tree: tree,
		}
		p.files = append(p.files, s)
		if slices.Contains(p.IgnoredGoFiles, name) {
			p.addImports(s)
		}
	}
	return nil
}

func (p *pkg) addImports(s source) {
	to := &p.Imports
	if s.test {
		to = &p.TestImports
	}
	for _, spec := range s.tree.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && !slices.Contains(*to, path) {
			*to = append(*to, path)
		}
	}
}

// tree returns the packages of the module.
func tree(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := house()
	if err != nil {
		t.Fatalf("listing the module's packages: %v", err)
	}
	if len(pkgs) == 0 {
		t.Fatal("the module has no packages")
	}
	return pkgs
}

// report fails the test with each violation on a line.
func report(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}
