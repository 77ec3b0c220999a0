package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ampra/core/fault"
	"ampra/core/patch"
)

// field is one name that a request's body may have: how it is read, and how it
// is described. The same list does both, so that they can't part.
type field struct {
	name, about string
	required    bool
	nullable    bool
	schema      schema
	// read takes over the value and says what is wrong with it, or "".
	read func(raw jsontext.Value) (problem string)
}

const notNull = "must not be null"

// need is a field that must be there.
func need[T any](name string, to *T, k kind[T], about string) field {
	return field{name: name, about: about, required: true, schema: k.schema, read: take(to, k)}
}

// may is a field that may be absent, but not null.
func may[T any](name string, to *T, k kind[T], about string) field {
	return field{name: name, about: about, schema: k.schema, read: take(to, k)}
}

func take[T any](to *T, k kind[T]) func(jsontext.Value) string {
	return func(raw jsontext.Value) string {
		if raw.Kind() == 'n' {
			return notNull
		}
		value, problem := k.read(raw)
		if problem == "" {
			*to = value
		}
		return problem
	}
}

// opt is a field that may be absent or null, which mean the same.
func opt[T any](name string, to **T, k kind[T], about string) field {
	return field{name: name, about: about, nullable: true, schema: k.schema, read: func(raw jsontext.Value) string {
		if raw.Kind() == 'n' {
			return ""
		}
		value, problem := k.read(raw)
		if problem == "" {
			*to = &value
		}
		return problem
	}}
}

// change is a field of an update: absent, null or set. Whether null is allowed
// is the domain's to say; nullable only describes it.
func change[T any](name string, to *patch.Field[T], k kind[T], nullable bool, about string) field {
	return field{name: name, about: about, nullable: nullable, schema: k.schema, read: func(raw jsontext.Value) string {
		if raw.Kind() == 'n' {
			*to = patch.Null[T]()
			return ""
		}
		value, problem := k.read(raw)
		if problem == "" {
			*to = patch.Set(value)
		}
		return problem
	}}
}

// Bounds of what an answer says about a body that is wrong all over.
const (
	maxNoted     = 50
	maxNotedName = 64
)

// serverOwned are names that answers have and requests must not.
func serverOwned(name string) bool {
	switch name {
	case "id", "createdAt", "updatedAt", "powerGroupName", "connectionDetails", "sunSourceCount", "token", "lastUsedAt",
		"mqttBrokerHost", "mqttBrokerPort", "mqttClientId", "mqttApiKey", "mqttTopic", "webhookUrl", "ownerId", "userId":
		return true
	}
	return false
}

// body reads the request's body, which must be a JSON object of these fields.
// What is wrong with single fields is noted in c.wrong, for the use case to name
// together with what breaks a rule. The error says that there is no such object
// at all.
func (c *call) body(fields ...field) error {
	if err := c.expectJSON(); err != nil {
		return err
	}
	return readObject(c.f.BodyRaw(), fields, &c.wrong)
}

func (c *call) expectJSON() error {
	if encoding := c.f.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.New(fault.Unsupported, "A request body must not have a Content-Encoding.")
	}
	media, params, err := mime.ParseMediaType(c.f.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || media != "application/json" || named && !strings.EqualFold(charset, "utf-8") {
		return fault.New(fault.Unsupported, "The body must be JSON in UTF-8: send Content-Type: application/json.")
	}
	return nil
}

// readObject reads data as one JSON object of the fields.
func readObject(data []byte, fields []field, wrong *fault.Fields) error {
	// Duplicates are found here, so that they are named like every other fault.
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	if dec.PeekKind() != '{' {
		if err := skipAll(dec); err != nil {
			return malformed(err)
		}
		return fault.New(fault.Invalid, "The body must be a JSON object.")
	}
	if _, err := dec.ReadToken(); err != nil {
		return malformed(err)
	}
	seen, noted := map[string]bool{}, 0
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return malformed(err)
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return malformed(err)
		}
		if problem := readField(fields, name, value, seen[name]); problem != "" && noted < maxNoted {
			wrong.Add(shortened(name), problem)
			noted++
		}
		seen[name] = true
	}
	if _, err := dec.ReadToken(); err != nil { // the closing brace
		return malformed(err)
	}
	if err := skipAll(dec); err != nil {
		return malformed(err)
	}
	for _, f := range fields {
		wrong.Check(!f.required || seen[f.name], f.name, "is required")
	}
	return nil
}

func readField(fields []field, name string, value jsontext.Value, again bool) string {
	for _, f := range fields {
		switch {
		case f.name != name:
		case again:
			return "stands in the body more than once"
		default:
			return f.read(value)
		}
	}
	if serverOwned(name) {
		return "is set by the server and must not be sent"
	}
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return fmt.Sprintf("is not a field of this request; did you mean %s?", f.name)
		}
	}
	return "is not a field of this request"
}

// skipAll reads to the end of the input, which must hold at most one more value.
func skipAll(dec *jsontext.Decoder) error {
	for {
		if err := dec.SkipValue(); errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func malformed(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fault.New(fault.Invalid, "The body is not valid JSON: at byte %d: %v.", syntax.ByteOffset, syntax.Err)
	}
	return fault.New(fault.Invalid, "The body is not valid JSON: it is empty or ends too early.")
}

// shortened bounds a name of the sender's that goes back in the answer.
func shortened(name string) string {
	if utf8.RuneCountInString(name) <= maxNotedName {
		return name
	}
	return string([]rune(name)[:maxNotedName]) + "…"
}
