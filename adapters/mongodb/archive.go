// Package mongodb is the archive of readings in MongoDB, of a replica set of version
// 6.0 or newer: they are written into a plain collection and moved on into a time
// series. It stores what the journal holds and
// finds it again; what a reading means and who may see it is decided elsewhere.
package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.Archive = (*Archive)(nil)

// Config are the settings of an Archive.
type Config struct {
	// URL names the replica set (mongodb://user:password@host/?replicaSet=name).
	URL credential.Secret
	// Database is the database's name.
	Database string
	// Timeout bounds each call, also when its context ends later; 0 means 10 s.
	Timeout time.Duration
	// BatchSize is how many readings go into one insert; 0 means 5,000, with which
	// the server's cost of a reading is lowest.
	BatchSize int
	// MoveEvery is how often what was written is moved on into the time series; 0
	// means 5 minutes. The more readings of a source come together, the less a move
	// costs the server.
	MoveEvery time.Duration
	// MoveRows is with how many readings a move begins earlier; 0 means 2 million,
	// about 400 MB.
	MoveRows int64
}

// Deps is what an Archive needs of others.
type Deps struct {
	Log *slog.Logger
}

// Archive keeps readings in MongoDB. It is safe for concurrent use, and so are
// several processes on one database. It answers fault Unavailable until Setup
// has succeeded.
type Archive struct {
	cfg     Config
	log     *slog.Logger
	options *options.ClientOptions
	db      atomic.Pointer[mongo.Database]
	// inserter is a token that whoever writes holds: two inserts at a time make
	// more and smaller buckets, and the server slower.
	inserter chan *inserter
	mover    *mover
}

// New checks the settings. It does not connect: see Setup.
func New(cfg Config, d Deps) (*Archive, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.BatchSize == 0 {
		cfg.BatchSize = 5000
	}
	if cfg.MoveEvery == 0 {
		cfg.MoveEvery = 5 * time.Minute
	}
	if cfg.MoveRows == 0 {
		cfg.MoveRows = 2_000_000
	}
	switch {
	case cfg.Database == "" || strings.ContainsAny(cfg.Database, "/\\. \"$*<>:|?\x00"):
		return nil, fmt.Errorf("%q is no name for a MongoDB database", cfg.Database)
	case cfg.Timeout < 0, cfg.BatchSize < 0, cfg.MoveEvery < 0, cfg.MoveRows < 0:
		return nil, errors.New("a timeout, batch size or bound of moves below 0")
	}
	o := options.Client().ApplyURI(cfg.URL.Reveal())
	if err := o.Validate(); err != nil {
		if strings.Contains(cfg.URL.Reveal(), "@") {
			err = errors.New("expected mongodb://user:password@host:port/?replicaSet=name") // the driver's text may show the password
		}
		return nil, fmt.Errorf("reading the MongoDB URL: %w", err)
	}
	journaled := true
	o.SetAppName("ampra").
		SetServerSelectionTimeout(cfg.Timeout).
		SetReadPreference(readpref.Primary()).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	a := &Archive{cfg: cfg, log: d.Log, options: o, inserter: make(chan *inserter, 1)}
	a.inserter <- &inserter{}
	a.mover = newMover(a)
	return a, nil
}

// Setup connects and makes the collection and its index where they are missing. It
// may be called again after an error, and by several processes at once. An error says what the server lacks.
func (a *Archive) Setup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*a.cfg.Timeout) // an index over a filled collection takes longer
	defer cancel()
	client, err := mongo.Connect(a.options)
	if err != nil {
		return fmt.Errorf("connecting to MongoDB: %w", err)
	}
	db := client.Database(a.cfg.Database)
	if err := setup(ctx, db); err != nil {
		a.disconnect(ctx, client)
		return fmt.Errorf("preparing MongoDB: %w", err)
	}
	if !a.db.CompareAndSwap(nil, db) {
		a.disconnect(ctx, client) // it was set up before
	}
	return nil
}

func (a *Archive) disconnect(ctx context.Context, client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := client.Disconnect(ctx); err != nil {
		a.log.DebugContext(ctx, "disconnecting from mongodb", "error", err)
	}
}

// Ping reports whether the primary answers, as a fault Unavailable if not.
func (a *Archive) Ping(ctx context.Context) error {
	db, err := a.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	if err := db.Client().Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("pinging MongoDB: %w", translate(err))
	}
	return nil
}

// Close ends the connections. Calls that are under way end with an error when
// ctx ends first.
func (a *Archive) Close(ctx context.Context) error {
	db := a.db.Swap(nil)
	if db == nil {
		return nil
	}
	if err := db.Client().Disconnect(ctx); err != nil {
		return fmt.Errorf("disconnecting from MongoDB: %w", err)
	}
	return nil
}

func (a *Archive) open() (*mongo.Database, error) {
	if db := a.db.Load(); db != nil {
		return db, nil
	}
	return nil, fault.Retry(fault.Unavailable, retryAfter, "The archive is not open.")
}
