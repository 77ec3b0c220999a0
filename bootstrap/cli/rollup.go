package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"ampra/bootstrap"
)

type rollupCmd struct {
	Rebuild rollupRebuild `cmd:"" help:"Mark days to be rolled up anew from their raw readings; the server does it."`
}

type rollupRebuild struct {
	Source string `help:"Only this source." placeholder:"ID"`
	From   string `help:"From this day on, in UTC." placeholder:"DATE"`
	To     string `help:"Before this day, in UTC." placeholder:"DATE"`
}

// Run marks the days and says of each source how many they are.
func (r rollupRebuild) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	var what bootstrap.Rebuilding
	if r.Source != "" {
		id, err := uuid.Parse(r.Source)
		if err != nil {
			return errors.Join(errUsage, fmt.Errorf("--source is %q, expected a source's id", r.Source))
		}
		what.Source = &id
	}
	for _, day := range []struct {
		name, text string
		at         *time.Time
	}{{"--from", r.From, &what.From}, {"--to", r.To, &what.To}} {
		if day.text == "" {
			continue
		}
		var err error
		if *day.at, err = time.Parse(time.DateOnly, day.text); err != nil {
			return errors.Join(errUsage, fmt.Errorf("%s is %q, expected a date such as 2024-06-01", day.name, day.text))
		}
	}
	sources := 0
	days, err := bootstrap.RebuildRollups(ctx, *c, what, slog.New(slog.NewTextHandler(s.err, nil)), func(source uuid.UUID, days int) {
		sources++
		fmt.Fprintf(s.out, "%s: %d days\n", source, days)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "Marked %d days of %d sources. They are rolled up while the server runs; ampra_rollup_marks counts what is left.\n", days, sources)
	return err
}
