package cli

import (
	"context"
	"time"

	"ampra/bootstrap"
	"ampra/bootstrap/simulate"
	"ampra/core/credential"
)

type simulateCmd struct {
	URL          string         `help:"The server; the public URL by default." placeholder:"URL"`
	Email        string         `help:"Sign in with this e-mail; without it, and without a token, an account is made where that is allowed." placeholder:"E-MAIL"`
	Password     string         `help:"The password that goes with --email." placeholder:"TEXT"`
	Token        string         `help:"A personal API token with the scopes read and write." placeholder:"TOKEN"`
	Sources      int            `help:"How many inverters." default:"2" placeholder:"N"`
	WebhookShare float64        `name:"webhook-share" help:"The share of them that posts to webhooks, 0 to 1; the others publish by MQTT." default:"0.5" placeholder:"SHARE"`
	Days         float64        `help:"How long a time is played, in days; 0 is one day, and without end at real speed." default:"0" placeholder:"DAYS"`
	Interval     time.Duration  `help:"Time between two readings of a source; 10s at real speed, 1m when faster." placeholder:"DURATION"`
	Speed        simulate.Speed `help:"1 for real time, a number such as 60 for so many times faster, or max." default:"1" placeholder:"FACTOR"`
	Seed         int64          `help:"Two runs with the same seed play the same weather." default:"1" placeholder:"N"`
	Keep         bool           `help:"Leave the sources and their readings on the server."`
	MQTT         string         `name:"mqtt" help:"The broker, when it is reached otherwise than the server says, e.g. mqtt://localhost:1883." placeholder:"URL"`
	MaxOutage    time.Duration  `name:"max-outage" help:"How long a source goes on without an answer from the server." default:"2m" placeholder:"DURATION"`
}

// Run plays the fleet; it is an error when a reading is lost or found twice.
func (m simulateCmd) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	if m.URL == "" {
		m.URL = c.PublicURL
	}
	_, err := simulate.Run(ctx, simulate.Options{
		SignIn: simulate.SignIn{
			URL: m.URL, Email: m.Email, Password: credential.NewSecret(m.Password), Token: credential.NewSecret(m.Token),
		},
		MQTT:    simulate.MQTTOptions{URL: m.MQTT},
		Sources: m.Sources, WebhookShare: &m.WebhookShare, Days: m.Days, Interval: m.Interval, Speed: m.Speed,
		Seed: m.Seed, Keep: m.Keep, MaxOutage: m.MaxOutage, Out: s.out,
	})
	return err
}
