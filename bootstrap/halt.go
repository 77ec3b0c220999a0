package bootstrap

import (
	"context"
	"errors"
	"sync/atomic"

	"ampra/modules/telemetry/writer"
)

// halting keeps a process alive whose writer has stopped itself, so that all else
// goes on and /readyz tells of it. It keeps its part of the journal: another
// writer would come to the same end.
func (a *App) halting(run func(ctx context.Context) error) func(ctx context.Context) error {
	var halted atomic.Pointer[writer.Halt]
	a.checks["writer"] = func(context.Context) error {
		if halt := halted.Load(); halt != nil {
			return halt
		}
		return nil
	}
	return func(ctx context.Context) error {
		err := run(ctx)
		halt, ok := errors.AsType[*writer.Halt](err)
		if !ok {
			return err
		}
		halted.Store(halt)
		a.log.ErrorContext(ctx, "the writer stopped: readings wait in the journal", "error", halt)
		<-ctx.Done()
		return nil
	}
}
