package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// runner is a server's process, which can be started again on its data after it
// ended. It is not safe for concurrent use.
type runner struct {
	what  process
	log   string
	ready func(context.Context) error

	cmd  *exec.Cmd
	died chan struct{}
}

// start runs the process and waits until the server answers.
func (r *runner) start(ctx context.Context) error {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), r.what.path, r.what.args...) //nolint:gosec // this package's own programs
	cmd.Env, cmd.Dir = append(os.Environ(), r.what.env...), r.what.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childOf(r.what.user)

	started, died := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // see childOf
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(died)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", r.what.path, err)
	}
	r.cmd, r.died = cmd, died
	if err := await(ctx, died, r.ready); err != nil {
		text, _ := os.ReadFile(r.log)
		err = fmt.Errorf("%s: %w%s", r.what.path, err, lastLines(string(text)))
		return errors.Join(err, r.stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// stop ends the process in the way that the server wants.
func (r *runner) stop(ctx context.Context) error {
	if err := kill(r.cmd.Process, r.what.stop); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-r.died:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), r.cmd.Process.Kill())
	}
}
