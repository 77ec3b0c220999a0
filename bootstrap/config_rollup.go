package bootstrap

import "time"

// The bounds of RollupEvery: marks of a shorter one would be as many as readings,
// and with a longer one each question would read hours of them.
const (
	leastRollupEvery = time.Second
	mostRollupEvery  = 6 * time.Hour
)

func (c *Config) checkRollup(wrong func(setting, got, want string) error) error {
	if c.RollupEvery < leastRollupEvery || c.RollupEvery > mostRollupEvery {
		return wrong("rollup-every", DurationText(c.RollupEvery), "1s to 6h, such as 15m")
	}
	return nil
}
