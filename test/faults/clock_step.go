//go:build clockstep

package main

import (
	"context"
	"os"
	"strconv"
	"time"
)

// followClock moves the wall clock as the file says. It is built with the standard
// library that steppedProgram makes.
func followClock(ctx context.Context) {
	path := os.Getenv(clockVariable)
	for first := true; first || pause(ctx, 20*time.Millisecond) == nil; first = false {
		text, err := os.ReadFile(path)
		if seconds, wrong := strconv.ParseInt(string(text), 10, 64); err == nil && wrong == nil {
			time.StepWall(seconds)
		}
	}
}
