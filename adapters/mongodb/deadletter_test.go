package mongodb_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/adapters/mongodb"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/stack"
)

// openLetters sets up dead letters on a database.
func openLetters(t *testing.T, url, name string, retention time.Duration) *mongodb.DeadLetters {
	t.Helper()
	archive, err := mongodb.New(mongodb.Config{URL: credential.NewSecret(url), Database: name}, deps())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeArchive(t, archive) })
	if err := archive.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	letters := archive.DeadLetters(retention)
	if err := letters.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestTheDeadLettersKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.LetterStore(t, func(t *testing.T) telemetry.LetterStore {
		url, name := stack.Mongo(t)
		return openLetters(t, url, name, 720*time.Hour)
	})
}

func TestTheRetentionOfDeadLettersFollowsItsSetting(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	for _, step := range []struct {
		setting time.Duration
		want    int64
	}{{0, -1}, {24 * time.Hour, 86400}, {24 * time.Hour, 86400}, {48 * time.Hour, 2 * 86400}, {0, -1}, {0, -1}} {
		openLetters(t, url, name, step.setting)
		if got := letterRetention(t, url, name); got != step.want {
			t.Errorf("with a setting of %s letters are kept %d s, want %d", step.setting, got, step.want)
		}
	}
}

// letterRetention is what the server says, in seconds; -1 when it keeps letters
// for ever.
func letterRetention(t *testing.T, url, name string) int64 {
	t.Helper()
	var indexes []struct {
		Keys  bson.Raw `bson:"key"`
		After *int64   `bson:"expireAfterSeconds"`
	}
	cursor, err := database(t, url, name).Collection("dead_letters").Indexes().List(t.Context())
	if err == nil {
		err = cursor.All(t.Context(), &indexes)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes {
		if index.After != nil {
			return *index.After
		}
	}
	return -1
}

func TestLettersThatOthersPushOutAreCounted(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	letters, source := openLetters(t, url, name, 0), uuid.New()
	for batch := range 3 {
		var put []telemetry.DeadLetter
		for i := range 500 {
			at := time.Date(2026, 1, 1, 0, batch, 0, i*1e6, time.UTC)
			put = append(put, telemetry.DeadLetter{ID: uuid.New(), SourceID: source, At: at, Origin: telemetry.FromMQTT, Raw: []byte("x")})
		}
		if err := letters.Put(t.Context(), put...); err != nil {
			t.Fatal(err)
		}
	}
	if n := letters.Dropped(); n != 500 {
		t.Errorf("%d letters count as dropped, want 500", n)
	}
}

func TestLettersOfAServerThatIsAwayAreUnavailable(t *testing.T) {
	t.Parallel()
	archive, err := mongodb.New(mongodb.Config{
		URL: credential.NewSecret("mongodb://127.0.0.1:1/?replicaSet=rs0"), Database: "ampra", Timeout: 300 * time.Millisecond,
	}, deps())
	if err != nil {
		t.Fatal(err)
	}
	err = archive.DeadLetters(0).Put(t.Context(), telemetry.DeadLetter{ID: uuid.New()})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("putting a letter gives %v", err)
	}
}

// A drain that was killed before it committed reads what it stored once more.
func TestALetterThatWasRemovedIsNotBroughtBack(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	letters := openLetters(t, url, name, 0)
	source, other := uuid.New(), uuid.New()
	var batch []telemetry.DeadLetter
	for i := range 6 {
		batch = append(batch, telemetry.DeadLetter{
			ID: uuid.New(), SourceID: []uuid.UUID{source, other}[i%2], At: noon().Add(time.Duration(i) * time.Second), Raw: []byte("x"),
		})
	}
	count := func(of uuid.UUID, want int) {
		t.Helper()
		if n, err := letters.Count(t.Context(), of); err != nil || n != want {
			t.Errorf("%d letters are kept, %v, want %d", n, err, want)
		}
	}
	if err := letters.Put(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	for range 2 { // removed, and removed again
		if _, err := letters.Remove(t.Context(), source, batch[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := letters.Put(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
		count(source, 2)
	}
	if err := letters.Erase(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	later := telemetry.DeadLetter{ID: uuid.New(), SourceID: other, At: noon(), Raw: []byte("y")}
	if err := letters.Put(t.Context(), append(batch, later)...); err != nil {
		t.Fatal(err)
	}
	count(source, 2)
	count(other, 1)
}
