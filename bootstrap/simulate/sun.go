package simulate

import (
	"math"
	"time"
)

// sunPosition is where the sun stands, seen from a place: its elevation over the
// horizon and its azimuth clockwise from north, both in radians. Refraction is
// left out.
//
// The declination and the equation of time are the Fourier series of J. W.
// Spencer ("Fourier series representation of the position of the sun", Search
// 2(5), 1971), the hour angle is formed as in NOAA's "General Solar Position
// Calculations". They are good to about half a degree, which is plenty for a
// panel.
func sunPosition(t time.Time, latitude, longitude float64) (elevation, azimuth float64) {
	t = t.UTC()
	minutes := float64(t.Hour()*60+t.Minute()) + float64(t.Second())/60
	g := 2 * math.Pi / 365 * (float64(t.YearDay()-1) + (minutes/60-12)/24)
	sin1, cos1 := math.Sincos(g)
	sin2, cos2 := math.Sincos(2 * g)
	sin3, cos3 := math.Sincos(3 * g)
	equationOfTime := 229.18 * (0.000075 + 0.001868*cos1 - 0.032077*sin1 - 0.014615*cos2 - 0.040849*sin2)
	declination := 0.006918 - 0.399912*cos1 + 0.070257*sin1 - 0.006758*cos2 + 0.000907*sin2 - 0.002697*cos3 + 0.00148*sin3

	trueSolarMinutes := minutes + equationOfTime + 4*longitude
	hourAngle := radians(trueSolarMinutes/4 - 180)
	sinLat, cosLat := math.Sincos(radians(latitude))
	sinDec, cosDec := math.Sincos(declination)
	elevation = math.Asin(sinLat*sinDec + cosLat*cosDec*math.Cos(hourAngle))
	// From south, westward positive, then turned to count from north.
	azimuth = math.Atan2(math.Sin(hourAngle), math.Cos(hourAngle)*sinLat-sinDec/cosDec*cosLat) + math.Pi
	return elevation, azimuth
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

func degrees(radians float64) float64 { return radians * 180 / math.Pi }

// irradiance is what the sun sends in W/m²: direct on a plane that faces it, and
// diffuse on a horizontal one, under a cloud cover of 0 (clear) to 1 (overcast).
//
// Clear sky after A. B. Meinel and M. P. Meinel ("Applied Solar Energy", 1976)
// with the air mass of F. Kasten and A. T. Young (1989).
func irradiance(elevation, cover float64) (direct, diffuse float64) {
	if elevation <= 0 {
		return 0, 0
	}
	height := degrees(elevation)
	airMass := 1 / (math.Sin(elevation) + 0.50572*math.Pow(height+6.07995, -1.6364))
	clear := 1353 * math.Pow(0.7, math.Pow(airMass, 0.678))
	return clear * (1 - cover), 0.1 * clear * (1 + 2*cover) * (1 - 0.3*cover)
}

// onPanel is what of it reaches a tilted panel.
func onPanel(elevation, azimuth, direct, diffuse float64, p Panels) float64 {
	sinTilt, cosTilt := math.Sincos(radians(p.TiltDegrees))
	sinElevation, cosElevation := math.Sincos(elevation)
	incidence := sinElevation*cosTilt + cosElevation*sinTilt*math.Cos(azimuth-radians(p.AzimuthDegrees))
	return direct*max(incidence, 0) + diffuse*(1+cosTilt)/2
}
