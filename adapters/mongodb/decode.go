package mongodb

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"ampra/core/telemetry"
)

var errRow = errors.New("a stored row is malformed")

// decodeRow reads what appendRow or appendHotRow wrote. It copies what it keeps. Fields that it
// does not know are passed over: a newer version may have written them.
func decodeRow(row bson.Raw, source uuid.UUID) (telemetry.Placed, error) {
	r := telemetry.Placed{Reading: telemetry.Reading{SourceID: source}}
	timed := false
	_, rest, ok := bsoncore.ReadLength(row)
	for ok && len(rest) > 1 { // the last byte ends the document
		var element bsoncore.Element
		if element, rest, ok = bsoncore.ReadElement(rest); !ok {
			break
		}
		name, read := element.Key(), element.Value()
		value := bson.RawValue{Type: bson.Type(read.Type), Value: read.Data}
		switch name {
		case idField:
			ok = true // the series has one of the server's own
			if id, hot := hotIDOf(value); hot {
				r.Timestamp, timed = time.UnixMilli(id.ms()).UTC(), true
			}
		case timeField:
			r.Timestamp, ok = moment(value)
			timed = ok
		case receivedField:
			r.ReceivedAt, ok = moment(value)
		case partitionField:
			r.Position.Partition, ok = value.Int32OK()
		case offsetField:
			r.Position.Offset, ok = value.Int64OK()
		case indexField:
			r.Position.Index, ok = value.Int32OK()
		case stringsField:
			r.Strings, ok = lines(value)
		case phasesField:
			r.Phases, ok = lines(value)
		case statusField:
			r.Status, ok = status(value)
		case extraField:
			r.Extra, ok = extra(value)
		case namedField:
			r.Extra, ok = named(value)
		default:
			ok = setValue(&r.Values, name, value)
		}
		if !ok {
			return r, fmt.Errorf("%w: field %q", errRow, name)
		}
	}
	if !ok {
		return r, fmt.Errorf("%w: it ends too early", errRow)
	}
	if !timed {
		return r, fmt.Errorf("%w: no time", errRow)
	}
	return r, nil
}

func setValue(values *telemetry.Values, name string, value bson.RawValue) bool {
	for f := range fieldNames {
		if fieldNames[f] == name {
			number, ok := value.DoubleOK()
			values.Set(telemetry.Field(f), number)
			return ok
		}
	}
	return true
}

func moment(value bson.RawValue) (time.Time, bool) {
	ms, ok := value.DateTimeOK()
	return time.UnixMilli(ms).UTC(), ok
}

func lines(value bson.RawValue) ([]telemetry.Line, bool) {
	array, ok := value.ArrayOK()
	if !ok {
		return nil, false
	}
	values, err := array.Values()
	if err != nil {
		return nil, false
	}
	found := make([]telemetry.Line, len(values))
	for i, value := range values {
		parts, ok := doubles(value)
		if !ok {
			return nil, false
		}
		for name, part := range map[string]**float64{
			voltsField: &found[i].VoltageVolts, amperesField: &found[i].CurrentAmperes, wattsField: &found[i].PowerWatts,
		} {
			if number, known := parts[name]; known {
				*part = &number
			}
		}
	}
	return found, true
}

// doubles reads a document of numbers.
func doubles(value bson.RawValue) (map[string]float64, bool) {
	document, ok := value.DocumentOK()
	if !ok {
		return nil, false
	}
	elements, err := document.Elements()
	if err != nil {
		return nil, false
	}
	found := make(map[string]float64, len(elements))
	for _, element := range elements {
		if found[element.Key()], ok = element.Value().DoubleOK(); !ok {
			return nil, false
		}
	}
	return found, true
}

func extra(value bson.RawValue) (map[string]float64, bool) { return doubles(value) }

func named(value bson.RawValue) (map[string]float64, bool) {
	array, ok := value.ArrayOK()
	if !ok {
		return nil, false
	}
	values, err := array.Values()
	if err != nil || len(values)%2 != 0 {
		return nil, false
	}
	found := make(map[string]float64, len(values)/2)
	for i := 0; i < len(values); i += 2 {
		name, isText := values[i].StringValueOK()
		number, isNumber := values[i+1].DoubleOK()
		if !isText || !isNumber {
			return nil, false
		}
		found[name] = number
	}
	return found, true
}

func status(value bson.RawValue) (*telemetry.Status, bool) {
	document, ok := value.DocumentOK()
	if !ok {
		return nil, false
	}
	elements, err := document.Elements()
	if err != nil {
		return nil, false
	}
	var found telemetry.Status
	for _, element := range elements {
		switch element.Key() {
		case codeField:
			code, ok := element.Value().Int64OK()
			if !ok {
				return nil, false
			}
			found.Code = &code
		case textField:
			text, ok := element.Value().StringValueOK()
			if !ok {
				return nil, false
			}
			found.Text = &text
		}
	}
	return &found, true
}
