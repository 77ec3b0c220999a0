package bootstrap

import (
	"strconv"

	"ampra/modules/telemetry/ingest"
)

// Limits are what devices may send, in each process. A rate of 0 is no limit.
type Limits struct {
	SourceReadingsRate  int `name:"limit-source-readings-rate" help:"Readings that one source may send in a second, by any way; 0: no limit. More by MQTT is slowed down, by webhook it is 429." default:"200" placeholder:"N"`
	SourceReadingsBurst int `name:"limit-source-readings-burst" help:"Readings that one source may send at once after a pause." default:"10000" placeholder:"N"`
	SourceBytesRate     int `name:"limit-source-bytes-rate" help:"Bytes of payload that one source may send in a second; 0: no limit." default:"262144" placeholder:"N"`
	SourceBytesBurst    int `name:"limit-source-bytes-burst" help:"Bytes of payload that one source may send at once after a pause." default:"8388608" placeholder:"N"`
	UserReadingsRate    int `name:"limit-user-readings-rate" help:"Readings that all sources of one user together may send in a second; 0: no limit." default:"20000" placeholder:"N"`
	UserReadingsBurst   int `name:"limit-user-readings-burst" help:"Readings that they may send at once after a pause." default:"200000" placeholder:"N"`
	UserBytesRate       int `name:"limit-user-bytes-rate" help:"Bytes of payload that all sources of one user together may send in a second; 0: no limit." default:"33554432" placeholder:"N"`
	UserBytesBurst      int `name:"limit-user-bytes-burst" help:"Bytes of payload that they may send at once after a pause." default:"268435456" placeholder:"N"`
}

// config is what ingest is told.
func (l Limits) config() ingest.LimitsConfig {
	return ingest.LimitsConfig{
		Source: ingest.Quota{
			Readings: ingest.Limit{Rate: l.SourceReadingsRate, Burst: l.SourceReadingsBurst},
			Bytes:    ingest.Limit{Rate: l.SourceBytesRate, Burst: l.SourceBytesBurst},
		},
		User: ingest.Quota{
			Readings: ingest.Limit{Rate: l.UserReadingsRate, Burst: l.UserReadingsBurst},
			Bytes:    ingest.Limit{Rate: l.UserBytesRate, Burst: l.UserBytesBurst},
		},
		Remembered: 0,
	}
}

func (l Limits) check(wrong func(setting, got, want string) error) error {
	for _, one := range []struct {
		name        string
		rate, burst int
	}{
		{"limit-source-readings", l.SourceReadingsRate, l.SourceReadingsBurst},
		{"limit-source-bytes", l.SourceBytesRate, l.SourceBytesBurst},
		{"limit-user-readings", l.UserReadingsRate, l.UserReadingsBurst},
		{"limit-user-bytes", l.UserBytesRate, l.UserBytesBurst},
	} {
		const most = 1_000_000_000
		switch {
		case one.rate < 0 || one.rate > most:
			return wrong(one.name+"-rate", strconv.Itoa(one.rate), "0 (no limit) to 1000000000")
		case one.rate > 0 && (one.burst < 1 || one.burst > most):
			return wrong(one.name+"-burst", strconv.Itoa(one.burst), "1 to 1000000000")
		}
	}
	return nil
}
