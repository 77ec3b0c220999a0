package restapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ampra/adapters/httpapi"
)

// document is the server's OpenAPI document, against which answers are held.
type document struct {
	tree     map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
}

const documentURL = "https://ampra.example/openapi.json"

func loadDocument(t *testing.T, base string) *document {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client().Do(request)
	if err != nil {
		t.Fatalf("getting the document: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("getting the document: %d, %v", response.StatusCode, err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("reading the document: %v", err)
	}
	tree, ok := parsed.(map[string]any)
	if !ok || !strings.HasPrefix(fmt.Sprint(tree["openapi"]), "3.1.") {
		t.Fatalf("the document is no OpenAPI 3.1: %.100s", body)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(documentURL, parsed); err != nil {
		t.Fatal(err)
	}
	return &document{tree: tree, compiler: compiler, schemas: map[string]*jsonschema.Schema{}}
}

// template is the path of the route that a path belongs to, or "".
func template(method, path string) string {
	parts := strings.Split(path, "/")
	best := ""
	for _, r := range httpapi.Routes() {
		if r.Method != method {
			continue
		}
		row := strings.Split(r.Path, "/")
		if len(row) != len(parts) {
			continue
		}
		matches := true
		for i := range row {
			if !strings.HasPrefix(row[i], "{") && row[i] != parts[i] {
				matches = false
			}
		}
		if matches && (best == "" || !strings.Contains(r.Path, "{")) {
			best = r.Path
		}
	}
	return best
}

// check holds an answer against what the document says of its route.
func (d *document) check(t *testing.T, a *answer) {
	t.Helper()
	path := template(a.method, a.path)
	if path == "" {
		return // no route: there is nothing to describe
	}
	pointer := []string{"paths", path, strings.ToLower(a.method), "responses", fmt.Sprint(a.status)}
	described, ok := at(d.tree, pointer...).(map[string]any)
	if !ok {
		t.Errorf("%s %s: the document knows no answer %d: %s", a.method, path, a.status, a.body)
		return
	}
	content, hasContent := described["content"].(map[string]any)
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if !hasContent {
		if len(a.body) > 0 {
			t.Errorf("%s %s: the document knows no body for %d", a.method, path, a.status)
		}
		return
	}
	if _, ok := content[media]; !ok {
		if !strings.HasSuffix(path, "{file}") {
			t.Errorf("%s %s: the document knows no %q for %d", a.method, path, media, a.status)
		}
		return
	}
	if !strings.HasSuffix(media, "json") || path == "/api/openapi.json" {
		return
	}
	schema, err := d.compiled(append(pointer, "content", media, "schema"))
	if err != nil {
		t.Errorf("%s %s: the schema of %d: %v", a.method, path, a.status, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		t.Errorf("%s %s: the body is no JSON: %v", a.method, path, err)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s: the answer is not as the document says: %v\n%s", a.method, path, err, a.body)
	}
}

func (d *document) compiled(pointer []string) (*jsonschema.Schema, error) {
	var fragment strings.Builder
	for _, part := range pointer {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~", "~0"), "/", "~1")
		fragment.WriteString("/" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(part))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema, ok := d.schemas[fragment.String()]; ok {
		return schema, nil
	}
	schema, err := d.compiler.Compile(documentURL + "#" + fragment.String())
	if err == nil {
		d.schemas[fragment.String()] = schema
	}
	return schema, err
}

// at walks into a tree of objects.
func at(tree any, path ...string) any {
	for _, name := range path {
		object, ok := tree.(map[string]any)
		if !ok {
			return nil
		}
		tree = object[name]
	}
	return tree
}
