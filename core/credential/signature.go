package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far a signed timestamp may be from our clock, both ways
// (Standard Webhooks 1.0).
const Tolerance = 5 * time.Minute

// standardPrefix marks a secret in Standard Webhooks' form: the rest is the key
// in base64.
const standardPrefix = "whsec_"

// maxSignatures bounds how many signatures of one header are tried.
const maxSignatures = 16

// Why a request is refused. Devices only ever see one answer; these are for the
// owner's eyes and for tests.
var (
	ErrUnsigned       = errors.New("no signature header")
	ErrRepeatedHeader = errors.New("a signature header is sent twice")
	ErrMissingHeader  = errors.New("a webhook- header is missing or empty")
	ErrTimestamp      = errors.New("webhook-timestamp is not a unix time in seconds")
	ErrTooOld         = errors.New("webhook-timestamp is more than 5 minutes old")
	ErrTooNew         = errors.New("webhook-timestamp is more than 5 minutes ahead")
	ErrSignature      = errors.New("the signature does not match")
)

// Signatures holds the header values of a signed request, as sent: one entry for
// each time that the header stands in the request.
type Signatures struct {
	// Standard Webhooks 1.0: webhook-id, webhook-timestamp, webhook-signature.
	ID, Timestamp, Standard []string
	// The plain form: X-Webhook-Signature and its other name X-Webhook-Secret,
	// "sha256=" and hex, or hex alone.
	Plain, PlainAlias []string
}

// signingKey is the HMAC key that a secret's text stands for. No secret is no
// key: anybody could sign with an empty one.
func signingKey(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("is empty")
	}
	rest, ok := strings.CutPrefix(text, standardPrefix)
	if !ok {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(rest)
	}
	if err != nil || len(key) < MinCustomSecret {
		return nil, errors.New("begins with whsec_, so the rest must be base64 of at least 16 bytes")
	}
	return key, nil
}

// Verify checks a request's signatures over its raw body. A form is there when
// its signature header is; where several are sent, all must hold. signedAt is
// the time of webhook-timestamp when the standard form was used, else zero. Each
// comparison is in constant time.
func (s Signatures) Verify(secret Secret, body []byte, now time.Time) (signedAt time.Time, err error) {
	for _, values := range [][]string{s.ID, s.Timestamp, s.Standard, s.Plain, s.PlainAlias} {
		if len(values) > 1 {
			return time.Time{}, ErrRepeatedHeader
		}
	}
	if len(s.Standard) == 0 && len(s.Plain) == 0 && len(s.PlainAlias) == 0 {
		return time.Time{}, ErrUnsigned
	}
	key, err := signingKey(secret.Reveal())
	if err != nil {
		return time.Time{}, ErrSignature
	}
	if len(s.Standard) == 1 {
		if signedAt, err = s.verifyStandard(key, body, now); err != nil {
			return time.Time{}, err
		}
	}
	for _, values := range [][]string{s.Plain, s.PlainAlias} {
		if len(values) == 1 && !plainMatches(key, values[0], body) {
			return time.Time{}, ErrSignature
		}
	}
	return signedAt, nil
}

func (s Signatures) verifyStandard(key, body []byte, now time.Time) (time.Time, error) {
	if len(s.ID) != 1 || s.ID[0] == "" || len(s.Timestamp) != 1 || s.Timestamp[0] == "" || s.Standard[0] == "" {
		return time.Time{}, ErrMissingHeader
	}
	at, err := parseUnix(s.Timestamp[0])
	if err != nil {
		return time.Time{}, err
	}
	// The signature first: whether a time is too old is told only to who knows the
	// secret.
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(s.ID[0] + "." + s.Timestamp[0] + "."))
	mac.Write(body)
	sum := mac.Sum(nil)
	matched := false
	for i, candidate := range strings.Fields(s.Standard[0]) {
		if i == maxSignatures {
			break
		}
		encoded, ok := strings.CutPrefix(candidate, "v1,")
		if !ok {
			continue
		}
		given, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && hmac.Equal(given, sum) {
			matched = true
		}
	}
	switch {
	case !matched:
		return time.Time{}, ErrSignature
	case now.Sub(at) > Tolerance:
		return time.Time{}, ErrTooOld
	case at.Sub(now) > Tolerance:
		return time.Time{}, ErrTooNew
	}
	return at, nil
}

// parseUnix reads decimal digits only: no sign, no space, no leading zero, at
// most 11 of them.
func parseUnix(text string) (time.Time, error) {
	if len(text) > 11 || text == "" || (text[0] == '0' && len(text) > 1) {
		return time.Time{}, ErrTimestamp
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return time.Time{}, ErrTimestamp
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, ErrTimestamp
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func plainMatches(key []byte, header string, body []byte) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(header, "sha256="))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

// SignPlain returns the value of X-Webhook-Signature for a body: "sha256=" and
// hex. ok is false for a secret that stands for no key.
func SignPlain(secret Secret, body []byte) (header string, ok bool) {
	key, err := signingKey(secret.Reveal())
	if err != nil {
		return "", false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil)), true
}

// SignStandard returns the value of webhook-signature for a message.
func SignStandard(secret Secret, id string, at time.Time, body []byte) (header string, ok bool) {
	key, err := signingKey(secret.Reveal())
	if err != nil {
		return "", false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), true
}
