package mqttbroker

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// keeper is a journal that keeps what it is given as it is.
type keeper struct{ entries []telemetry.Entry }

func (k *keeper) Append(_ context.Context, entry telemetry.Entry, done telemetry.Done) error {
	k.entries = append(k.entries, entry)
	done(nil, nil)
	return nil
}

// A session's buffer serves its next packet as soon as Submit returns: nothing
// that ingest keeps may point into it.
func TestNothingOfAPayloadIsKeptBySubmit(t *testing.T) {
	t.Parallel()
	full := `{"timestamp":"2026-05-01T10:00:00Z","acPowerWatts":5,"status":{"code":1,"text":"all is well"},` +
		`"strings":[{"voltageVolts":1}],"phases":[{"powerWatts":2}],"extra":{"a name":1},"another name":2,"esc\u0061ped":3}`
	cases := map[string]struct{ name, payload string }{
		"a reading":           {payload: full},
		"a list":              {payload: "[" + full + `,{"status":"text","x":1},{"acPowerWatts":"?"},7]`},
		"what can't be read":  {payload: `{"acPowerWatts":"five","status":1.5}`},
		"malformed":           {payload: `{"acPowerWatts":`},
		"a scalar":            {name: "acPowerWatts", payload: "5"},
		"an unknown scalar":   {name: "fan", payload: "5"},
		"a status as text":    {name: "status", payload: "all is well"},
		"a status in quotes":  {name: "status", payload: `"all \u0069s well"`},
		"a scalar that fails": {name: "acPowerWatts", payload: "much"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journal, letters := &keeper{}, &fake.DeadLetters{}
			service := ingest.New(ingest.Deps{
				Journal: journal, DeadLetters: letters, Random: rand.Reader,
				Clock: fake.NewClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)), Limits: nil, Queue: nil, Owners: nil, Gather: nil,
				Sites: nil, Notes: nil,
			})
			buffer := []byte(c.payload)
			var receipt ingest.Receipt
			var failure error
			err := service.Submit(t.Context(), ingest.Delivery{SourceID: uuid.New(), Payload: buffer, Name: c.name}, func(r ingest.Receipt, err error) {
				receipt, failure = r, err
			})
			if err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(describe(journal.entries), describe(receipt), failure)
			copy(buffer, bytes.Repeat([]byte("#"), len(buffer)))
			if after := fmt.Sprint(describe(journal.entries), describe(receipt), failure); after != before {
				t.Errorf("it was\n%s\nand became\n%s", before, after)
			}
			if len(journal.entries) == 0 && failure == nil {
				t.Error("nothing came of it")
			}
		})
	}
}

// describe prints a value with all that it points to.
func describe(v any) string { return describeValue(reflect.ValueOf(v)) }

func describeValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
		return describeValue(v.Elem())
	case reflect.Struct:
		text := "{"
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				text += v.Type().Field(i).Name + ":" + describeValue(v.Field(i)) + " "
			}
		}
		if at, ok := reflect.TypeAssert[time.Time](v); ok {
			text += at.String()
		}
		return text + "}"
	case reflect.Slice, reflect.Array:
		text := "["
		for i := range v.Len() {
			text += describeValue(v.Index(i)) + " "
		}
		return text + "]"
	default:
		return fmt.Sprintf("%v", v.Interface())
	}
}

// A session whose packets use one buffer hands each payload over whole, also
// while echoes of the former ones wait.
func TestTheBufferOfASessionIsNotSharedWithWhatWaits(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		d.subscribeOwn()
		h.ingest.set(func(f *fakeIngest) { f.hold = true })
		for i := range 10 {
			d.publish(1, uint16(i+1), fmt.Sprintf("payload %d", i))
		}
		h.ingest.await(t, 10)
		for i := range 10 {
			h.ingest.release(nil, i)
		}
		heard, _ := d.sort(10, 10)
		for i, got := range heard {
			if got != fmt.Sprintf("payload %d", i) || h.ingest.payloads()[i] != got {
				t.Errorf("payload %d came back as %q", i, got)
			}
		}
	})
}
