package mongodb_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/adapters/mongodb"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/test/stack"
)

// database is the database itself, beside the archive.
func database(t testing.TB, url, name string) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			t.Errorf("disconnecting: %v", err)
		}
	})
	return client.Database(name)
}

func TestSeveralProcessesSetUpAtOnce(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	var processes sync.WaitGroup
	for range 6 {
		archive, err := mongodb.New(mongodb.Config{URL: credential.NewSecret(url), Database: name}, deps())
		if err != nil {
			t.Fatalf("making an archive: %v", err)
		}
		t.Cleanup(func() { closeArchive(t, archive) })
		processes.Go(func() {
			for range 2 {
				if err := archive.Setup(t.Context()); err != nil {
					t.Errorf("setting up: %v", err)
				}
			}
		})
	}
	processes.Wait()
	if got := retention(t, url, name); got != -1 {
		t.Errorf("readings are kept %d s", got)
	}
}

// retention is what the server says, in seconds; -1 when it keeps readings for
// ever.
func retention(t *testing.T, url, name string) int64 {
	t.Helper()
	specs, err := database(t, url, name).ListCollectionSpecifications(t.Context(), bson.D{{Key: "name", Value: "readings"}})
	if err != nil || len(specs) != 1 {
		t.Fatalf("looking at the collection: %d found, %v", len(specs), err)
	}
	value, err := specs[0].Options.LookupErr("expireAfterSeconds")
	if err != nil {
		return -1
	}
	return value.AsInt64()
}

func TestTheServerNoLongerDeletesWhatAnOlderVersionToldItTo(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	onDatabase(t, url, name, nil)
	told := bson.D{{Key: "collMod", Value: "readings"}, {Key: "expireAfterSeconds", Value: int64(86_400)}}
	if err := database(t, url, name).RunCommand(t.Context(), told).Err(); err != nil {
		t.Fatal(err)
	}
	if got := retention(t, url, name); got != 86_400 {
		t.Fatalf("readings are kept %d s", got)
	}
	onDatabase(t, url, name, nil)
	if got := retention(t, url, name); got != -1 {
		t.Errorf("readings are kept %d s", got)
	}
}

func TestAnotherProgramsCollectionIsLeftAlone(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	if err := database(t, url, name).CreateCollection(t.Context(), "readings"); err != nil {
		t.Fatalf("making a collection: %v", err)
	}
	archive, err := mongodb.New(mongodb.Config{URL: credential.NewSecret(url), Database: name}, deps())
	if err != nil {
		t.Fatalf("making an archive: %v", err)
	}
	if err := archive.Setup(t.Context()); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("setting up gives %v", err)
	}
	if err := archive.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an archive that is not set up answers %v", err)
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	archive, err := mongodb.New(mongodb.Config{
		URL: credential.NewSecret("mongodb://127.0.0.1:1/?replicaSet=rs0"), Database: "ampra", Timeout: 300 * time.Millisecond,
	}, deps())
	if err != nil {
		t.Fatalf("making an archive: %v", err)
	}
	if err := archive.Setup(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("setting up gives %v", err)
	}
}

func TestWrongSettingsAreNamedAndPasswordsAreNot(t *testing.T) {
	t.Parallel()
	const url = "mongodb://127.0.0.1:1/?replicaSet=rs0"
	for says, cfg := range map[string]mongodb.Config{
		`"" is no name`:                  {URL: credential.NewSecret(url)},
		`"a b" is no name`:               {URL: credential.NewSecret(url), Database: "a b"},
		"below 0":                        {URL: credential.NewSecret(url), Database: "a", Timeout: -1},
		"reading the MongoDB URL":        {URL: credential.NewSecret("http://here"), Database: "a"},
		"mongodb://user:password@host":   {URL: credential.NewSecret("mongodb://me:s3cr3t/x@here"), Database: "a"},
		"expected mongodb://user:passwo": {URL: credential.NewSecret("http://me:s3cr3t@here"), Database: "a"},
	} {
		_, err := mongodb.New(cfg, deps())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error %v does not say %s", err, says)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func deps() mongodb.Deps { return mongodb.Deps{Log: slog.New(slog.DiscardHandler)} }
