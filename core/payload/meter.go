package payload

// String is the place's name, "" for none.
func (m Meter) String() string {
	names := meters()
	if int(m) >= len(names) {
		return ""
	}
	return names[m]
}

// ParseMeter reads the name of a place. "" is MeterUnknown.
func ParseMeter(name string) (Meter, bool) {
	for m, one := range meters() {
		if one == name {
			return Meter(m), true
		}
	}
	return MeterUnknown, false
}

func meters() [4]string { return [...]string{"", "grid", "output", "load"} }
