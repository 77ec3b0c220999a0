package httpapi

import (
	"bytes"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"
	"github.com/swaggest/jsonschema-go"
)

// instant is a time as answers have it: RFC 3339 in UTC with Z, with as many
// digits of a second as it needs, in groups of three.
type instant time.Time

// at makes an instant of a time that may be missing.
func at(t *time.Time) *instant {
	if t == nil {
		return nil
	}
	i := instant(*t)
	return &i
}

// MarshalJSONTo writes the time.
func (i instant) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(formatTime(time.Time(i))))
}

// JSONSchema describes it.
func (instant) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.WithType(jsonschema.String.Type()).WithFormat("date-time")
	return s, nil
}

func formatTime(t time.Time) string {
	layout := "2006-01-02T15:04:05.000000Z"
	switch ns := t.Nanosecond(); {
	case ns < int(time.Microsecond):
		layout = "2006-01-02T15:04:05Z"
	case ns%int(time.Millisecond) < int(time.Microsecond):
		layout = "2006-01-02T15:04:05.000Z"
	}
	return t.UTC().Format(layout)
}

// money is an exact decimal, written as a JSON number.
type money decimal.Decimal

// cash makes money of an amount that may be missing.
func cash(d *decimal.Decimal) *money {
	if d == nil {
		return nil
	}
	m := money(*d)
	return &m
}

// MarshalJSONTo writes the number, never by way of a float.
func (m money) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteValue(jsontext.Value(decimal.Decimal(m).String()))
}

// kwh is an energy in milliwatt-hours, shown in kilowatt-hours.
type kwh int64

// MarshalJSONTo writes the number as it is, never by way of a float.
func (k kwh) MarshalJSONTo(enc *jsontext.Encoder) error {
	const one, digits = 1_000_000, 6
	var buffer [32]byte
	text := buffer[:0]
	if k < 0 {
		text, k = append(text, '-'), -k
	}
	text = strconv.AppendInt(text, int64(k/one), 10)
	if rest := int64(k % one); rest != 0 {
		point := len(text)
		text = strconv.AppendInt(text, one+rest, 10) // the 1 in front keeps the zeros
		text[point] = '.'
		text = bytes.TrimRight(text[:point+1+digits], "0")
	}
	return enc.WriteValue(text)
}

// JSONSchema describes it.
func (kwh) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.WithType(jsonschema.Number.Type())
	return s, nil
}

// JSONSchema describes it.
func (money) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.WithType(jsonschema.Number.Type())
	return s, nil
}
