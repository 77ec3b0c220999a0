package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// MQTT 5's reason codes.
const (
	notAuthorized        = 0x87
	badCredentials       = 0x86
	administrativeAction = 0x98
	payloadInvalid       = 0x99
)

// badInput is a payload that no device should send. What can be taken of it is
// taken, and the sender is told of the rest.
type badInput struct {
	name, payload string
	// taken says whether a reading comes of it.
	taken bool
	// told are words of the webhook's answer.
	told []string
}

func badInputs() []badInput {
	long := strings.Repeat("x", 64<<10)
	return []badInput{
		{"JSON that breaks off", `{"acPowerWatts": 5`, false, []string{"byte"}},
		{"JSON with a comma too many", `{"acPowerWatts": 5,}`, false, []string{"byte 19"}},
		{"no JSON", `acPowerWatts=5`, false, []string{"byte 0"}},
		{"NaN", `{"acPowerWatts": NaN}`, false, []string{"byte 17"}},
		{"Infinity", `{"acPowerWatts": Infinity}`, false, []string{"byte 17"}},
		{"minus Infinity", `{"acPowerWatts": -Infinity}`, false, []string{"byte"}},
		{"a number beyond all floats", `{"acPowerWatts": 1e400}`, false, []string{"acPowerWatts"}},
		{"such a number beside a good one", `{"acPowerWatts": 1e400, "gridPowerWatts": 5}`, true, []string{`"field":"acPowerWatts"`}},
		{"a number of a thousand digits", `{"acPowerWatts": 1` + strings.Repeat("0", 1000) + `, "gridPowerWatts": 5}`, true, []string{`"field":"acPowerWatts"`}},
		{"an object for a number", `{"acPowerWatts": {"value": 5}, "gridPowerWatts": 5}`, true, []string{`"field":"acPowerWatts"`}},
		{"a list for a number", `{"acPowerWatts": [5], "gridPowerWatts": 5}`, true, []string{`"field":"acPowerWatts"`}},
		{"a word for a number", `{"acPowerWatts": "much"}`, false, []string{"acPowerWatts"}},
		{"a number for a list", `{"strings": 5, "gridPowerWatts": 5}`, true, []string{`"field":"strings"`}},
		{"a charge of 150 %", `{"batteryStateOfChargePercent": 150, "gridPowerWatts": 5}`, true, []string{`"field":"batteryStateOfChargePercent"`}},
		{"a time of 1970", `{"timestamp": "1970-01-01T00:00:00Z", "acPowerWatts": 5}`, false, []string{"2000-01-01T00:00:00Z until "}},
		{"a time of 2100", `{"timestamp": "2100-01-01T00:00:00Z", "acPowerWatts": 5}`, false, []string{"2000-01-01T00:00:00Z until "}},
		{"a unix time of 1970", `{"ts": 0, "acPowerWatts": 5}`, false, []string{"2000-01-01T00:00:00Z until "}},
		{"a time that is none", `{"time": "yesterday", "acPowerWatts": 5}`, false, []string{"RFC 3339"}},
		{"64 KB of status", `{"status": {"text": "` + long + `"}, "acPowerWatts": 5}`, true, []string{`"field":"status.text"`}},
		{"64 KB in an unknown field", `{"note": "` + long + `", "acPowerWatts": 5}`, true, []string{`"warnings":[]`}},
		{"64 KB for a name", `{"` + long + `": 1, "acPowerWatts": 5}`, true, []string{`"warnings":[]`}},
		{"64 KB and nothing else", `{"note": "` + long + `"}`, false, nil},
		{"bytes that are no UTF-8", "{\"status\": {\"text\": \"\xff\xfe\"}, \"acPowerWatts\": 5}", false, []string{"byte 21", "UTF-8"}},
		{"such bytes for a name", "{\"\xff\xfe\": 1, \"acPowerWatts\": 5}", false, []string{"byte 2", "UTF-8"}},
		{"such bytes alone", "\xff\xfe\x00", false, []string{"byte 0"}},
		{"zeros", "\x00\x00\x00\x00", false, []string{"byte 0"}},
		{"nothing", ``, false, nil},
		{"null", `null`, false, []string{"null"}},
		{"an empty list", `[]`, false, []string{"empty"}},
		{"an empty object", `{}`, false, nil},
		{"brackets without end", strings.Repeat("[", 100_000), false, []string{"byte"}},
		{"deep brackets in a field", `{"deep": ` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `, "acPowerWatts": 5}`, false, []string{"byte"}},
		{"an unknown number", `{"foo": 7}`, true, []string{`"warnings":[]`}},
		{"unknown fields of all kinds", `{"a": null, "b": true, "c": "d", "e": {"f": 1}, "g": [1], "acPowerWatts": 5}`, true, []string{`"warnings":[]`}},
	}
}

func TestBadInputIsRefusedOrKeptInPartAndHarmsNothing(t *testing.T) {
	onBoth(t, oneProcess, func(t *testing.T, open opener) {
		s := open(t).startAll().api()
		u := firstUser(t, s)
		t.Run("by webhook", func(t *testing.T) { badByWebhook(t, u.add("Webhook", "Bad"), u.in(t)) })
		t.Run("by MQTT", func(t *testing.T) { badByMQTT(t, u.add("MQTT", "Bad"), u.in(t)) })
		t.Run("too much at once", func(t *testing.T) { tooMuch(t, u.add("Webhook", "Much"), u.in(t)) })
		t.Run("to another's topic", func(t *testing.T) { othersTopic(t, u.add("MQTT", "One"), u.add("MQTT", "Other"), u.in(t)) })
		if err := s.ready(); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

func badByWebhook(t *testing.T, s source, u *user) {
	taken, now := 0, time.Now()
	for i, bad := range badInputs() {
		// Each signed time is another, so that readings without a time stay apart.
		a := post(t, s, *s.Details.Secret, bad.payload, standardAt(now.Add(time.Duration(-i)*time.Second)))
		want := http.StatusBadRequest
		if bad.taken {
			want = http.StatusAccepted
			taken++
		}
		if a.status != want {
			t.Errorf("%s: status %d, want %d: %.300s", bad.name, a.status, want, a.body)
		}
		if len(a.body) > 4096 {
			t.Errorf("%s: the answer has %d bytes", bad.name, len(a.body))
		}
		for _, told := range bad.told {
			if !strings.Contains(a.body, told) {
				t.Errorf("%s: the answer lacks %q: %.500s", bad.name, told, a.body)
			}
		}
	}
	for _, r := range u.finds(s, taken) {
		if r["timestamp"] == nil {
			t.Errorf("a reading without a time: %v", r)
		}
	}
}

func badByMQTT(t *testing.T, s source, u *user) {
	d := connect5(t, dial(t, u.server.mqtt), s.signIn())
	taken := 0
	for _, bad := range badInputs() {
		payload := bad.payload
		want := byte(payloadInvalid)
		if bad.taken {
			// A time of its own, so that readings stay apart.
			at := time.Now().Add(-time.Hour).Add(time.Duration(taken) * time.Second).UnixMilli()
			payload = fmt.Sprintf(`{"ts": %d, `, at) + payload[1:]
			want = 0
			taken++
		}
		if code, err := d.publish(*s.Details.Topic, payload); err != nil || code != want {
			t.Fatalf("%s: code 0x%02x, %v, want 0x%02x", bad.name, code, err, want)
		}
	}
	d.send(*s.Details.Topic, `{"acPowerWatts": 5}`)
	u.finds(s, taken+1)
}

// tooMuch tries the bounds of one delivery.
func tooMuch(t *testing.T, s source, u *user) {
	list := func(n int) string {
		var b strings.Builder
		first := time.Now().Add(-24 * time.Hour).UnixMilli()
		for i := range n {
			fmt.Fprintf(&b, `,{"ts": %d, "acPowerWatts": %d}`, first+int64(i), i)
		}
		return "[" + b.String()[1:] + "]"
	}
	if a := post(t, s, *s.Details.Secret, list(10_001), plain); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "10000") {
		t.Errorf("10,001 readings: status %d, want 413 and the bound: %.300s", a.status, a.body)
	}
	padded := `{"acPowerWatts": 5, "note": "` + strings.Repeat("x", 1<<20) + `"}`
	if a := post(t, s, *s.Details.Secret, padded, plain); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than 1 MiB: status %d, want 413: %.300s", a.status, a.body)
	}
	if a := post(t, s, *s.Details.Secret, list(10_000), plain); a.status != http.StatusAccepted || !strings.Contains(a.body, `"accepted":10000`) {
		t.Errorf("10,000 readings: status %d, want 202 and all accepted: %.300s", a.status, a.body)
	}
	for i, r := range u.finds(s, 10_000) {
		if r["acPowerWatts"] != float64(i) {
			t.Fatalf("reading %d has acPowerWatts %v", i, r["acPowerWatts"])
		}
	}
}

// othersTopic publishes to the topic of another source, in all the ways.
func othersTopic(t *testing.T, one, other source, u *user) {
	const payload = `{"acPowerWatts": 5}`
	d := connect5(t, dial(t, u.server.mqtt), one.signIn())
	if code, err := d.publish(*other.Details.Topic, payload); err != nil || code != notAuthorized {
		t.Errorf("MQTT 5, QoS 1: code 0x%02x, %v, want 0x87", code, err)
	}
	if code, err := d.publish(*one.Details.Topic, payload); err != nil || code != 0 {
		t.Errorf("the device's own topic after that: code 0x%02x, %v", code, err)
	}
	if _, err := d.client.Publish(t.Context(), &paho.Publish{QoS: 0, Topic: *other.Details.Topic, Payload: []byte(payload)}); err != nil {
		t.Errorf("MQTT 5, QoS 0: %v", err)
	}
	if code, err := d.cutOff(patience); err != nil || code != notAuthorized {
		t.Errorf("MQTT 5, QoS 0: cut off with 0x%02x, %v, want 0x87", code, err)
	}
	three, _ := connect3(t, dial(t, u.server.mqtt), one.signIn())
	if err := three.publish(*other.Details.Topic, payload); err == nil {
		t.Error("MQTT 3.1.1: acknowledged, want the connection closed")
	}
	u.finds(one, 1)
	u.finds(other, 0)
}
