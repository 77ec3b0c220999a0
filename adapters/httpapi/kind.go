package httpapi

import (
	"bytes"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/actor"
	"ampra/core/identity"
	"ampra/core/sunsource"
)

// schema is a JSON Schema.
type schema = map[string]any

// kind is a kind of value in a request's body. read gets anything but null and
// says what is wrong with it, or "".
type kind[T any] struct {
	schema schema
	read   func(raw jsontext.Value) (value T, problem string)
}

// with adds to a kind's description, for the document.
func (k kind[T]) with(more schema) kind[T] {
	merged := schema{}
	for _, part := range []schema{k.schema, more} {
		maps.Copy(merged, part)
	}
	k.schema = merged
	return k
}

// length describes the bounds of a text that the domain checks.
func (k kind[T]) length(low, high int) kind[T] {
	return k.with(schema{"minLength": low, "maxLength": high})
}

// between describes the bounds of a number that the domain checks.
func (k kind[T]) between(low, high float64) kind[T] {
	return k.with(schema{"minimum": low, "maximum": high})
}

// like shows an example.
func (k kind[T]) like(example any) kind[T] { return k.with(schema{"examples": []any{example}}) }

func text() kind[string] {
	return kind[string]{schema{"type": "string"}, readText}
}

func readText(raw jsontext.Value) (string, string) {
	if raw.Kind() != '"' {
		return "", "must be a string"
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", "must be a string of valid UTF-8"
	}
	if strings.IndexByte(string(b), 0) >= 0 { // no store keeps it
		return "", "must not contain the character U+0000"
	}
	return string(b), ""
}

// textAs is a text that becomes a type of the domain, which also checks it.
func textAs[T ~string](values ...T) kind[T] {
	described := schema{"type": "string", "enum": values}
	return kind[T]{described, func(raw jsontext.Value) (T, string) {
		value, problem := readText(raw)
		return T(value), problem
	}}
}

func connectionType() kind[sunsource.ConnectionType] {
	return textAs(sunsource.MQTT, sunsource.Webhook)
}

func role() kind[actor.Role] { return textAs(actor.User, actor.Admin, actor.Overseer) }

func boolean() kind[bool] {
	return kind[bool]{schema{"type": "boolean"}, func(raw jsontext.Value) (bool, string) {
		switch raw.Kind() {
		case 't':
			return true, ""
		case 'f':
			return false, ""
		default:
			return false, "must be true or false"
		}
	}}
}

func number() kind[float64] {
	return kind[float64]{schema{"type": "number", "format": "double"}, func(raw jsontext.Value) (float64, string) {
		if raw.Kind() != '0' {
			return 0, "must be a number"
		}
		value, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.IsInf(value, 0) {
			return 0, "is too large for a number"
		}
		return value + 0, "" // there is no negative zero
	}}
}

// maxDigits bounds how long the text of an amount may be: what is longer is far
// from any amount, and dear to compute with.
const maxDigits = 64

// amount is an exact decimal, written as a JSON number.
func amount() kind[decimal.Decimal] {
	return kind[decimal.Decimal]{schema{"type": "number"}, func(raw jsontext.Value) (decimal.Decimal, string) {
		if raw.Kind() != '0' {
			return decimal.Decimal{}, "must be a number"
		}
		if len(raw) > maxDigits {
			return decimal.Decimal{}, sunsource.MoneyRule
		}
		value, err := decimal.NewFromString(string(raw))
		switch {
		case err != nil:
			return decimal.Decimal{}, sunsource.MoneyRule
		case value.IsZero():
			return decimal.Zero, "" // whatever its exponent
		default:
			return value, ""
		}
	}}
}

func id() kind[uuid.UUID] {
	return kind[uuid.UUID]{schema{"type": "string", "format": "uuid"}, func(raw jsontext.Value) (uuid.UUID, string) {
		value, problem := readText(raw)
		if problem != "" {
			return uuid.Nil, problem
		}
		parsed, ok := parseID(value)
		if !ok {
			return uuid.Nil, mustBeID
		}
		return parsed, ""
	}}
}

const (
	mustBeID   = "must be a UUID such as 7c9e6679-7425-40de-944b-e07fc1f90ae7"
	mustBeTime = "must be an RFC 3339 time such as 2024-06-01T00:00:00Z"
)

// parseID reads the one form in which ids are written: 36 characters.
func parseID(text string) (uuid.UUID, bool) {
	if len(text) != 36 {
		return uuid.Nil, false
	}
	parsed, err := uuid.Parse(text)
	return parsed, err == nil
}

func moment() kind[time.Time] {
	return kind[time.Time]{schema{"type": "string", "format": "date-time"}, func(raw jsontext.Value) (time.Time, string) {
		value, problem := readText(raw)
		if problem != "" {
			return time.Time{}, problem
		}
		parsed, ok := parseTime(value)
		if !ok {
			return time.Time{}, mustBeTime
		}
		return parsed, ""
	}}
}

// parseTime reads RFC 3339 to the letter, with any offset, to the microsecond
// that every store keeps.
func parseTime(text string) (time.Time, bool) {
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, false
	}
	return t.UTC().Truncate(time.Microsecond), true
}

func scopes() kind[[]identity.Scope] {
	described := schema{
		"type": "array", "minItems": 1, "uniqueItems": true,
		"items": schema{"type": "string", "enum": []identity.Scope{identity.Read, identity.Write}},
	}
	return kind[[]identity.Scope]{described, func(raw jsontext.Value) ([]identity.Scope, string) {
		texts, ok := readTexts(raw)
		if !ok {
			return nil, `must be a list of "read" and "write", each once`
		}
		list := make([]identity.Scope, len(texts))
		for i, t := range texts {
			list[i] = identity.Scope(t)
		}
		return list, ""
	}}
}

// maxTexts is far more than any list of texts in a request may have.
const maxTexts = 16

// readTexts reads a JSON array of a few strings.
func readTexts(raw jsontext.Value) ([]string, bool) {
	if raw.Kind() != '[' {
		return nil, false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, false
	}
	var texts []string
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil || len(texts) == maxTexts {
			return nil, false
		}
		text, problem := readText(value)
		if problem != "" {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}
