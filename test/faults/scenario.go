package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// scenario is a situation with a name that has to be arranged.
type scenario struct {
	name, about string
	run         func(t *trial, ctx context.Context, r *result, random *rand.Rand) error
}

// scenarios are all of them.
func scenarios() []scenario {
	return []scenario{}
}

// scenario runs one. An error says that it could not be arranged.
func (t *trial) scenario(ctx context.Context, s scenario) (result, error) {
	fmt.Fprintf(t.out, "%s  scenario %s, seed %d\n", time.Now().Format(time.TimeOnly), s.name, t.o.seed)
	r := result{name: s.name, seed: t.o.seed}
	err := s.run(t, ctx, &r, rand.New(rand.NewPCG(t.o.seed, 0))) //nolint:gosec // not a secret
	return r, err
}
