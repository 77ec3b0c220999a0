//go:build !linux

package main

import "errors"

// poller is there on Linux alone; elsewhere each connection has a goroutine.
type poller struct{}

func newPoller([]*device) (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) run()   {}
func (*poller) stop()  {}
func (*poller) close() {}
