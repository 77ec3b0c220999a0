package payload

// String is the place's name, "" for none.
func (m Meter) String() string {
	if int(m) < len(meters()) {
		return meters()[m]
	}
	return ""
}

// ParseMeter reads the name of a place. "" is MeterUnknown.
func ParseMeter(name string) (Meter, bool) {
	for m, one := range meters() {
		if one == name {
			return Meter(m), true //nolint:gosec // one of a few
		}
	}
	return MeterUnknown, false
}

func meters() [4]string { return [...]string{"", "grid", "output", "load"} }
