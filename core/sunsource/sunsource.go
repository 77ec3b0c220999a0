// Package sunsource is the domain of sun sources: an inverter or a whole
// installation that a user owns and whose devices send telemetry. What its
// devices sign in with is in package credential, what they send in telemetry.
package sunsource

import (
	"encoding/hex"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
)

// ConnectionType is how a source's devices connect. It never changes.
type ConnectionType string

// The connection types.
const (
	MQTT    ConnectionType = "MQTT"
	Webhook ConnectionType = "Webhook"
)

// Valid reports whether c is one of the two connection types.
func (c ConnectionType) Valid() bool { return c == MQTT || c == Webhook }

// Limits and defaults of the fields.
const (
	MaxName          = 100
	MaxDescription   = 500
	MaxURL           = 500
	MaxCapacityWatts = 1_000_000
	DefaultCurrency  = "EUR"
)

// maxMoney and moneyDecimals keep amounts within what every store and client
// holds exactly: 15 digits before the point and 12 after it.
const moneyDecimals = 12

var maxMoney = decimal.New(1, 15) //nolint:gochecknoglobals // a constant of a type that Go has no constants for

// SunSource is one source as its owner sees it.
type SunSource struct {
	ID             uuid.UUID
	OwnerID        uuid.UUID
	Name           string
	Description    *string
	IconURL        *string
	PowerGroupID   *uuid.UUID
	PowerGroupName *string // filled when read
	ConnectionType ConnectionType
	Latitude       *float64 // degrees, north positive
	Longitude      *float64 // degrees, east positive
	// IsActive is false for a source whose devices are shut out.
	IsActive bool
	// InstalledCapacityWatts is the panels' peak power in watts.
	InstalledCapacityWatts *float64
	// Currency is an ISO 4217 code.
	Currency               string
	SystemCost             *decimal.Decimal
	MaintenanceCostPerYear *decimal.Decimal
	InstallationDate       *time.Time
	CreatedAt              time.Time
	UpdatedAt              time.Time
}

// Validate names every field that breaks a rule.
func (s SunSource) Validate() error {
	f := s.invalid()
	return f.Err()
}

func (s SunSource) invalid() fault.Fields {
	var f fault.Fields
	n := utf8.RuneCountInString(s.Name)
	f.Check(n >= 1 && n <= MaxName, "name", "must have 1 to 100 characters")
	if s.Description != nil {
		f.Check(utf8.RuneCountInString(*s.Description) <= MaxDescription, "description", "must have at most 500 characters")
	}
	if s.IconURL != nil {
		f.Check(fault.WebURL(*s.IconURL, MaxURL), "iconUrl", "must be an http or https URL of at most 500 characters")
	}
	f.Check(s.ConnectionType.Valid(), "connectionType", `must be "MQTT" or "Webhook"`)
	f.Check(within(s.Latitude, -90, 90), "latitude", "must be between -90 and 90")
	f.Check(within(s.Longitude, -180, 180), "longitude", "must be between -180 and 180")
	f.Check(within(s.InstalledCapacityWatts, 0, MaxCapacityWatts), "installedCapacityWatts", "must be between 0 and 1000000 watts")
	f.Check(KnownCurrency(s.Currency), "currency", "must be an ISO 4217 currency code such as EUR")
	f.Check(s.SystemCost == nil || ValidMoney(*s.SystemCost), "systemCost", MoneyRule)
	f.Check(s.MaintenanceCostPerYear == nil || ValidMoney(*s.MaintenanceCostPerYear), "maintenanceCostPerYear", MoneyRule)
	if s.InstallationDate != nil {
		f.Check(ValidDate(*s.InstallationDate), "installationDate", "must be between the years 1900 and 9999")
	}
	return f
}

// MoneyRule says in words what ValidMoney demands.
const MoneyRule = "must be 0 or more, below 1000000000000000, with at most 12 decimals"

// ValidMoney reports whether an amount or a price is 0 or more, below 10^15 and
// has at most 12 decimals.
func ValidMoney(d decimal.Decimal) bool {
	if d.Exponent() < -64 || d.Exponent() > 64 { // a huge exponent would cost memory to compare
		return d.IsZero()
	}
	return !d.IsNegative() && d.LessThan(maxMoney) && d.Equal(d.Truncate(moneyDecimals))
}

// ValidDate reports whether every store can keep the time: the years 1900 to
// 9999.
func ValidDate(t time.Time) bool { y := t.UTC().Year(); return y >= 1900 && y <= 9999 }

func within(v *float64, low, high float64) bool {
	return v == nil || (!math.IsNaN(*v) && *v >= low && *v <= high)
}

// ClientID is the MQTT client id of the source's device: "sunsource_" and the
// first 8 hex digits of the id. It is unique in an installation.
func (s SunSource) ClientID() string { return ClientID(s.ID) }

// ClientID is the MQTT client id that belongs to a source's id.
func ClientID(id uuid.UUID) string { return ClientKeyOf(id).ClientID() }

const clientIDPrefix = "sunsource_"

// ClientKey is what a client id tells of its source: the first bytes of the id.
type ClientKey [4]byte

// ClientKeyOf is the key of a source.
func ClientKeyOf(id uuid.UUID) ClientKey { return ClientKey(id[:4]) }

// ParseClientID reads a client id. ok is false for a text that is none.
func ParseClientID(text string) (key ClientKey, ok bool) {
	digits, ok := strings.CutPrefix(text, clientIDPrefix)
	if !ok || len(digits) != 2*len(key) {
		return key, false
	}
	if _, err := hex.Decode(key[:], []byte(digits)); err != nil {
		return key, false
	}
	return key, key.ClientID() == text // capitals are none of ours
}

// ClientID is the client id with the key.
func (k ClientKey) ClientID() string { return clientIDPrefix + hex.EncodeToString(k[:]) }

// Topic is where the source's device publishes its readings.
func Topic(id uuid.UUID) string { return "sunsource/" + id.String() + "/data" }
