package bootstrap

import "time"

// leastRetention is how long readings are kept at least.
const leastRetention = time.Hour

// checkRetention holds each tier to what the finer one is kept for: it is drawn
// from where the finer one is gone. What is kept for ever is 0, so slots of five
// minutes follow readings that are.
func (c *Config) checkRetention(wrong func(setting, got, want string) error) error {
	if c.Retention == 0 {
		c.RetentionMinutes = 0 // they can be made from readings at any time
	}
	switch {
	case c.Retention < 0 || (c.Retention > 0 && c.Retention < leastRetention):
		return wrong("retention", DurationText(c.Retention), "0 (for ever) or at least 1h")
	case shorter(c.RetentionMinutes, c.Retention):
		return wrong("retention-minutes", DurationText(c.RetentionMinutes), "0 (for ever) or at least --retention, "+keptText(c.Retention))
	case shorter(c.RetentionHours, c.RetentionMinutes):
		return wrong("retention-hours", DurationText(c.RetentionHours), "0 (for ever) or at least --retention-minutes, "+keptText(c.RetentionMinutes))
	}
	return nil
}

// shorter compares two retentions, of which 0 is for ever.
func shorter(kept, than time.Duration) bool {
	return kept < 0 || kept > 0 && (than == 0 || kept < than)
}

func keptText(kept time.Duration) string {
	if kept == 0 {
		return "0 (for ever)"
	}
	return DurationText(kept)
}
