package restapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// signPlain is the value of X-Webhook-Signature.
func signPlain(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// signStandard are the headers of Standard Webhooks.
func signStandard(secret, body string, at time.Time) []with {
	stamp := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("msg_1." + stamp + "." + body))
	return []with{
		{"webhook-id", "msg_1"}, {"webhook-timestamp", stamp}, {"webhook-signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// device is a webhook source's.
type device struct {
	*person
	id, secret string
}

func (s *suite) newDevice(t *testing.T) device {
	t.Helper()
	p := s.newUser(t, "User")
	id := p.newSource(t, "Webhook")
	return device{p, id, sprint(p.details(t, id)["webhookSecret"])}
}

// send sends a body, signed in the plain form unless headers say otherwise.
func (d device) send(t *testing.T, body string, headers ...with) *answer {
	t.Helper()
	if len(headers) == 0 {
		headers = []with{{"X-Webhook-Signature", signPlain(d.secret, body)}}
	}
	return d.suite.anonymous().post(t, webhookPath(d.id), body, headers...)
}

func (s *suite) webhooks(t *testing.T) {
	t.Run("the forms of a signature", s.signatures)
	t.Run("what is let in by none looks the same", s.refusals)
	t.Run("bodies", s.webhookBodies)
	t.Run("rotation, deactivation and deletion act at once", s.shutOut)
}

func (s *suite) signatures(t *testing.T) {
	d := s.newDevice(t)
	const body = `{"acPowerWatts":1200}`
	plain, now := signPlain(d.secret, body), s.now()
	wrong := signPlain("wrong", body)
	good := map[string][]with{
		"sha256= and hex":      {{"X-Webhook-Signature", plain}},
		"hex alone":            {{"X-Webhook-Signature", strings.TrimPrefix(plain, "sha256=")}},
		"the other name":       {{"X-Webhook-Secret", plain}},
		"both names":           {{"X-Webhook-Secret", plain}, {"X-Webhook-Signature", plain}},
		"standard":             signStandard(d.secret, body, now),
		"standard, 4 min ago":  signStandard(d.secret, body, now.Add(-4*time.Minute)),
		"standard, in 4 min":   signStandard(d.secret, body, now.Add(4*time.Minute)),
		"standard and plain":   append(signStandard(d.secret, body, now), with{"X-Webhook-Signature", plain}),
		"lower-case header":    {{"x-webhook-signature", plain}},
		"no Content-Type":      {{"X-Webhook-Signature", plain}, {"Content-Type", ""}},
		"another Content-Type": {{"X-Webhook-Signature", plain}, {"Content-Type", "text/csv; x=y"}},
		"a form's":             {{"X-Webhook-Signature", plain}, {"Content-Type", "application/x-www-form-urlencoded"}},
		"a multipart's":        {{"X-Webhook-Signature", plain}, {"Content-Type", "multipart/form-data; boundary=x"}},
		"with an Origin":       {{"X-Webhook-Signature", plain}, {"Origin", "https://elsewhere.example"}, {"Sec-Fetch-Site", "cross-site"}},
	}
	for name, headers := range good {
		got := d.send(t, body, headers...)
		if got.status != 202 || string(got.body) != `{"accepted":1,"rejected":[],"warnings":[]}` {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	bad := map[string][]with{
		"unsigned":                      {{"X-Other", "x"}},
		"wrong":                         {{"X-Webhook-Signature", wrong}},
		"empty":                         {{"X-Webhook-Signature", "sha256="}},
		"the secret in a header":        {{"X-Webhook-Secret", d.secret}},
		"the secret as a bearer":        {{"Authorization", "Bearer " + d.secret}},
		"the header twice":              {{"X-Webhook-Signature", plain}, {"+X-Webhook-Signature", plain}},
		"the header twice, wrong":       {{"X-Webhook-Signature", wrong}, {"+X-Webhook-Signature", plain}},
		"both names, one wrong":         {{"X-Webhook-Secret", wrong}, {"X-Webhook-Signature", plain}},
		"standard and plain, one wrong": append(signStandard(d.secret, body, now), with{"X-Webhook-Signature", wrong}),
		"standard, 6 min ago":           signStandard(d.secret, body, now.Add(-6*time.Minute)),
		"standard, in 6 min":            signStandard(d.secret, body, now.Add(6*time.Minute)),
		"standard, twice":               append(signStandard(d.secret, body, now), with{"+webhook-id", "msg_1"}),
		"standard without its id":       signStandard(d.secret, body, now)[1:],
		"SHA-1":                         {{"X-Webhook-Signature", "sha1=" + strings.Repeat("0", 40)}},
	}
	for name, headers := range bad {
		if got := d.send(t, body, headers...); got.status != 401 {
			t.Errorf("%s: %d %s, want 401", name, got.status, got.body)
		}
	}
	if got := d.send(t, body+" ", with{"X-Webhook-Signature", plain}); got.status != 401 {
		t.Errorf("a changed body: %d", got.status)
	}
	if got := d.send(t, `{"secret":"`+d.secret+`"}`, with{"X-Other", "x"}); got.status != 401 {
		t.Errorf("the secret in the body: %d", got.status)
	}
	for _, encoding := range []string{"gzip", "identity", "x"} {
		d.send(t, body, with{"X-Webhook-Signature", plain}, with{"Content-Encoding", encoding}).want(t, 415)
	}
}

func (s *suite) refusals(t *testing.T) {
	d := s.newDevice(t)
	mqtt := d.newSource(t, "MQTT")
	off := d.newSource(t, "Webhook")
	offSecret := sprint(d.details(t, off)["webhookSecret"])
	d.put(t, sourcePath(off), object{"isActive": false}).want(t, 200)
	const body = `{"acPowerWatts":1200}`
	signed := with{"X-Webhook-Signature", signPlain(d.secret, body)}
	var first *answer
	for name, c := range map[string]struct {
		id      string
		headers []with
	}{
		"wrong":        {d.id, []with{{"X-Webhook-Signature", signPlain("x", body)}}},
		"unsigned":     {d.id, nil},
		"unknown":      {unknownID, []with{signed}},
		"inactive":     {off, []with{{"X-Webhook-Signature", signPlain(offSecret, body)}}},
		"MQTT":         {mqtt, []with{signed}},
		"malformed":    {"x", []with{signed}},
		"another's":    {d.newSource(t, "Webhook"), []with{signed}},
		"without id -": {strings.ReplaceAll(d.id, "-", ""), []with{signed}},
	} {
		got := s.anonymous().post(t, webhookPath(c.id), body, c.headers...)
		if got.status != 401 {
			t.Errorf("%s: %d %s, want 401", name, got.status, got.body)
			continue
		}
		if first == nil {
			first = got
		}
		if got.text(t, "detail") != first.text(t, "detail") || got.text(t, "type") != first.text(t, "type") || len(got.object(t)) != len(first.object(t)) {
			t.Errorf("%s looks different: %s, %s", name, got.body, first.body)
		}
	}
}

func (s *suite) webhookBodies(t *testing.T) {
	d := s.newDevice(t)
	got := d.send(t, `[{"timestamp":"2026-01-01T00:00:00Z","acPowerWatts":1},{"timestamp":"1970-01-01T00:00:00Z","acPowerWatts":1},
		{"timestamp":"2026-01-01T00:01:00Z","acPowerWatts":1,"batteryStateOfChargePercent":150}]`)
	got.want(t, 202)
	o := got.object(t)
	rejected, warnings := objects(t, o["rejected"]), objects(t, o["warnings"])
	if o["accepted"] != 2.0 || len(rejected) != 1 || len(warnings) != 1 {
		t.Fatalf("the answer is %s", got.body)
	}
	if rejected[0]["index"] != 1.0 || !strings.Contains(sprint(rejected[0]["reason"]), "2000") {
		t.Errorf("rejected is %v", rejected)
	}
	if warnings[0]["index"] != 2.0 || warnings[0]["field"] != "batteryStateOfChargePercent" {
		t.Errorf("warnings are %v", warnings)
	}
	for _, body := range []string{"", "[]", "{}", "x", "5", `"x"`, "null", `{"acPowerWatts":`, `{"acPowerWatts":NaN}`, "\xff", `[{"timestamp":"1970-01-01T00:00:00Z","acPowerWatts":1}]`} {
		bad := d.send(t, body)
		bad.want(t, 400)
		if p := bad.object(t); p["rejected"] == nil || p["warnings"] == nil {
			t.Errorf("%q: the problem has no rejected or warnings: %s", body, bad.body)
		}
	}
	if bad := d.send(t, `{"acPowerWatts":1,}`); !strings.Contains(bad.text(t, "detail"), "18") {
		t.Errorf("the detail %q does not name the byte", bad.text(t, "detail"))
	}
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `,{"ts":%d,"acPowerWatts":1}`, 1_767_225_600+i)
	}
	if full := d.send(t, "["+many.String()[1:]+"]"); full.status != 202 || full.object(t)["accepted"] != 10_000.0 {
		t.Errorf("10,000 readings: %d %.200s", full.status, full.body)
	}
	d = s.newDevice(t) // the first one has used up what it may send at once
	d.send(t, `[{"ts":1767225600,"acPowerWatts":1}`+many.String()+"]").want(t, 413)
	large := `{"acPowerWatts":1,"note":"` + strings.Repeat("x", 1<<20-len(`{"acPowerWatts":1,"note":""}`)) + `"}`
	d.send(t, large).want(t, 202)
	d.send(t, large+" ").want(t, 413)
}

func (s *suite) shutOut(t *testing.T) {
	d := s.newDevice(t)
	const body = `{"acPowerWatts":1200}`
	old := d
	d.send(t, body).want(t, 202)
	graced := d.post(t, sourcePath(d.id)+"/rotate-secret?graceSeconds=600", nil)
	d.secret = graced.text(t, "webhookSecret")
	d.send(t, body).want(t, 202)
	old.send(t, body).want(t, 202)
	older := d
	d.secret = d.post(t, sourcePath(d.id)+"/rotate-secret", nil).text(t, "webhookSecret")
	d.send(t, body).want(t, 202)
	old.send(t, body).want(t, 401)
	older.send(t, body).want(t, 401)

	d.put(t, sourcePath(d.id), object{"isActive": false}).want(t, 200)
	d.send(t, body).want(t, 401)
	d.put(t, sourcePath(d.id), object{"isActive": true}).want(t, 200)
	d.send(t, body).want(t, 202)
	d.del(t, sourcePath(d.id)).want(t, 204)
	d.send(t, body).want(t, 401)
}
