package cli

import (
	"context"
	"fmt"

	"ampra/adapters/secretbox"
	"ampra/bootstrap"
)

type keysCmd struct {
	Generate keysGenerate `cmd:"" help:"Make a key file; nothing is overwritten."`
	Rotate   keysRotate   `cmd:"" help:"Add a key to the key file and seal every secret anew with it."`
}

type keysGenerate struct{}

// Run makes the key file that the settings name.
func (keysGenerate) Run(c *bootstrap.Config, s streams) error {
	if c.Embedded() {
		if err := bootstrap.MakeData(*c); err != nil {
			return err
		}
	}
	if err := secretbox.Generate(c.KeyFile); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "Made %s. Keep a copy apart from the data: without it no secret can be opened again.\n", c.KeyFile)
	return err
}

type keysRotate struct{}

// Run rotates the keys and shows how far it is.
func (keysRotate) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	id, count, err := bootstrap.RotateKeys(ctx, *c, func(done int) {
		fmt.Fprintf(s.err, "sealed %d credentials anew\n", done)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "Key %s is the current one; %d credentials are sealed with it. Older keys stay in %s for backups.\n", id, count, c.KeyFile)
	return err
}
