// Package migrations holds the schema of the stores of record, as versioned SQL
// for PostgreSQL and for SQLite. It only embeds the files: adapters/sqldb runs
// them. Each version is a pair NNNN_concept.tx.up.sql and .tx.down.sql, the same
// in both folders; each file runs in one transaction. A version that was
// released is never changed: what comes later is a new one.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Postgres returns the migrations for PostgreSQL.
func Postgres() (fs.FS, error) { return folder("postgres") }

// SQLite returns the migrations for SQLite.
func SQLite() (fs.FS, error) { return folder("sqlite") }

func folder(name string) (fs.FS, error) {
	sub, err := fs.Sub(files, name)
	if err != nil {
		return nil, fmt.Errorf("opening the migrations: %w", err)
	}
	return sub, nil
}
