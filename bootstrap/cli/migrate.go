package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"ampra/adapters/mongodb"
	"ampra/adapters/sqldb"
	"ampra/bootstrap"
	"ampra/core/credential"
)

type migrateCmd struct {
	Up     migrateUp     `cmd:"" help:"Bring the schema to the newest version; 'ampra serve' does so by itself."`
	Down   migrateDown   `cmd:"" help:"Take back the newest version of the records. Data that only it holds is lost."`
	Status migrateStatus `cmd:"" help:"List the versions and when they were applied."`
}

// withRecords opens the store for one command.
func withRecords(c *bootstrap.Config, act func(db *sqldb.DB) error) (err error) {
	db, err := bootstrap.Records(*c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return act(db)
}

type migrateUp struct {
	MongoInitiate string `name:"mongo-initiate" help:"First make the MongoDB server at this address a replica set of one, if it is none." placeholder:"HOST:PORT"`
}

// initiateTime bounds the making of a replica set.
const initiateTime = time.Minute

// Run applies what is missing and lists all.
func (m migrateUp) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	if m.MongoInitiate != "" {
		limited, cancel := context.WithTimeout(ctx, initiateTime)
		defer cancel()
		if err := mongodb.Initiate(limited, credential.NewSecret(c.MongoURL), m.MongoInitiate); err != nil {
			return err
		}
	}
	return withRecords(c, func(db *sqldb.DB) error { //nolint:contextcheck // opening bounds itself
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		if file := bootstrap.TelemetryFile(*c); file != "" {
			if err := telemetryUp(c, file); err != nil { //nolint:contextcheck // in a minute at the most
				return err
			}
		}
		return printVersions(ctx, c, db, s)
	})
}

type migrateDown struct{}

// Run takes one version back and lists all.
func (migrateDown) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	return withRecords(c, func(db *sqldb.DB) error { //nolint:contextcheck // opening bounds itself
		if err := db.Down(ctx); err != nil {
			return err
		}
		return printVersions(ctx, c, db, s)
	})
}

type migrateStatus struct{}

// Run lists the versions.
func (migrateStatus) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	return withRecords(c, func(db *sqldb.DB) error { return printVersions(ctx, c, db, s) }) //nolint:contextcheck // opening bounds itself
}

// telemetryUp brings the file of readings to its newest version: opening it does.
func telemetryUp(c *bootstrap.Config, file string) error {
	if err := bootstrap.MakeData(*c); err != nil {
		return err
	}
	archive, err := sqldb.OpenArchive(file)
	if err != nil {
		return err
	}
	return archive.Close()
}

// printVersions lists the versions of the records, and of the file of readings
// where there is one.
func printVersions(ctx context.Context, c *bootstrap.Config, db *sqldb.DB, s streams) error {
	records, err := db.Status(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCHEMA\tVERSION\tNAME\tAPPLIED")
	writeVersions(table, "records", records)
	if file := bootstrap.TelemetryFile(*c); file != "" {
		if err := bootstrap.MakeData(*c); err != nil {
			return err
		}
		telemetry, err := sqldb.TelemetryStatus(ctx, file)
		if err != nil {
			return err
		}
		writeVersions(table, "telemetry", telemetry)
	}
	return table.Flush()
}

func writeVersions(table io.Writer, schema string, versions []sqldb.Migration) {
	for _, v := range versions {
		applied := "not applied"
		if v.AppliedAt != nil {
			applied = v.AppliedAt.UTC().Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", schema, v.Version, v.Name, applied)
	}
}
