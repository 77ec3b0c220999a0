package payload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryProfileHasAFixture(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		seen[strings.TrimPrefix(first, "profile: ")] = true
	}
	for _, p := range vendors() {
		if !seen[p.name] {
			t.Errorf("%s: no fixture is read by it", p.name)
		}
	}
}

func TestTheTablesOfProfilesMakeSense(t *testing.T) {
	t.Parallel()
	for _, p := range vendors() {
		for name, r := range p.rules {
			switch {
			case r.line > 0 && strings.Contains(name, "#"):
				t.Errorf("%s, %s: has a number and a line", p.name, name)
			case (r.to >= ToString && r.to < ToStatusCode || r.how&(inString|inPhase) != 0) && r.line == 0 && !strings.Contains(name, "#"):
				t.Errorf("%s, %s: does not say which line", p.name, name)
			case r.how&alone != 0 && p.several == "" && p.read == nil:
				t.Errorf("%s, %s: nothing says that there are several", p.name, name)
			case r.how&inString != 0 && r.how&inPhase != 0:
				t.Errorf("%s, %s: is in a string and in a phase", p.name, name)
			}
		}
		for _, to := range p.both {
			signs := map[bool]bool{}
			for _, r := range p.rules {
				if r.to == to {
					signs[r.scale < 0] = true
				}
				if r.to == to && r.how&sum == 0 {
					t.Errorf("%s: field %d is told by two, and one is not added", p.name, to)
				}
			}
			if len(signs) != 2 {
				t.Errorf("%s: field %d is told by two of one sign", p.name, to)
			}
		}
	}
}

func TestNamesAreTakenApart(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Target{
		"pv_power": solarW, "PVPower": solarW, "solar.power": solarW, "totalPvPowerW": solarW, "P_PV": solarW, "dc_power": solarW, "PowerDC": solarW,
		"ac_power": acW, "ACOutputPower": acW, "Pac": acW, "inverterPower": acW, "Output Power (W)": acW,
		"grid_power": gridW, "load_power": loadW, "house.power": loadW, "home_consumption_power_w": loadW,
		"battery_soc": charge, "BatterySOC": charge, "state_of_charge": charge, "battery_percent": charge, "battery_voltage": batteryV, "gridVoltage": gridV,
		"grid_freq": gridHz, "frequency_hz": gridHz, "inverter_temperature": celsius,
		"energy_today": today, "dailyYieldKwh": today, "TotalYield": total, "lifetime_production_wh": total, "total_grid_import_kwh": imported,
		"feed_in_total_kwh": exported, "battery_charged_total_kwh": charged, "battery_discharge_energy_total": discharged, "load_energy_total": loadTotal,
	} {
		if g := guessed(name, "", false); !g.ok || g.rule.to != want {
			t.Errorf("%s: got %d, %t, want %d", name, g.rule.to, g.ok, want)
		}
	}
	for _, name := range []string{
		"", ".", "x", "power1", "voltage", "temperature", "battery_power", "battery_power_w", "reactive_power", "max_pv_power", "power_factor", "pv_mw", "energy",
		"energy_month_kwh", "yesterday_energy_kwh", "ev_power", "heatpump_power_w", "pv_inverter_power", "grid_energy_today_kwh", "power_to_grid", "solar_forecast_power",
		"pv_power_kwh_w", "cell_voltage_1", "ACPowerWatts", "solarpowerwatts", "pv_spannung_x", "größe_power", "battery_capacity",
	} {
		if g := guessed(name, "", false); g.ok {
			t.Errorf("%s: got %d by %s, want nothing", name, g.rule.to, g.id)
		}
	}
}
