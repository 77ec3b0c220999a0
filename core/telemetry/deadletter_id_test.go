package telemetry_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

func TestALetterThatComesTwiceHasOneIdentity(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.June, 14, 12, 0, 0, 0, time.UTC)
	one := telemetry.DeadLetter{
		SourceID: uuid.MustParse("0195c8a0-3b1e-4b6a-9d55-7d0c3f1e2a10"), At: noon, Origin: telemetry.FromWebhook, Topic: "/api/x", Name: "a",
		SignedAt: noon, Raw: []byte("{"), Size: 1,
	}
	if got, want := one.Identity().String(), "719f5d30-2c66-51fa-a778-44d900d51bbd"; got != want {
		t.Errorf("the identity is %s, want %s: letters that were stored before come twice", got, want)
	}
	same := one
	same.ID, same.At, same.Kind, same.Reason = uuid.New(), noon.Add(time.Minute), telemetry.LetterMalformed, "other words"
	if same.Identity() != one.Identity() {
		t.Error("the same payload, received later, is another letter")
	}
	for name, change := range map[string]func(*telemetry.DeadLetter){
		"source":      func(l *telemetry.DeadLetter) { l.SourceID = uuid.New() },
		"origin":      func(l *telemetry.DeadLetter) { l.Origin = telemetry.FromMQTT },
		"topic":       func(l *telemetry.DeadLetter) { l.Topic = "/api/y" },
		"name":        func(l *telemetry.DeadLetter) { l.Name = "b" },
		"signed time": func(l *telemetry.DeadLetter) { l.SignedAt = noon.Add(time.Second) },
		"no time":     func(l *telemetry.DeadLetter) { l.SignedAt = time.Time{} },
		"payload":     func(l *telemetry.DeadLetter) { l.Raw = []byte("[") },
		"size":        func(l *telemetry.DeadLetter) { l.Size = 2 },
	} {
		other := one
		change(&other)
		if other.Identity() == one.Identity() {
			t.Errorf("another %s is the same letter", name)
		}
	}
}
