package sunsource

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/patch"
)

// Patch is an update of a source: only the fields that were sent change.
type Patch struct {
	Name                   patch.Field[string]
	Description            patch.Field[string]
	IconURL                patch.Field[string]
	PowerGroupID           patch.Field[uuid.UUID]
	IsActive               patch.Field[bool]
	Latitude               patch.Field[float64]
	Longitude              patch.Field[float64]
	InstalledCapacityWatts patch.Field[float64]
	Currency               patch.Field[string]
	SystemCost             patch.Field[decimal.Decimal]
	MaintenanceCostPerYear patch.Field[decimal.Decimal]
	InstallationDate       patch.Field[time.Time]
	// ConnectionType may be sent, but only as it is: another value is a Conflict.
	ConnectionType patch.Field[ConnectionType]
}

// Apply changes s as the patch says and validates the result. Every field that
// is at fault is named, also the ones that can't be null.
func (p Patch) Apply(s *SunSource) error {
	var nulls fault.Fields
	const notNull = "must not be null"
	nulls.Check(p.Name.Required(&s.Name), "name", notNull)
	nulls.Check(p.IsActive.Required(&s.IsActive), "isActive", notNull)
	nulls.Check(p.Currency.Required(&s.Currency), "currency", notNull)
	p.Description.Nullable(&s.Description)
	p.IconURL.Nullable(&s.IconURL)
	p.PowerGroupID.Nullable(&s.PowerGroupID)
	p.Latitude.Nullable(&s.Latitude)
	p.Longitude.Nullable(&s.Longitude)
	p.InstalledCapacityWatts.Nullable(&s.InstalledCapacityWatts)
	p.SystemCost.Nullable(&s.SystemCost)
	p.MaintenanceCostPerYear.Nullable(&s.MaintenanceCostPerYear)
	p.InstallationDate.Nullable(&s.InstallationDate)
	connection := s.ConnectionType
	if !p.ConnectionType.Required(&connection) {
		nulls.Add("connectionType", notNull)
	} else if !connection.Valid() {
		nulls.Add("connectionType", `must be "MQTT" or "Webhook"`)
	}
	nulls.Merge(s.invalid())
	if err := nulls.Err(); err != nil {
		return err
	}
	if connection != s.ConnectionType {
		return fault.New(fault.Conflict, "The connection type of a sun source can't change. Create a new source instead.")
	}
	return nil
}
