package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	contractPath = module + "/test/contract"
	contractDir  = "test/contract"
)

func TestEveryPortHasASuiteAndEveryImplementerRunsIt(t *testing.T) {
	t.Parallel()
	report(t, checkPorts(tree(t), suites, withoutSuite))
}

// checkPorts compares the interfaces that core exports with the suites, and
// those who say that they implement one (var _ port = ...) with the tests that
// call its suite.
func checkPorts(pkgs []pkg, suites, without map[string]string) []string {
	var found []string
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	ports := portsOf(pkgs)
	for _, port := range ports {
		if suites[port] == "" && without[port] == "" {
			complain("%s: name its suite in suites, or the reason for having none in withoutSuite", port)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(suites)) {
		if !slices.Contains(ports, port) {
			complain("%s stands in suites and is no port of core", port)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(without)) {
		if !slices.Contains(ports, port) || suites[port] != "" {
			complain("%s stands in withoutSuite and is no port of core, or has a suite", port)
		}
	}

	defined, runs := suitesOf(pkgs), runsOf(pkgs)
	for _, suite := range slices.Compact(slices.Sorted(maps.Values(suites))) {
		switch {
		case !defined[suite]:
			complain("contract.%s is not written: it is the suite of %s", suite, strings.Join(portsWith(suite, suites), ", "))
		case len(runs[suite]) == 0:
			complain("contract.%s is run by no test", suite)
		}
	}
	for _, i := range implementersOf(pkgs) {
		suite := suites[i.port]
		if suite != "" && defined[suite] && !slices.Contains(runs[suite], i.path) {
			complain("%s implements %s and no test there, or that imports it, runs contract.%s", i.path, i.port, suite)
		}
	}
	return found
}

func portsWith(suite string, suites map[string]string) []string {
	var ports []string
	for _, port := range slices.Sorted(maps.Keys(suites)) {
		if suites[port] == suite {
			ports = append(ports, port)
		}
	}
	return ports
}

// portsOf lists the exported interfaces of core as "telemetry.Archive". What
// only constrains type parameters is none.
func portsOf(pkgs []pkg) []string {
	var ports []string
	for _, p := range pkgs {
		if room(p.inModule()) != "core" {
			continue
		}
		for _, s := range p.files {
			for spec := range specs[*ast.TypeSpec](s, token.TYPE) {
				i, ok := spec.Type.(*ast.InterfaceType)
				if ok && spec.Name.IsExported() && !s.test && !constrains(i) {
					ports = append(ports, s.tree.Name.Name+"."+spec.Name.Name)
				}
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// constrains reports whether the interface lists types, as in ~int | ~string.
func constrains(i *ast.InterfaceType) bool {
	return slices.ContainsFunc(i.Methods.List, func(f *ast.Field) bool {
		switch f.Type.(type) {
		case *ast.UnaryExpr, *ast.BinaryExpr:
			return true
		}
		return false
	})
}

// suitesOf are the functions that test/contract exports.
func suitesOf(pkgs []pkg) map[string]bool {
	defined := map[string]bool{}
	for _, p := range pkgs {
		if p.inModule() != contractDir {
			continue
		}
		for _, s := range p.files {
			for _, d := range s.tree.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && !s.test {
					defined[f.Name.Name] = true
				}
			}
		}
	}
	return defined
}

// runsOf maps each suite to the packages for which a test runs it: the test's
// own and all that it imports.
func runsOf(pkgs []pkg) map[string][]string {
	runs := map[string][]string{}
	for _, p := range pkgs {
		for _, s := range p.files {
			contract := s.nameOf(contractPath)
			if !s.test || contract == "" {
				continue
			}
			ast.Inspect(s.tree, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, contract) {
					runs[sel.Sel.Name] = append(runs[sel.Sel.Name], p.ImportPath)
					runs[sel.Sel.Name] = append(runs[sel.Sel.Name], s.imports()...)
				}
				return true
			})
		}
	}
	return runs
}

// implementer is a package that says that a type of its own is a port.
type implementer struct{ path, port string }

// implementersOf finds the lines var _ telemetry.Archive = ... outside tests.
func implementersOf(pkgs []pkg) []implementer {
	var found []implementer
	for _, p := range pkgs {
		for _, s := range p.files {
			for spec := range specs[*ast.ValueSpec](s, token.VAR) {
				port, ok := spec.Type.(*ast.SelectorExpr)
				if !ok || s.test || spec.Names[0].Name != "_" {
					continue
				}
				for _, to := range s.imports() {
					if below(to, module+"/core") && isName(port.X, s.nameOf(to)) {
						found = append(found, implementer{p.ImportPath, path.Base(to) + "." + port.Sel.Name})
					}
				}
			}
		}
	}
	return found
}

// specs goes through the declarations of one kind at the top of a file.
func specs[S ast.Spec](s source, kind token.Token) func(yield func(S) bool) {
	return func(yield func(S) bool) {
		for _, d := range s.tree.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != kind {
				continue
			}
			for _, spec := range decl.Specs {
				if spec, ok := spec.(S); ok && !yield(spec) {
					return
				}
			}
		}
	}
}

// imports lists the paths that the file imports.
func (s source) imports() []string {
	paths := make([]string, 0, len(s.tree.Imports))
	for _, spec := range s.tree.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// nameOf is the name by which the file calls an imported package of ours, "" if
// it does not import it.
func (s source) nameOf(importPath string) string {
	for _, spec := range s.tree.Imports {
		if quoted := strconv.Quote(importPath); spec.Path.Value != quoted {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

func isName(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}
