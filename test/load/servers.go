package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ampra/test/stack"
)

// lease holds servers of test/stack for a program that is no test: it stands in
// for one. What the servers' makers put off until the end of the test happens at
// close.
type lease struct {
	testing.TB // nil: what is not below is not called
	ctx        context.Context
	name       string
	refusal    error
	cleanups   []func()
}

// Helper, Name and Context are as those of a test.
func (l *lease) Helper()                  {}
func (l *lease) Name() string             { return l.name }
func (l *lease) Context() context.Context { return l.ctx }

// Cleanup keeps what is to be done at the end.
func (l *lease) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

// Errorf says what went wrong at the end.
func (l *lease) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "load: "+format+"\n", args...)
}

// Fatalf ends the call that take made.
func (l *lease) Fatalf(format string, args ...any) {
	l.refusal = fmt.Errorf(format, args...) //nolint:err113 // a message made elsewhere
	runtime.Goexit()
}

// Skipf is Fatalf: a measurement cannot do without.
func (l *lease) Skipf(format string, args ...any) { l.Fatalf(format, args...) }

// take makes one call of test/stack.
func (l *lease) take(call func(t testing.TB)) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		call(l)
	}()
	<-ended
	err := l.refusal
	l.refusal = nil
	return err
}

func (l *lease) postgres() (url string, err error) {
	err = l.take(func(t testing.TB) { url = stack.Postgres(t) })
	return url, err
}

func (l *lease) mongo() (url, database string, err error) {
	err = l.take(func(t testing.TB) { url, database = stack.Mongo(t) })
	return url, database, err
}

// kafka returns the brokers and a prefix for topics.
func (l *lease) kafka() (brokers []string, prefix string, err error) {
	err = l.take(func(t testing.TB) { brokers, prefix = stack.Kafka(t) })
	return brokers, strings.TrimSuffix(prefix, "-") + "-t", err
}

func (l *lease) mosquitto() (url string, err error) {
	err = l.take(func(t testing.TB) { url = stack.Mosquitto(t) })
	return url, err
}

// close removes what the calls made.
func (l *lease) close() {
	for _, act := range slices.Backward(l.cleanups) {
		act()
	}
	l.cleanups = nil
}
