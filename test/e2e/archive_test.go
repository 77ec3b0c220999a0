package e2e

import (
	"bytes"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	_ "modernc.org/sqlite" // the driver called sqlite
)

// archive looks into the store of readings past the server.
type archive struct {
	t     testing.TB
	mongo *mongo.Database
	file  *sql.DB
}

// openArchive opens the archive that a server's settings name.
func openArchive(t testing.TB, s *server) *archive {
	t.Helper()
	a := &archive{t: t}
	if address := s.settings["AMPRA_MONGO_URL"]; address != "" {
		client, err := mongo.Connect(options.Client().ApplyURI(address))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
		a.mongo = client.Database(s.settings["AMPRA_MONGO_DATABASE"])
		return a
	}
	a.file = openSQLite(t, filepath.Join(s.data, "telemetry.db"))
	return a
}

// openSQLite opens a database file beside the server that writes it.
func openSQLite(t testing.TB, path string) *sql.DB {
	t.Helper()
	u := url.URL{Scheme: "file", Opaque: filepath.ToSlash(path), RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// count is how many rows of a source there are.
func (a *archive) count(s source) int64 {
	a.t.Helper()
	id, err := uuid.Parse(s.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	var n int64
	if a.file != nil {
		err = a.file.QueryRowContext(a.t.Context(),
			"select count(*) from readings join series on series.id = readings.series where series.source_id = ?", id[:]).Scan(&n)
	} else {
		const uuidSubtype = 4
		n, err = a.mongo.Collection("readings").CountDocuments(a.t.Context(),
			bson.D{{Key: "meta.source", Value: bson.Binary{Subtype: uuidSubtype, Data: id[:]}}})
		for _, waiting := range []string{"readings_hot", "readings_moving"} { // whose _id is the source and the time
			var more int64
			if err == nil {
				more, err = a.mongo.Collection(waiting).CountDocuments(a.t.Context(), bson.D{{Key: "_id", Value: bson.D{
					{Key: "$gte", Value: bson.Binary{Data: append(id[:], make([]byte, 8)...)}},
					{Key: "$lte", Value: bson.Binary{Data: append(id[:], bytes.Repeat([]byte{0xff}, 8)...)}},
				}}})
			}
			n += more
		}
	}
	if err != nil {
		a.t.Fatalf("looking into the archive: %v", err)
	}
	return n
}
