package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ampra/bootstrap"
)

type serveCmd struct{}

// Run serves until the context ends.
func (serveCmd) Run(ctx context.Context, c *bootstrap.Config, s streams, b build) (err error) {
	app, err := bootstrap.New(ctx, *c, b.version, bootstrap.NewLog(*c, s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	welcome(s.out, *c, app.Addresses())
	return app.Run(ctx)
}

// welcome says where the process listens and what to do next.
func welcome(out io.Writer, c bootstrap.Config, at bootstrap.Addresses) {
	fmt.Fprintln(out, "Ampra is running.")
	if c.Has(bootstrap.RoleAPI) {
		fmt.Fprintf(out, "  API           %s/api\n  try it        %s/api/docs\n", at.PublicURL, at.PublicURL)
	} else {
		fmt.Fprintf(out, "  health        http://%s/readyz\n", at.HTTP)
	}
	if at.MQTT != "" {
		fmt.Fprintf(out, "  MQTT          %s\n", at.MQTT)
	}
	if at.MQTTTLS != "" {
		fmt.Fprintf(out, "  MQTT, TLS     %s\n", at.MQTTTLS)
	}
	if at.Certificate != "" {
		fmt.Fprintf(out, "  certificate   %s (self-made: give it to devices as their authority)\n", at.Certificate)
	}
	fmt.Fprintf(out, "  data          %s\n", c.Data)
	if at.SetupToken != "" {
		fmt.Fprintf(out, `
There is no account yet. On this machine make the first one with
  curl -c cookies.txt %s/api/auth/register -H 'Content-Type: application/json' \
       -d '{"email": "you@example.org", "password": "Choose-1-of-your-own"}'
From elsewhere add "setupToken": "%s" to it.
`, at.PublicURL, at.SetupToken)
	}
}
