package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"ampra/test/stack"
)

// guest is what the load makes for itself on a Mosquitto.
type guest struct{ *stack.Guest }

// admit signs in as the broker's administrator and makes the clients.
func admit(ctx context.Context, broker *url.URL) (guest, error) {
	made, err := stack.Admit(ctx, broker)
	return guest{made}, err
}

// login is that of a device.
func (g guest) login(s source) (clientID, user, password string) {
	id, _, _ := ownLogin(s)
	user, password = g.Device()
	return id, user, password
}

// leave removes what admit made.
func (g guest) leave(ctx context.Context) {
	if err := g.Leave(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
	}
}
