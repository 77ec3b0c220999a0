package migrations

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed sqlite-telemetry/*.sql
var telemetryFiles embed.FS

// SQLiteTelemetry returns the migrations for the file that keeps the embedded
// profile's readings, beside the one with its records.
func SQLiteTelemetry() (fs.FS, error) {
	sub, err := fs.Sub(telemetryFiles, "sqlite-telemetry")
	if err != nil {
		return nil, fmt.Errorf("opening the migrations: %w", err)
	}
	return sub, nil
}
