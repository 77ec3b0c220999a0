package mongodb

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/core/telemetry"
)

// A reading is a row: a BSON document whose fields stand in this order, absent
// ones left out. Names are short because a bucket of the server repeats each
// three times and often holds but a few readings. They are on disk: none may
// change its meaning.
//
//	timestamp, meta {source, slot}; in hot and moving: _id, see hotID
//	r         when it was received
//	p, o, i   its position in the journal: partition, offset, index (left out at 0)
//	...       its values, named as fieldNames says
//	s, ph     strings and phases: arrays of {v, a, w}
//	st        status: {c: code, t: text}
//	x         extra: names and numbers; xn: the same as an array of name, number,
//	          name, ... when a name holds what a field's name may not
const (
	receivedField  = "r"
	partitionField = "p"
	offsetField    = "o"
	indexField     = "i"
	stringsField   = "s"
	phasesField    = "ph"
	statusField    = "st"
	extraField     = "x"
	namedField     = "xn"
)

//nolint:gochecknoglobals // a table that nobody writes to
var fieldNames = [telemetry.NumFields]string{
	telemetry.SolarPowerWatts:             "sp",
	telemetry.ACPowerWatts:                "ap",
	telemetry.GridPowerWatts:              "gp",
	telemetry.LoadPowerWatts:              "lp",
	telemetry.BatteryPowerWatts:           "bp",
	telemetry.BatteryStateOfChargePercent: "bs",
	telemetry.BatteryVoltageVolts:         "bv",
	telemetry.GridVoltageVolts:            "gv",
	telemetry.GridFrequencyHertz:          "gf",
	telemetry.InverterTemperatureCelsius:  "it",
	telemetry.EnergyTodayKwh:              "ed",
	telemetry.EnergyTotalKwh:              "et",
	telemetry.LoadTotalKwh:                "lt",
	telemetry.GridImportTotalKwh:          "gi",
	telemetry.GridExportTotalKwh:          "ge",
	telemetry.BatteryChargeTotalKwh:       "bc",
	telemetry.BatteryDischargeTotalKwh:    "bd",
}

// Parts of lines and of a status.
const (
	voltsField   = "v"
	amperesField = "a"
	wattsField   = "w"
	codeField    = "c"
	textField    = "t"
)

// appendRow appends a reading as a document. It writes bytes itself because an
// insert of thousands, through the driver's encoder, costs the client several
// times as much.
func appendRow(dst []byte, r *telemetry.Placed) []byte {
	dst, at := startDocument(dst)
	dst = appendIdentity(dst, r.SourceID, r.Timestamp.UnixMilli())
	return endDocument(appendMeasured(dst, r), at)
}

// appendIdentity appends the time and the meta field.
func appendIdentity(dst []byte, source uuid.UUID, ms int64) []byte {
	dst = appendTime(dst, timeField, ms)
	dst, meta := startDocument(appendHeader(dst, bson.TypeEmbeddedDocument, metaField))
	dst = append(appendBinary(dst, "source", bson.TypeBinaryUUID, len(source)), source[:]...)
	dst = appendTime(dst, "slot", slotOf(ms))
	return endDocument(dst, meta)
}

// appendMeasured appends all fields after the identity.
func appendMeasured(dst []byte, r *telemetry.Placed) []byte {
	dst = appendTime(dst, receivedField, r.ReceivedAt.UnixMilli())
	dst = appendHeader(dst, bson.TypeInt32, partitionField)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Position.Partition)) //nolint:gosec // two's complement is BSON's
	dst = appendInt64(dst, offsetField, r.Position.Offset)
	if r.Position.Index != 0 {
		dst = appendHeader(dst, bson.TypeInt32, indexField)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Position.Index)) //nolint:gosec // as above
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if number, ok := r.Values.Get(f); ok {
			dst = appendDouble(dst, fieldNames[f], number)
		}
	}
	dst = appendLines(dst, stringsField, r.Strings)
	dst = appendLines(dst, phasesField, r.Phases)
	if r.Status != nil {
		dst = appendStatus(dst, r.Status)
	}
	if len(r.Extra) > 0 {
		dst = appendExtra(dst, r.Extra)
	}
	return dst
}

func appendLines(dst []byte, name string, lines []telemetry.Line) []byte {
	if len(lines) == 0 {
		return dst
	}
	dst, at := startDocument(appendHeader(dst, bson.TypeArray, name))
	for i, line := range lines {
		var one int
		dst, one = startDocument(appendIndex(dst, bson.TypeEmbeddedDocument, i))
		for _, part := range [...]struct {
			name   string
			number *float64
		}{{voltsField, line.VoltageVolts}, {amperesField, line.CurrentAmperes}, {wattsField, line.PowerWatts}} {
			if part.number != nil {
				dst = appendDouble(dst, part.name, *part.number)
			}
		}
		dst = endDocument(dst, one)
	}
	return endDocument(dst, at)
}

func appendStatus(dst []byte, s *telemetry.Status) []byte {
	dst, at := startDocument(appendHeader(dst, bson.TypeEmbeddedDocument, statusField))
	if s.Code != nil {
		dst = appendInt64(dst, codeField, *s.Code)
	}
	if s.Text != nil {
		dst = appendText(appendHeader(dst, bson.TypeString, textField), *s.Text)
	}
	return endDocument(dst, at)
}

func appendExtra(dst []byte, extra map[string]float64) []byte {
	for name := range extra {
		if !fitsFieldName(name) {
			return appendNamed(dst, extra)
		}
	}
	dst, at := startDocument(appendHeader(dst, bson.TypeEmbeddedDocument, extraField))
	for name, number := range extra {
		dst = appendDouble(dst, name, number)
	}
	return endDocument(dst, at)
}

// fitsFieldName reports whether a name can be a field's in every version of the
// server.
func fitsFieldName(name string) bool {
	return name != "" && name[0] != '$' && !strings.ContainsAny(name, ".\x00")
}

func appendNamed(dst []byte, extra map[string]float64) []byte {
	dst, at := startDocument(appendHeader(dst, bson.TypeArray, namedField))
	i := 0
	for name, number := range extra {
		dst = appendText(appendIndex(dst, bson.TypeString, i), name)
		dst = binary.LittleEndian.AppendUint64(appendIndex(dst, bson.TypeDouble, i+1), math.Float64bits(number))
		i += 2
	}
	return endDocument(dst, at)
}

// startDocument reserves the length of a document that begins here.
func startDocument(dst []byte) ([]byte, int) { return append(dst, 0, 0, 0, 0), len(dst) }

// endDocument ends the document that began at start.
func endDocument(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start)) //nolint:gosec // a document's size is bounded
	return dst
}

func appendHeader(dst []byte, kind bson.Type, name string) []byte {
	dst = append(dst, byte(kind))
	dst = append(dst, name...)
	return append(dst, 0)
}

// appendIndex is the header of an array's element.
func appendIndex(dst []byte, kind bson.Type, i int) []byte {
	dst = append(dst, byte(kind))
	dst = strconv.AppendInt(dst, int64(i), 10)
	return append(dst, 0)
}

// appendBinary is the header of so many bytes.
func appendBinary(dst []byte, name string, subtype byte, length int) []byte {
	dst = binary.LittleEndian.AppendUint32(appendHeader(dst, bson.TypeBinary, name), uint32(length)) //nolint:gosec // as above
	return append(dst, subtype)
}

func appendTime(dst []byte, name string, ms int64) []byte {
	return binary.LittleEndian.AppendUint64(appendHeader(dst, bson.TypeDateTime, name), uint64(ms)) //nolint:gosec // two's complement is BSON's
}

func appendInt64(dst []byte, name string, number int64) []byte {
	return binary.LittleEndian.AppendUint64(appendHeader(dst, bson.TypeInt64, name), uint64(number)) //nolint:gosec // as above
}

func appendDouble(dst []byte, name string, number float64) []byte {
	return binary.LittleEndian.AppendUint64(appendHeader(dst, bson.TypeDouble, name), math.Float64bits(number))
}

func appendText(dst []byte, text string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)+1)) //nolint:gosec // as above
	dst = append(dst, text...)
	return append(dst, 0)
}
