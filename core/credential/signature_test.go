package credential_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ampra/core/credential"
)

// The example of Standard Webhooks 1.0.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// The example of the plain form.
const (
	plainSecret    = "It's a Secret to Everybody"
	plainBody      = "Hello, World!"
	plainSignature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

func one(value string) []string { return []string{value} }

// vector is the example request; change may break it.
func vector(change func(*credential.Signatures)) credential.Signatures {
	s := credential.Signatures{ID: one(vectorID), Timestamp: one(fmt.Sprint(vectorTime)), Standard: one(vectorSignature)}
	if change != nil {
		change(&s)
	}
	return s
}

func vectorNow() time.Time { return time.Unix(vectorTime, 0) }

func TestThePublishedVectorsHold(t *testing.T) {
	t.Parallel()
	secret, simple := credential.NewSecret(vectorSecret), credential.NewSecret(plainSecret)
	at, err := vector(nil).Verify(secret, []byte(vectorBody), vectorNow())
	if err != nil || !at.Equal(vectorNow()) || at.Location() != time.UTC {
		t.Errorf("Standard Webhooks: got %v, %v", at, err)
	}
	if got, ok := credential.SignStandard(secret, vectorID, vectorNow(), []byte(vectorBody)); !ok || got != vectorSignature {
		t.Errorf("Standard Webhooks: signed %s, %t", got, ok)
	}
	if got, ok := credential.SignPlain(simple, []byte(plainBody)); !ok || got != "sha256="+plainSignature {
		t.Errorf("the plain form: signed %s, %t", got, ok)
	}
	for _, value := range []string{plainSignature, "sha256=" + plainSignature, strings.ToUpper(plainSignature)} {
		for name, s := range map[string]credential.Signatures{
			"X-Webhook-Signature": {Plain: one(value)}, "X-Webhook-Secret": {PlainAlias: one(value)},
			"both": {Plain: one("sha256=" + plainSignature), PlainAlias: one(value)},
		} {
			at, err := s.Verify(simple, []byte(plainBody), vectorNow())
			if err != nil || !at.IsZero() {
				t.Errorf("%s: %s: got %v, %v", name, value, at, err)
			}
		}
	}
}

func TestEveryCaseOfAVerifier(t *testing.T) {
	t.Parallel()
	type sigs = credential.Signatures
	wrong := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))
	signed, _ := credential.SignPlain(credential.NewSecret(vectorSecret), []byte(vectorBody))
	for name, c := range map[string]struct {
		change func(*sigs)
		want   error
	}{
		"all is well":                            {nil, nil},
		"no header at all":                       {func(s *sigs) { *s = sigs{} }, credential.ErrUnsigned},
		"id and timestamp alone":                 {func(s *sigs) { s.Standard = nil }, credential.ErrUnsigned},
		"no id":                                  {func(s *sigs) { s.ID = nil }, credential.ErrMissingHeader},
		"no timestamp":                           {func(s *sigs) { s.Timestamp = nil }, credential.ErrMissingHeader},
		"an empty id":                            {func(s *sigs) { s.ID = one("") }, credential.ErrMissingHeader},
		"an empty timestamp":                     {func(s *sigs) { s.Timestamp = one("") }, credential.ErrMissingHeader},
		"an empty signature":                     {func(s *sigs) { s.Standard = one("") }, credential.ErrMissingHeader},
		"an empty plain signature":               {func(s *sigs) { *s = sigs{Plain: one("")} }, credential.ErrSignature},
		"an empty plain signature of other name": {func(s *sigs) { *s = sigs{PlainAlias: one("")} }, credential.ErrSignature},
		"a plain signature of the prefix alone":  {func(s *sigs) { *s = sigs{Plain: one("sha256=")} }, credential.ErrSignature},
		"the id twice":                           {func(s *sigs) { s.ID = []string{vectorID, vectorID} }, credential.ErrRepeatedHeader},
		"the timestamp twice":                    {func(s *sigs) { s.Timestamp = append(s.Timestamp, s.Timestamp[0]) }, credential.ErrRepeatedHeader},
		"the signature twice":                    {func(s *sigs) { s.Standard = []string{vectorSignature, vectorSignature} }, credential.ErrRepeatedHeader},
		"the plain signature twice":              {func(s *sigs) { *s = sigs{Plain: []string{signed, signed}} }, credential.ErrRepeatedHeader},
		"the other plain name twice":             {func(s *sigs) { s.PlainAlias = []string{signed, signed} }, credential.ErrRepeatedHeader},
		"a wrong signature":                      {func(s *sigs) { s.Standard = one(wrong) }, credential.ErrSignature},
		"a wrong signature before a right one":   {func(s *sigs) { s.Standard = one(wrong + " " + vectorSignature) }, nil},
		"a wrong signature after a right one":    {func(s *sigs) { s.Standard = one(vectorSignature + " " + wrong) }, nil},
		"another scheme before the right one":    {func(s *sigs) { s.Standard = one("v1a,abc " + vectorSignature) }, nil},
		"the right one as the 16th":              {func(s *sigs) { s.Standard = one(strings.Repeat(wrong+" ", 15) + vectorSignature) }, nil},
		"the right one as the 17th":              {func(s *sigs) { s.Standard = one(strings.Repeat(wrong+" ", 16) + vectorSignature) }, credential.ErrSignature},
		"a signature without its version":        {func(s *sigs) { s.Standard = one(vectorSignature[3:]) }, credential.ErrSignature},
		"a signature of another version":         {func(s *sigs) { s.Standard = one("v2," + vectorSignature[3:]) }, credential.ErrSignature},
		"a signature cut short":                  {func(s *sigs) { s.Standard = one(vectorSignature[:20]) }, credential.ErrSignature},
		"a signature of no bytes":                {func(s *sigs) { s.Standard = one("v1,") }, credential.ErrSignature},
		"the signature in hexadecimal":           {func(s *sigs) { s.Standard = one("v1," + hex.EncodeToString(make([]byte, 32))) }, credential.ErrSignature},
		"another id":                             {func(s *sigs) { s.ID = one(vectorID + "x") }, credential.ErrSignature},
		"another timestamp":                      {func(s *sigs) { s.Timestamp = one("1614265331") }, credential.ErrSignature},
		"a timestamp with a sign":                {func(s *sigs) { s.Timestamp = one("+1614265330") }, credential.ErrTimestamp},
		"a negative timestamp":                   {func(s *sigs) { s.Timestamp = one("-1614265330") }, credential.ErrTimestamp},
		"a timestamp with a space":               {func(s *sigs) { s.Timestamp = one(" 1614265330") }, credential.ErrTimestamp},
		"a timestamp with a zero before":         {func(s *sigs) { s.Timestamp = one("01614265330") }, credential.ErrTimestamp},
		"a timestamp with a fraction":            {func(s *sigs) { s.Timestamp = one("1614265330.0") }, credential.ErrTimestamp},
		"a timestamp in hexadecimal":             {func(s *sigs) { s.Timestamp = one("0x6037bbf2") }, credential.ErrTimestamp},
		"a timestamp in other digits":            {func(s *sigs) { s.Timestamp = one("١٦") }, credential.ErrTimestamp},
		"a timestamp beyond all bounds":          {func(s *sigs) { s.Timestamp = one("99999999999999999999") }, credential.ErrTimestamp},
		"the time as a date":                     {func(s *sigs) { s.Timestamp = one("2021-02-25") }, credential.ErrTimestamp},
		"a right plain form beside":              {func(s *sigs) { s.Plain = one(signed) }, nil},
		"all three forms right":                  {func(s *sigs) { s.Plain, s.PlainAlias = one(signed), one(signed[7:]) }, nil},
		"a wrong plain form beside":              {func(s *sigs) { s.Plain = one("sha256=" + plainSignature) }, credential.ErrSignature},
		"an empty plain form beside":             {func(s *sigs) { s.Plain = one("") }, credential.ErrSignature},
		"a wrong other name beside":              {func(s *sigs) { s.Plain, s.PlainAlias = one(signed), one(plainSignature) }, credential.ErrSignature},
		"a wrong standard form beside right ones": {
			func(s *sigs) { s.Standard, s.Plain, s.PlainAlias = one(wrong), one(signed), one(signed) }, credential.ErrSignature,
		},
		"id and timestamp beside a plain form alone": {func(s *sigs) { s.Standard, s.Plain = nil, one(signed) }, nil},
		"the plain form with the prefix twice":       {func(s *sigs) { *s = sigs{Plain: one("sha256=" + signed)} }, credential.ErrSignature},
		"the plain form of another hash":             {func(s *sigs) { *s = sigs{Plain: one("sha1=" + signed[7:])} }, credential.ErrSignature},
		"the plain form cut short":                   {func(s *sigs) { *s = sigs{Plain: one(signed[:len(signed)-2])} }, credential.ErrSignature},
		"the plain form with more":                   {func(s *sigs) { *s = sigs{Plain: one(signed + "00")} }, credential.ErrSignature},
		"the plain form in base64":                   {func(s *sigs) { *s = sigs{Plain: one("sha256=" + vectorSignature[3:])} }, credential.ErrSignature},
		"the secret itself":                          {func(s *sigs) { *s = sigs{PlainAlias: one(vectorSecret)} }, credential.ErrSignature},
	} {
		at, err := vector(c.change).Verify(credential.NewSecret(vectorSecret), []byte(vectorBody), vectorNow())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil && !at.IsZero() {
			t.Errorf("%s: a time beside an error", name)
		}
	}
}

func TestASignatureHoldsForFiveMinutesBothWays(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]error{
		0: nil, 5 * time.Minute: nil, -5 * time.Minute: nil, 5*time.Minute - 1: nil,
		5*time.Minute + 1: credential.ErrTooOld, time.Hour: credential.ErrTooOld, 1e6 * time.Hour: credential.ErrTooOld,
		-5*time.Minute - 1: credential.ErrTooNew, -time.Hour: credential.ErrTooNew,
	} {
		_, err := vector(nil).Verify(credential.NewSecret(vectorSecret), []byte(vectorBody), vectorNow().Add(age))
		if !errors.Is(err, want) {
			t.Errorf("%v old: got %v, want %v", age, err, want)
		}
		// Who does not know the secret is not told about the time.
		_, err = vector(nil).Verify(credential.NewSecret(plainSecret), []byte(vectorBody), vectorNow().Add(age))
		if !errors.Is(err, credential.ErrSignature) {
			t.Errorf("%v old with another secret: got %v", age, err)
		}
	}
}

func TestEveryByteOfTheBodyCounts(t *testing.T) {
	t.Parallel()
	secret := credential.NewSecret(vectorSecret)
	signed, _ := credential.SignPlain(secret, []byte(vectorBody))
	forms := map[string]credential.Signatures{
		"standard": vector(nil), "plain": {Plain: one(signed)}, "other name": {PlainAlias: one(signed)},
	}
	bodies := []string{"", vectorBody + " ", vectorBody + "\n", " " + vectorBody, vectorBody[1:], vectorBody + vectorBody}
	for i := range vectorBody {
		for _, bit := range []byte{1, 0x20, 0x80} {
			changed := []byte(vectorBody)
			changed[i] ^= bit
			bodies = append(bodies, string(changed))
		}
		bodies = append(bodies, vectorBody[:i], vectorBody[:i]+vectorBody[i+1:])
	}
	for name, s := range forms {
		if _, err := s.Verify(secret, []byte(vectorBody), vectorNow()); err != nil {
			t.Errorf("%s: the body itself: %v", name, err)
		}
		for _, body := range bodies {
			if _, err := s.Verify(secret, []byte(body), vectorNow()); !errors.Is(err, credential.ErrSignature) {
				t.Errorf("%s: %q: got %v", name, body, err)
			}
		}
	}
}

func TestEveryBitOfTheSecretCounts(t *testing.T) {
	t.Parallel()
	signed, _ := credential.SignPlain(credential.NewSecret(plainSecret), []byte(plainBody))
	for i := range plainSecret {
		other := []byte(plainSecret)
		other[i] ^= 1
		if _, err := (credential.Signatures{Plain: one(signed)}).Verify(credential.NewSecret(string(other)), []byte(plainBody), vectorNow()); err == nil {
			t.Errorf("the secret with byte %d changed is taken", i)
		}
	}
}

// TestNoSecretSignsNothing holds what would else be an open door: the HMAC of an
// empty key is one that anybody can make.
func TestNoSecretSignsNothing(t *testing.T) {
	t.Parallel()
	const emptyKey = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" // of an empty body
	for name, secret := range map[string]credential.Secret{
		"none": {}, "base64 of nothing": credential.NewSecret("whsec_"), "no base64": credential.NewSecret("whsec_!!!!!!!!!!!!!!!!!!!!!!!!"),
		"base64 of 15 bytes": credential.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 15))),
	} {
		if _, err := (credential.Signatures{Plain: one(emptyKey)}).Verify(secret, nil, vectorNow()); !errors.Is(err, credential.ErrSignature) {
			t.Errorf("%s: got %v", name, err)
		}
		if header, ok := credential.SignPlain(secret, nil); ok || header != "" {
			t.Errorf("%s: signed %s", name, header)
		}
		if header, ok := credential.SignStandard(secret, "id", vectorNow(), nil); ok || header != "" {
			t.Errorf("%s: signed %s", name, header)
		}
	}
}

func TestAnErrorNeverHoldsTheSecret(t *testing.T) {
	t.Parallel()
	for _, s := range []credential.Signatures{
		{}, {Plain: one(plain)}, {PlainAlias: one("sha256=" + plain)}, {ID: one("x"), Timestamp: one(plain), Standard: one(plain)},
	} {
		if _, err := s.Verify(credential.NewSecret(plain), []byte(plain), vectorNow()); err == nil || strings.Contains(err.Error(), plain) {
			t.Errorf("got %v", err)
		}
	}
}

// FuzzVerify looks for headers that make it panic or that pass without knowing
// the secret.
func FuzzVerify(f *testing.F) {
	f.Add(vectorID, fmt.Sprint(vectorTime), vectorSignature, plainSignature, []byte(vectorBody))
	f.Add("", "+1", "v1, v1,=", "sha256=zz", []byte(nil))
	f.Fuzz(func(t *testing.T, id, timestamp, standard, simple string, body []byte) {
		secret := credential.NewSecret("a secret that no header can know")
		now := time.Unix(vectorTime, 0)
		for _, s := range []credential.Signatures{
			{ID: one(id), Timestamp: one(timestamp), Standard: one(standard)}, {Plain: one(simple)}, {PlainAlias: one(simple)},
		} {
			if _, err := s.Verify(secret, body, now); err == nil {
				t.Fatalf("%+v passes", s)
			}
		}
		header, _ := credential.SignStandard(secret, id, now, body)
		signed, _ := credential.SignPlain(secret, body)
		s := credential.Signatures{ID: one(id), Timestamp: one(fmt.Sprint(vectorTime)), Standard: one(header), Plain: one(signed)}
		if _, err := s.Verify(secret, body, now); err != nil && id != "" {
			t.Fatalf("what we signed ourselves: %v", err)
		}
	})
}
