//go:build !linux

package main

import "errors"

func mountSmall(string, int) (unmount func(), err error) {
	return nil, errors.ErrUnsupported
}
