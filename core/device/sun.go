package device

import (
	"math"
	"time"
)

// SunElevation is how high the centre of the sun stands over the horizon of a
// place, in degrees, without refraction. The formulas are those of NOAA's
// "General Solar Position Calculations" (Global Monitoring Laboratory), which are
// right within about half a degree in our century.
func SunElevation(latitude, longitude float64, at time.Time) float64 {
	at = at.UTC()
	minutes := float64(at.Hour()*60+at.Minute()) + float64(at.Second())/60
	year := 2 * math.Pi / 365 * (float64(at.YearDay()-1) + (minutes/60-12)/24) // of a circle
	if leap(at.Year()) {
		year = year * 365 / 366
	}
	equation := 229.18 * (0.000075 + 0.001868*math.Cos(year) - 0.032077*math.Sin(year) -
		0.014615*math.Cos(2*year) - 0.040849*math.Sin(2*year)) // of time, in minutes
	declination := 0.006918 - 0.399912*math.Cos(year) + 0.070257*math.Sin(year) -
		0.006758*math.Cos(2*year) + 0.000907*math.Sin(2*year) -
		0.002697*math.Cos(3*year) + 0.00148*math.Sin(3*year)
	hour := ((minutes+equation+4*longitude)/4 - 180) * math.Pi / 180 // angle from noon
	lat := latitude * math.Pi / 180
	sine := math.Sin(lat)*math.Sin(declination) + math.Cos(lat)*math.Cos(declination)*math.Cos(hour)
	return math.Asin(max(-1, min(1, sine))) * 180 / math.Pi
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }
