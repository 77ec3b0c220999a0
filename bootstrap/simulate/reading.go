package simulate

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
)

// Reading is a reading as the API's own documents show it. It is written here
// once more, and not taken from the server's code, so that a name that changes
// there is missed here.
type Reading struct {
	Timestamp time.Time `json:"timestamp"`

	SolarPowerWatts             *float64 `json:"solarPowerWatts,omitzero"`
	ACPowerWatts                *float64 `json:"acPowerWatts,omitzero"`
	GridPowerWatts              *float64 `json:"gridPowerWatts,omitzero"`
	LoadPowerWatts              *float64 `json:"loadPowerWatts,omitzero"`
	BatteryPowerWatts           *float64 `json:"batteryPowerWatts,omitzero"`
	BatteryStateOfChargePercent *float64 `json:"batteryStateOfChargePercent,omitzero"`
	BatteryVoltageVolts         *float64 `json:"batteryVoltageVolts,omitzero"`
	GridVoltageVolts            *float64 `json:"gridVoltageVolts,omitzero"`
	GridFrequencyHertz          *float64 `json:"gridFrequencyHertz,omitzero"`
	InverterTemperatureCelsius  *float64 `json:"inverterTemperatureCelsius,omitzero"`
	EnergyTodayKwh              *float64 `json:"energyTodayKwh,omitzero"`
	EnergyTotalKwh              *float64 `json:"energyTotalKwh,omitzero"`
	LoadTotalKwh                *float64 `json:"loadTotalKwh,omitzero"`
	GridImportTotalKwh          *float64 `json:"gridImportTotalKwh,omitzero"`
	GridExportTotalKwh          *float64 `json:"gridExportTotalKwh,omitzero"`
	BatteryChargeTotalKwh       *float64 `json:"batteryChargeTotalKwh,omitzero"`
	BatteryDischargeTotalKwh    *float64 `json:"batteryDischargeTotalKwh,omitzero"`

	Strings []Line             `json:"strings,omitzero"`
	Phases  []Line             `json:"phases,omitzero"`
	Status  *Status            `json:"status,omitzero"`
	Extra   map[string]float64 `json:"extra,omitzero"`
}

// Line is one string or one phase.
type Line struct {
	VoltageVolts   *float64 `json:"voltageVolts,omitzero"`
	CurrentAmperes *float64 `json:"currentAmperes,omitzero"`
	PowerWatts     *float64 `json:"powerWatts,omitzero"`
}

// Status is what the inverter says of itself.
type Status struct {
	Code *int64  `json:"code,omitzero"`
	Text *string `json:"text,omitzero"`
}

// payload is the reading as a device sends it: its own numbers beside the known
// ones, for it knows nothing of an "extra".
func (r Reading) payload() ([]byte, error) {
	type onTheWire struct {
		Reading
		Own   map[string]float64 `json:",embed"`
		Extra struct{}           `json:"extra,omitzero"`
	}
	return json.Marshal(onTheWire{Reading: r, Own: r.Extra})
}

type namedNumber struct {
	name  string
	value *float64
}

// numbers are all numbers of the reading in one order.
func (r Reading) numbers() []namedNumber {
	all := []namedNumber{
		{"solarPowerWatts", r.SolarPowerWatts},
		{"acPowerWatts", r.ACPowerWatts},
		{"gridPowerWatts", r.GridPowerWatts},
		{"loadPowerWatts", r.LoadPowerWatts},
		{"batteryPowerWatts", r.BatteryPowerWatts},
		{"batteryStateOfChargePercent", r.BatteryStateOfChargePercent},
		{"batteryVoltageVolts", r.BatteryVoltageVolts},
		{"gridVoltageVolts", r.GridVoltageVolts},
		{"gridFrequencyHertz", r.GridFrequencyHertz},
		{"inverterTemperatureCelsius", r.InverterTemperatureCelsius},
		{"energyTodayKwh", r.EnergyTodayKwh},
		{"energyTotalKwh", r.EnergyTotalKwh},
		{"loadTotalKwh", r.LoadTotalKwh},
		{"gridImportTotalKwh", r.GridImportTotalKwh},
		{"gridExportTotalKwh", r.GridExportTotalKwh},
		{"batteryChargeTotalKwh", r.BatteryChargeTotalKwh},
		{"batteryDischargeTotalKwh", r.BatteryDischargeTotalKwh},
	}
	for _, l := range r.Strings {
		all = append(all, namedNumber{"strings.voltageVolts", l.VoltageVolts}, namedNumber{"strings.currentAmperes", l.CurrentAmperes}, namedNumber{"strings.powerWatts", l.PowerWatts})
	}
	for _, l := range r.Phases {
		all = append(all, namedNumber{"phases.voltageVolts", l.VoltageVolts}, namedNumber{"phases.currentAmperes", l.CurrentAmperes}, namedNumber{"phases.powerWatts", l.PowerWatts})
	}
	if r.Status != nil && r.Status.Code != nil {
		all = append(all, namedNumber{"status.code", new(float64(*r.Status.Code))})
	}
	names := make([]string, 0, len(r.Extra))
	for name := range r.Extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, namedNumber{"extra." + name, new(r.Extra[name])})
	}
	return all
}

// fingerprint is one number for all that was measured, to four decimals: what a
// long run remembers of a reading.
func (r Reading) fingerprint() uint64 {
	h := fnv.New64a()
	for _, n := range r.numbers() {
		_, _ = h.Write([]byte(n.name))
		if n.value == nil {
			_, _ = h.Write([]byte{0})
			continue
		}
		_, _ = h.Write(binary.BigEndian.AppendUint64([]byte{1}, uint64(int64(math.Round(*n.value*1e4))))) //nolint:gosec // bits
	}
	if r.Status != nil && r.Status.Text != nil {
		_, _ = h.Write([]byte(*r.Status.Text))
	}
	return h.Sum64()
}

// differences names the numbers in which got is not what was sent.
func differences(sent, got Reading) []string {
	want, have := map[string][]*float64{}, map[string][]*float64{}
	for _, n := range sent.numbers() {
		want[n.name] = append(want[n.name], n.value)
	}
	for _, n := range got.numbers() {
		have[n.name] = append(have[n.name], n.value)
		if _, known := want[n.name]; !known {
			want[n.name] = nil
		}
	}
	var names []string
	for name, values := range want {
		if !slices.EqualFunc(values, have[name], sameNumber) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = append(names, "status.text")
	}
	slices.Sort(names)
	return names
}

func sameNumber(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return math.Round(*a*1e4) == math.Round(*b*1e4)
}
