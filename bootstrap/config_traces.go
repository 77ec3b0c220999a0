package bootstrap

import "strconv"

// Traced reports whether traces are wanted: by our own setting, or by the standard
// variables of OpenTelemetry, which can also turn them off.
func (c *Config) Traced(getenv func(string) string) bool {
	if getenv("OTEL_SDK_DISABLED") == "true" || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return c.OTLPEndpoint != "" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func (c *Config) checkTraces(wrong func(setting, got, want string) error) error {
	switch {
	case c.OTLPEndpoint != "" && !validURL(c.OTLPEndpoint, "http", "https"):
		return wrong("otlp-endpoint", Masked(c.OTLPEndpoint), "a URL such as http://localhost:4318")
	case !(c.TraceRatio >= 0 && c.TraceRatio <= 1): // NaN is neither
		return wrong("trace-ratio", strconv.FormatFloat(c.TraceRatio, 'g', -1, 64), "0 (none) to 1 (all)")
	}
	return nil
}
