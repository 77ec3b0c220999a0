package bootstrap

import (
	"context"
	"crypto/rand"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"ampra/adapters/files"
	"ampra/adapters/httpapi"
	"ampra/adapters/sqldb"
	"ampra/adapters/xlsx"
	"ampra/adapters/zones"
	"ampra/modules/imports"
	"ampra/modules/jobs"
	"ampra/modules/settings"
)

// spoolSweep is how often temporary files are looked for that nobody works on.
const spoolSweep = 6 * time.Hour

// Imports are the settings of what is brought in as files.
type Imports struct {
	Rate int `name:"import-rate" help:"How many readings a second the imports of this process store, all together." default:"20000" placeholder:"N"`
}

func (i Imports) check(wrong func(setting, got, want string) error) error {
	if i.Rate < 1 || i.Rate > 10_000_000 {
		return wrong("import-rate", strconv.Itoa(i.Rate), "1 to 10000000")
	}
	return nil
}

// wireImports makes what brings files in, in processes with the API: an import
// runs in the process that took the file.
func (a *App) wireImports(ctx context.Context, h *house) error {
	if !a.cfg.Has(RoleAPI) {
		return nil
	}
	h.spool = files.NewSpool(filepath.Join(a.cfg.Data, "uploads"))
	h.jobs = jobs.New(jobs.Deps{Jobs: sqldb.NewJobs(h.db), Clock: systemClock()})
	h.imports = imports.New(imports.Config{Rate: a.cfg.Imports.Rate}, imports.Deps{
		Sources: sqldb.NewSunSources(h.db), Jobs: sqldb.NewJobs(h.db), Archive: h.archive, Ingest: h.ingest.next,
		Zones: importZones{h.settings, zones.New()}, Events: h.live, Clock: systemClock(), Random: rand.Reader,
		Failed: func(err error) { a.log.WarnContext(ctx, "an import does not go as it should", "error", err) },
	})
	a.metrics.Gauge("ampra_imports_open", "Uploads and imports that wait or run.", func() float64 { return float64(h.imports.Open()) })
	a.metrics.Counter("ampra_import_readings_total", "Readings that imports stored.", func() float64 { return float64(h.imports.Stored()) })
	a.parts.add("imports", 15*time.Second, h.imports.Run)
	a.parts.add("temporary files", 5*time.Second, every(spoolSweep, a.log, "sweeping temporary files", func(context.Context) error {
		return h.spool.Sweep(time.Now())
	}))
	return nil
}

// spooled makes temporary files for the API.
func (h *house) spooled() (imports.Spooled, error) {
	file, err := h.spool.Create()
	if err != nil {
		return nil, err
	}
	return file, nil
}

// workbook writes tables for spreadsheet programs.
func workbook(to io.Writer, name string) httpapi.Rows { return xlsx.New(to, name) }

// importZones knows zones by their sites and by their names.
type importZones struct {
	*settings.Service
	places *zones.Zones
}

// Load implements imports.Zones.
func (z importZones) Load(name string) (*time.Location, error) { return z.places.Load(name) }
