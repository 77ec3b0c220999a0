package restapi_test

import (
	"crypto/rand"
	"io"
	"testing"

	"ampra/adapters/files"
	"ampra/adapters/httpapi"
	"ampra/adapters/xlsx"
	"ampra/adapters/zones"
	"ampra/core/clock"
	"ampra/core/job"
	"ampra/core/telemetry"
	"ampra/modules/imports"
	"ampra/modules/jobs"
	"ampra/modules/settings"
	"ampra/modules/telemetry/ingest"
)

// filing is what brings files in and out.
type filing struct {
	imports *imports.Service
	jobs    *jobs.Service
	spool   func() (imports.Spooled, error)
}

type placesByName struct {
	*settings.Service
	*zones.Zones
}

func filingOf(t *testing.T, s stores, kept job.Repository, decided decisions, archive telemetry.Archive, intake *ingest.Service, c clock.Clock) filing {
	t.Helper()
	spool := files.NewSpool(t.TempDir())
	service := imports.New(imports.Config{OpenPerUser: 16, Open: 64}, imports.Deps{
		Sources: s.sources, Jobs: kept, Archive: archive, Ingest: intake, Zones: placesByName{decided.settings, zones.New()}, Events: nil,
		Clock: c, Random: rand.Reader, Failed: func(err error) { t.Error(err) },
	})
	run(t, service.Run)
	return filing{service, jobs.New(jobs.Deps{Jobs: kept, Clock: c}), func() (imports.Spooled, error) { return spool.Create() }}
}

func workbook(to io.Writer, name string) httpapi.Rows { return xlsx.New(to, name) }
