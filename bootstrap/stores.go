package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ampra/adapters/argon2"
	"ampra/adapters/secretbox"
	"ampra/adapters/sqldb"
	"ampra/core/clock"
	"ampra/modules/credentials"
	"ampra/modules/identity"
)

// Keys opens the keys that seal secrets. The embedded profile makes them at its
// first start; the scale profile has several processes, which must share one
// file, and refuses to start without it.
func Keys(c Config, log *slog.Logger) (*secretbox.Box, error) {
	_, err := os.Stat(c.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if !c.Embedded() {
			return nil, fmt.Errorf("the key file %s is missing: make one with 'ampra keys generate' and give it to every process by --key-file (AMPRA_KEY_FILE)", c.KeyFile)
		}
		if err := secretbox.Generate(c.KeyFile); err != nil {
			return nil, err
		}
		log.Info("made the key file that seals secrets: back it up apart from the data", "file", c.KeyFile)
	}
	return secretbox.Load(c.KeyFile)
}

// Records opens the store of records, without changing its schema.
func Records(c Config) (*sqldb.DB, error) {
	if !c.Embedded() {
		return sqldb.OpenPostgres(c.PostgresURL, sqldb.Options{})
	}
	if err := MakeData(c); err != nil {
		return nil, err
	}
	return sqldb.OpenSQLite(filepath.Join(c.Data, "ampra.db"), sqldb.Options{})
}

// TelemetryFile is the file that keeps the readings, "" where MongoDB does.
func TelemetryFile(c Config) string {
	if c.MongoURL != "" {
		return ""
	}
	return filepath.Join(c.Data, "telemetry.db")
}

// MakeData makes the data folder, for its owner alone.
func MakeData(c Config) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("making the data folder (--data, AMPRA_DATA): %w", err)
	}
	return nil
}

// systemClock is the clock of the machine.
func systemClock() clock.Clock { return clock.Func(time.Now) }

// steadyClock is right when it is made and runs on evenly, also when the machine's
// time is set: for what only counts how much of it has passed.
func steadyClock() clock.Clock {
	began := time.Now()
	return clock.Func(func() time.Time { return began.Add(time.Since(began)) })
}

// Accounts gives the use cases of accounts on a store of records.
func Accounts(c Config, db *sqldb.DB) (*identity.Service, error) {
	hasher, err := argon2.New(argon2.Config{})
	if err != nil {
		return nil, err
	}
	return identity.New(identity.Config{OpenRegistration: c.Registration == "open"}, identity.Deps{
		Users: sqldb.NewUsers(db), Sessions: sqldb.NewSessions(db), Tokens: sqldb.NewTokens(db),
		Attempts: sqldb.NewAttempts(db), Setup: sqldb.NewSetupTokens(db), Hasher: hasher, Transactions: db,
		Audit: sqldb.NewAuditLog(db), Clock: systemClock(), Random: rand.Reader,
	}), nil
}

// RotateKeys adds a key and seals every secret anew with it. Servers that run
// meanwhile read the new key by themselves. progress is told the count so far.
func RotateKeys(ctx context.Context, c Config, progress func(done int)) (keyID string, resealed int, err error) {
	db, err := Records(c) //nolint:contextcheck // opening bounds itself
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if keyID, err = secretbox.Rotate(c.KeyFile); err != nil {
		return "", 0, err
	}
	box, err := secretbox.Load(c.KeyFile)
	if err != nil {
		return keyID, 0, err
	}
	service := credentials.New(credentials.Deps{ //nolint:exhaustruct_v5 // resealing needs only these
		Credentials: sqldb.NewCredentials(db), Sealer: box, Clock: systemClock(),
	})
	resealed, err = service.Reseal(ctx, progress)
	return keyID, resealed, err
}
