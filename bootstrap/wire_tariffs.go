package bootstrap

import (
	"crypto/rand"

	"ampra/adapters/sqldb"
	"ampra/modules/tariffs"
)

// tariffUseCases makes prices, and what a source's energy has been worth.
func tariffUseCases(h *house) *tariffs.Service {
	return tariffs.New(tariffs.Deps{
		Sources: sqldb.NewSunSources(h.db), Prices: sqldb.NewTariffs(h.db), Zones: h.settings, Energies: h.energies,
		Clock: systemClock(), Random: rand.Reader,
	})
}
