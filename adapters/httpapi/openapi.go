package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"ampra/core/actor"
)

// operation describes a route.
type operation struct {
	id, summary, about string
	params             []param
	// body is the JSON object that the request has; rawBody a body of another kind.
	body    []field
	rawBody map[string]schema
	answers []answer
	// refusals says when the statuses beyond the usual ones come.
	refusals map[int]string
}

// param is a parameter in the query or a header.
type param struct {
	name, in, about string
	schema          schema
}

func inQuery(name string, s schema, about string) param { return param{name, "query", about, s} }
func inHeader(name string, about string) param {
	return param{name, "header", about, schema{"type": "string"}}
}

// answer describes a success.
type answer struct {
	status int
	about  string
	// dto is a value of the type that is sent as JSON, nil for no body.
	dto any
	// media is set where the body is something else.
	media   string
	headers map[string]string
}

func ok(dto any) []answer { return []answer{{status: http.StatusOK, dto: dto}} }

// Names of the ways to sign in.
const (
	sessionScheme = "session"
	tokenScheme   = "token"
)

const about = `Ampra manages solar installations: sun sources, the credentials that their devices sign in with, and the telemetry that they send.

Sign in with a session cookie (` + "`POST /api/auth/login`" + `) or with a personal API token (` + "`Authorization: Bearer ampra_...`" + `). Errors are
` + "`application/problem+json`" + ` (RFC 9457); all fields that are wrong are named at once in ` + "`errors`" + `. A signed-in POST with an
` + "`Idempotency-Key`" + ` acts once: its repeat gets the first answer.`

// describeAPI makes the OpenAPI document of the routes.
func describeAPI(cfg Config, routes []Route) ([]byte, error) {
	reflector := openapi31.NewReflector()
	reflector.DefaultOptions = append(reflector.DefaultOptions, jsonschema.InterceptDefName(definitionName), closed)
	for _, small := range []any{instant{}, money{}, uuid.UUID{}} {
		reflector.InlineDefinition(small)
	}
	spec := reflector.SpecEns()
	spec.Info.WithTitle("Ampra").WithVersion(cfg.Version).WithDescription(about)
	spec.WithServers(*(&openapi31.Server{}).WithURL(cfg.PublicURL))
	cookie := plainCookie
	if strings.HasPrefix(cfg.PublicURL, "https:") {
		cookie = secureCookie
	}
	spec.SetAPIKeySecurity(sessionScheme, cookie, openapi.InCookie, "The session of a browser that signed in.")
	spec.SetHTTPBearerTokenSecurity(tokenScheme, "ampra_...", "A personal API token. One with the scope read can't change anything.")
	for _, r := range routes {
		if err := describe1(reflector, r); err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
	}
	raw, err := spec.MarshalJSON()
	if err != nil {
		return nil, err
	}
	document := jsontext.Value(raw)
	if err := document.Canonicalize(); err != nil {
		return nil, err
	}
	return document, nil
}

func describe1(reflector *openapi31.Reflector, r Route) error {
	oc, err := reflector.NewOperationContext(r.Method, r.Path)
	if err != nil {
		return err
	}
	op := r.doc()
	oc.SetID(op.id)
	oc.SetSummary(op.summary)
	oc.SetDescription(strings.TrimSpace(op.about + "\n\n" + accessOf(r)))
	oc.SetTags(r.tag)
	if r.Role != "" {
		oc.AddSecurity(sessionScheme)
		if !r.Session {
			oc.AddSecurity(tokenScheme)
		}
	}
	exposed, isExposed := oc.(openapi31.OperationExposer)
	if !isExposed {
		return fmt.Errorf("the operation %s can't be described", op.id)
	}
	describeRequest(exposed.Operation(), r, op)
	for _, a := range op.answers {
		options := []openapi.ContentOption{openapi.WithHTTPStatus(a.status), func(cu *openapi.ContentUnit) { cu.Description = a.about }}
		if a.media != "" {
			options = append(options, openapi.WithContentType(a.media))
		}
		if len(a.headers) > 0 {
			options = append(options, openapi.WithCustomize(func(cor openapi.ContentOrReference) { addHeaders(cor, a.headers) }))
		}
		oc.AddRespStructure(a.dto, options...)
	}
	for status, text := range refusals(r, op) {
		oc.AddRespStructure(ProblemDto{}, openapi.WithHTTPStatus(status), openapi.WithContentType(problemType),
			func(cu *openapi.ContentUnit) { cu.Description = text })
	}
	return reflector.AddOperation(oc)
}

func addHeaders(cor openapi.ContentOrReference, headers map[string]string) {
	response, isResponse := cor.(*openapi31.ResponseOrReference)
	if !isResponse {
		return
	}
	for name, text := range headers {
		h := (&openapi31.Header{}).WithDescription(text).WithSchema(schema{"type": "string"})
		response.Response.WithHeadersItem(name, openapi31.HeaderOrReference{Header: h})
	}
}

func accessOf(r Route) string {
	switch {
	case r.Role == "" || r.Role == actor.User && !r.Session:
		return ""
	case r.Session:
		return "Needs a session: an API token is not enough."
	default:
		return fmt.Sprintf("Needs the role %s.", r.Role)
	}
}

func describeRequest(op *openapi31.Operation, r Route, o operation) {
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, isParam := strings.CutPrefix(part, "{"); isParam {
			name = strings.TrimSuffix(name, "}")
			s := schema{"type": "string"}
			if name == "id" || strings.HasSuffix(name, "Id") {
				s["format"] = "uuid"
			}
			addParam(op, param{name: name, in: "path", schema: s}, true)
		}
	}
	for _, p := range o.params {
		addParam(op, p, false)
	}
	if r.Method == http.MethodPost && r.Role != "" {
		addParam(op, inHeader(keyHeader, "Makes a repeat get the first answer instead of acting again: 1 to 255 printable characters."), false)
	}
	if o.body != nil {
		o.rawBody = map[string]schema{"application/json": objectSchema(o.body)}
	}
	for media, s := range o.rawBody {
		op.RequestBodyEns().RequestBodyEns().WithRequired(true).WithContentItem(media, openapi31.MediaType{Schema: s})
	}
}

func addParam(op *openapi31.Operation, p param, required bool) {
	described := (&openapi31.Parameter{}).WithName(p.name).WithIn(openapi31.ParameterIn(p.in)).WithSchema(p.schema)
	if p.about != "" {
		described.WithDescription(p.about)
	}
	if required {
		described.WithRequired(true)
	}
	op.Parameters = append(op.Parameters, openapi31.ParameterOrReference{Parameter: described})
}

// objectSchema describes a request's body by the fields that read it.
func objectSchema(fields []field) schema {
	properties, required := schema{}, []string{}
	for _, f := range fields {
		s := schema{"description": f.about}
		maps.Copy(s, f.schema)
		if f.nullable {
			s["type"] = []any{s["type"], "null"}
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

// refusals adds to the statuses that a route names itself those that follow from
// what it is.
func refusals(r Route, op operation) map[int]string {
	all := map[int]string{}
	add := func(applies bool, status int, text string) {
		if applies {
			all[status] = text
		}
	}
	hasBody := op.body != nil || op.rawBody != nil
	add(len(op.params) > 0 || hasBody || r.Method == http.MethodPost && r.Role != "", 400, "Malformed, or a rule is broken; errors names the fields.")
	add(r.Role != "", 401, "No valid session or API token.")
	add(r.Scope == Write && r.handle != nil, 403, "Not allowed, or sent by a page of another origin.")
	add(strings.Contains(r.Path, "{"), 404, "Missing, or not yours.")
	add(hasBody, 413, "The body is larger than 1 MiB.")
	add(hasBody, 415, "The body is not what is expected, or has a Content-Encoding.")
	add(r.Method == http.MethodPost && r.Role != "", 409, "The first request with the Idempotency-Key is still under way.")
	add(r.Method == http.MethodPost && r.Role != "", 422, "The Idempotency-Key was used with another body.")
	maps.Copy(all, op.refusals)
	add(true, 500, "Something went wrong on the server.")
	add(true, 503, "A part is away; Retry-After says when to try again.")
	return all
}

// ProblemDto describes the body of every error.
type ProblemDto struct {
	Type      string              `json:"type" format:"uri"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail"`
	Instance  string              `json:"instance"`
	RequestID string              `json:"requestId" description:"finds the request in the server's log"`
	Message   string              `json:"message" description:"the same as detail"`
	Errors    map[string][]string `json:"errors,omitempty" description:"what is wrong, by field"`
}

// PrepareJSONSchema lets a problem have members of its own, and no errors.
func (ProblemDto) PrepareJSONSchema(s *jsonschema.Schema) error {
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == "errors" })
	s.AdditionalProperties = nil
	return nil
}

// definitionName is the type's own name, without the package's.
func definitionName(_ reflect.Type, name string) string {
	for _, prefix := range []string{"Httpapi", "Identity"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return strings.TrimSuffix(name, "Dto")
}

// closed makes every object of an answer say that it has all its properties and
// no others, that lists and maps are never null, and pointers may be.
func closed(rc *jsonschema.ReflectContext) {
	rc.EnvelopNullability = true
	jsonschema.InterceptNullability(func(p jsonschema.InterceptNullabilityParams) {
		if p.NullAdded && (p.Type.Kind() == reflect.Slice || p.Type.Kind() == reflect.Map) {
			p.Schema.RemoveType(jsonschema.Null)
		}
		if len(p.Schema.AnyOf) > 0 {
			p.Schema.Type = nil // it is said inside
		}
	})(rc)
	jsonschema.InterceptSchema(func(p jsonschema.InterceptSchemaParams) (bool, error) {
		if !p.Processed || p.Value.Kind() != reflect.Struct || len(p.Schema.Properties) == 0 {
			return false, nil
		}
		p.Schema.Required = p.Schema.Required[:0]
		for name := range p.Schema.Properties {
			p.Schema.Required = append(p.Schema.Required, name)
		}
		slices.Sort(p.Schema.Required)
		p.Schema.AdditionalProperties = (&jsonschema.SchemaOrBool{}).WithTypeBoolean(false)
		return false, nil
	})(rc)
}

func (c *call) openAPI() error {
	document, err := c.s.document()
	if err != nil {
		return fmt.Errorf("describing the API: %w", err)
	}
	c.f.Context().SetContentType("application/json")
	c.f.Set("Cache-Control", "no-cache")
	return c.f.Send(document)
}
