package contract

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/idempotency"
)

// Idempotency runs what every idempotency.Store promises. open is called once.
func Idempotency(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a repeat gets the first answer":                       claimAnswered,
		"of many at once one claims":                           claimAtOnce,
		"keys are the same only in all their parts":            claimKeys,
		"a claim without an answer is free after its patience": claimPatience,
		"an answer is remembered for its lifetime":             claimLifetime,
		"a claim that was given back is free at once":          claimReleased,
		"an answer needs an open claim":                        finishUnclaimed,
		"what is old is swept, the rest stays":                 claimsSwept,
	})
}

func (r Records) newKey(t *testing.T) idempotency.Key {
	t.Helper()
	return idempotency.Key{UserID: r.newUser(t).ID, Method: "POST", Path: "/api/sunsources", Text: uuid.NewString()}
}

// claim claims at a time and checks what comes.
func (r Records) claim(t *testing.T, key idempotency.Key, digest [32]byte, now time.Time, want *idempotency.Answer) {
	t.Helper()
	earlier, claimed, err := r.Idempotency.Claim(t.Context(), key, digest, now)
	must(t, err)
	if claimed != (want == nil) {
		t.Fatalf("at %v: claimed %v", now, claimed)
	}
	if want != nil {
		wantSame(t, earlier, *want)
	}
}

func claimAnswered(t *testing.T, r Records) {
	key, digest := r.newKey(t), randomDigest()
	r.claim(t, key, digest, instantOf(0), nil)
	r.claim(t, key, digest, instantOf(0), &idempotency.Answer{BodyDigest: digest})
	sealed := []byte{0, 0xff, '\'', '\\'}
	must(t, r.Idempotency.Finish(t.Context(), key, sealed))
	r.claim(t, key, randomDigest(), instantOf(30), &idempotency.Answer{BodyDigest: digest, Done: true, Sealed: sealed})

	empty := r.newKey(t)
	r.claim(t, empty, digest, instantOf(0), nil)
	must(t, r.Idempotency.Finish(t.Context(), empty, nil))
	r.claim(t, empty, digest, instantOf(30), &idempotency.Answer{BodyDigest: digest, Done: true})
}

func claimAtOnce(t *testing.T, r Records) {
	key, digest := r.newKey(t), randomDigest()
	var won atomic.Int32
	for i, err := range atOnce(16, func(int) error {
		_, claimed, err := r.Idempotency.Claim(t.Context(), key, digest, instantOf(0))
		if claimed {
			won.Add(1)
		}
		return err
	}) {
		if err != nil {
			t.Errorf("claim %d: %v", i, err)
		}
	}
	if n := won.Load(); n != 1 {
		t.Errorf("%d of 16 claimed", n)
	}
}

func claimKeys(t *testing.T, r Records) {
	key := r.newKey(t)
	r.claim(t, key, [32]byte{}, instantOf(0), nil)
	for name, edit := range map[string]func(*idempotency.Key){
		"user":     func(k *idempotency.Key) { k.UserID = r.newUser(t).ID },
		"method":   func(k *idempotency.Key) { k.Method = "PUT" },
		"path":     func(k *idempotency.Key) { k.Path += "/" + k.Text; k.Text = "" },
		"text":     func(k *idempotency.Key) { k.Text = strings.ToUpper(k.Text) + "?" },
		"a border": func(k *idempotency.Key) { k.Path += k.Text[:1]; k.Text = k.Text[1:] },
		"long":     func(k *idempotency.Key) { k.Text = strings.Repeat(k.Text, 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			other := key
			edit(&other)
			r.claim(t, other, [32]byte{}, instantOf(0), nil)
		})
	}
}

func claimPatience(t *testing.T, r Records) {
	key, first, second := r.newKey(t), randomDigest(), randomDigest()
	r.claim(t, key, first, instantOf(0), nil)
	late := instantOf(0).Add(idempotency.Patience)
	r.claim(t, key, second, late, &idempotency.Answer{BodyDigest: first})
	late = late.Add(time.Microsecond)
	r.claim(t, key, second, late, nil)
	r.claim(t, key, first, late.Add(idempotency.Patience), &idempotency.Answer{BodyDigest: second})
}

func claimLifetime(t *testing.T, r Records) {
	key, digest := r.newKey(t), randomDigest()
	r.claim(t, key, digest, instantOf(0), nil)
	must(t, r.Idempotency.Finish(t.Context(), key, []byte("sealed")))
	end := instantOf(0).Add(idempotency.Lifetime)
	r.claim(t, key, digest, end, &idempotency.Answer{BodyDigest: digest, Done: true, Sealed: []byte("sealed")})
	r.claim(t, key, digest, end.Add(time.Microsecond), nil)
	r.claim(t, key, digest, end, &idempotency.Answer{BodyDigest: digest}) // the old answer is gone
}

func claimReleased(t *testing.T, r Records) {
	key, digest := r.newKey(t), randomDigest()
	must(t, r.Idempotency.Release(t.Context(), key)) // nothing to give back
	r.claim(t, key, digest, instantOf(0), nil)
	must(t, r.Idempotency.Release(t.Context(), key))
	r.claim(t, key, digest, instantOf(0), nil)
	must(t, r.Idempotency.Finish(t.Context(), key, []byte("sealed")))
	must(t, r.Idempotency.Release(t.Context(), key)) // an answer stays
	r.claim(t, key, digest, instantOf(0), &idempotency.Answer{BodyDigest: digest, Done: true, Sealed: []byte("sealed")})
}

func finishUnclaimed(t *testing.T, r Records) {
	key, digest := r.newKey(t), randomDigest()
	wantCode(t, r.Idempotency.Finish(t.Context(), key, []byte("sealed")), fault.Conflict)
	r.claim(t, key, digest, instantOf(0), nil)
	must(t, r.Idempotency.Finish(t.Context(), key, []byte("first")))
	wantCode(t, r.Idempotency.Finish(t.Context(), key, []byte("second")), fault.Conflict)
	r.claim(t, key, digest, instantOf(0), &idempotency.Answer{BodyDigest: digest, Done: true, Sealed: []byte("first")})
}

func claimsSwept(t *testing.T, r Records) {
	old, young, digest := r.newKey(t), r.newKey(t), randomDigest()
	r.claim(t, old, digest, instantOf(0), nil)
	r.claim(t, young, digest, instantOf(1), nil)
	must(t, r.Idempotency.Sweep(t.Context(), instantOf(1)))
	r.claim(t, old, digest, instantOf(1), nil)
	r.claim(t, young, digest, instantOf(1), &idempotency.Answer{BodyDigest: digest})
}
