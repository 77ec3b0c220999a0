package bootstrap

import "strconv"

// Live are the settings of live events.
type Live struct {
	Streams        int `name:"live-streams" help:"Live event streams that this process has open at the most; more get 429." default:"10000" placeholder:"N"`
	StreamsPerUser int `name:"live-streams-per-user" help:"How many of them may be one user's." default:"50" placeholder:"N"`
}

func (l Live) check(wrong func(setting, got, want string) error) error {
	const most, want = 1_000_000, "1 to 1000000"
	switch {
	case l.Streams < 1 || l.Streams > most:
		return wrong("live-streams", strconv.Itoa(l.Streams), want)
	case l.StreamsPerUser < 1 || l.StreamsPerUser > most:
		return wrong("live-streams-per-user", strconv.Itoa(l.StreamsPerUser), want)
	}
	return nil
}
