package mqtt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

// account is a client of the broker, as the plugin shows it.
type account struct {
	Username    string `json:"username"`
	ClientID    string `json:"clientid"`
	Name        string `json:"textname"`
	Description string `json:"textdescription"`
	Disabled    bool   `json:"disabled"`
	Roles       []role `json:"roles"`
}

// role is one that a client has.
type role struct {
	Name string `json:"rolename"`
}

// The plugin shows no password, so a client bears the name of the key that it was
// made with.
func describe(source, key uuid.UUID) string { return source.String() + " " + key.String() }

// sourceOf reads the source from a client's description.
func sourceOf(description string) (uuid.UUID, bool) {
	source, key, ok := strings.Cut(description, " ")
	if !ok || len(source) != 36 || len(key) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(source)
	return id, err == nil
}

// mark is the text on everything of this installation.
func (k *Keeper) mark() string { return "Ampra " + k.cfg.Mark }

// right is what the account has to be.
func (k *Keeper) right(a account, want Listed) bool {
	return a.Name == k.mark() && a.Description == describe(want.SourceID, want.CredentialID) && a.Disabled != want.Active
}

// keep makes the broker's client of one source what the records say. It reports
// whether there was anything to do.
func (k *Keeper) keep(ctx context.Context, c *control, source uuid.UUID) (changed bool, err error) {
	err = k.d.Grants.Hold(ctx, source, func(ctx context.Context, g Grant) error {
		did, err := k.ensure(ctx, c, g)
		changed = changed || did
		return err
	})
	if fault.Is(err, fault.NotFound) {
		changed, err = k.remove(ctx, c, source)
	}
	if err != nil {
		return false, fmt.Errorf("keeping the MQTT broker's client of source %s: %w", source, err)
	}
	if changed {
		k.told.Add(1)
	}
	return changed, nil
}

// ensure makes or mends the client of a source.
func (k *Keeper) ensure(ctx context.Context, c *control, g Grant) (changed bool, err error) {
	name := sunsource.ClientID(g.SourceID)
	var found struct {
		Client account `json:"client"`
	}
	there, err := c.read(ctx, command{"command": "getClient", "username": name}, &found)
	if err != nil {
		return false, unreachable(err)
	}
	a := found.Client
	if there && slices.Contains(a.Roles, role{name}) && a.ClientID == name && k.right(a, Listed{g.SourceID, g.CredentialID, g.Active}) {
		return false, nil
	}
	client := command{
		"username": name, "clientid": name, "password": g.Key.Reveal(), "textname": k.mark(),
		"textdescription": describe(g.SourceID, g.CredentialID), "roles": []command{{"rolename": name}},
	}
	// The plugin writes its file at each command: no more of them than needed.
	if !there || !slices.Contains(a.Roles, role{name}) {
		if err := k.makeRole(ctx, c, name, g.SourceID); err != nil {
			return false, unreachable(err)
		}
	}
	var commands []command
	if there && a.ClientID != name { // the plugin can't change it
		commands = append(commands, command{"command": "deleteClient", "username": name})
		there = false
	}
	client["command"] = "createClient"
	if there {
		client["command"] = "modifyClient"
	}
	// In one message, which the broker carries out without serving anybody else.
	commands = append(commands, client)
	switch {
	case !g.Active && (!there || !a.Disabled):
		commands = append(commands, command{"command": "disableClient", "username": name})
	case g.Active && there && a.Disabled:
		commands = append(commands, command{"command": "enableClient", "username": name})
	}
	if err := c.do(ctx, "", commands...); err != nil {
		return false, unreachable(err)
	}
	return true, nil
}

// makeRole makes the role of a source, or sets the rights of one that is there.
func (k *Keeper) makeRole(ctx context.Context, c *control, name string, source uuid.UUID) error {
	own := "sunsource/" + source.String() + "/#"
	definition := command{"command": "createRole", "rolename": name, "textname": k.mark(), "acls": []command{
		{"acltype": "publishClientSend", "topic": sunsource.Topic(source) + "/#", "allow": true},
		{"acltype": "publishClientReceive", "topic": own, "allow": true},
		{"acltype": "subscribePattern", "topic": own, "allow": true},
		{"acltype": "unsubscribePattern", "topic": own, "allow": true},
	}}
	said, err := c.ask(ctx, definition)
	switch {
	case err != nil:
		return err
	case strings.HasSuffix(said[0].Error, saysExists):
		definition["command"] = "modifyRole"
		return c.do(ctx, "", definition)
	case said[0].Error != "":
		return &commandError{said[0].Command, said[0].Error}
	}
	return nil
}

// remove removes the client of a source that is gone.
func (k *Keeper) remove(ctx context.Context, c *control, source uuid.UUID) (changed bool, err error) {
	name := sunsource.ClientID(source)
	said, err := c.ask(ctx, command{"command": "deleteClient", "username": name}, command{"command": "deleteRole", "rolename": name})
	if err != nil {
		return false, unreachable(err)
	}
	for _, one := range said {
		switch {
		case one.Error == "":
			changed = true
		case !strings.HasSuffix(one.Error, saysMissing):
			return false, unreachable(&commandError{one.Command, one.Error})
		}
	}
	return changed, nil
}

// compare finds what differs between the broker and the records, and mends it. The
// lists only say where to look: keep looks again, with the source held.
func (k *Keeper) compare(ctx context.Context, c *control) error {
	if err := k.keepReader(ctx, c); err != nil {
		return err
	}
	there, err := k.accounts(ctx, c)
	if err != nil {
		return err
	}
	for after := uuid.Nil; ; {
		page, err := k.d.Grants.List(ctx, after, k.cfg.Batch)
		if err != nil {
			return fmt.Errorf("listing sources: %w", err)
		}
		for _, want := range page {
			after = want.SourceID
			name := sunsource.ClientID(want.SourceID)
			a, ok := there[name]
			delete(there, name)
			if ok && k.right(a, want) {
				continue
			}
			if err := k.mend(ctx, c, want.SourceID); err != nil {
				return err
			}
		}
		if len(page) < k.cfg.Batch {
			break
		}
	}
	for _, a := range there {
		if source, ok := sourceOf(a.Description); ok {
			if err := k.mend(ctx, c, source); err != nil {
				return err
			}
		}
	}
	k.compared.Add(1)
	return nil
}

// mend keeps one source. It leaves the broker as much time as it took: while it
// writes its file it serves nobody.
func (k *Keeper) mend(ctx context.Context, c *control, source uuid.UUID) error {
	began := time.Now()
	changed, err := k.keep(ctx, c, source)
	if err != nil {
		return err
	}
	if changed {
		k.mended.Add(1)
		wait(ctx, time.Since(began))
	}
	return ctx.Err()
}

// accounts lists the broker's clients that this installation made, by their name.
func (k *Keeper) accounts(ctx context.Context, c *control) (map[string]account, error) {
	own := map[string]account{}
	for offset := 0; ; {
		var page struct {
			Total   int       `json:"totalCount"`
			Clients []account `json:"clients"`
		}
		_, err := c.read(ctx, command{"command": "listClients", "verbose": true, "count": k.cfg.Batch, "offset": offset}, &page)
		if err != nil {
			return nil, fmt.Errorf("listing the broker's clients: %w", err)
		}
		for _, a := range page.Clients {
			if a.Name == k.mark() {
				own[a.Username] = a
			}
		}
		offset += len(page.Clients)
		if len(page.Clients) == 0 || offset >= page.Total {
			return own, nil
		}
	}
}

// keepReader makes the account that reads all readings, if it is not there. One
// that is there is its operator's.
func (k *Keeper) keepReader(ctx context.Context, c *control) error {
	name := k.reader.user
	if name == "" || name == k.to.user {
		return nil
	}
	there, err := c.read(ctx, command{"command": "getClient", "username": name}, &struct{}{})
	if err != nil || there {
		return err
	}
	// The plugin compares the filter as it is sent, with its share group.
	_, topics, _ := strings.Cut(strings.TrimPrefix(k.cfg.Filter, "$share/"), "/")
	reads := name + "-reads"
	rights := []command{
		{"acltype": "subscribePattern", "topic": k.cfg.Filter, "allow": true},
		{"acltype": "unsubscribePattern", "topic": k.cfg.Filter, "allow": true},
		{"acltype": "publishClientReceive", "topic": topics, "allow": true},
	}
	if err := c.do(ctx, saysExists, command{"command": "createRole", "rolename": reads, "textname": k.mark() + " reader", "acls": rights}); err != nil {
		return err
	}
	return c.do(ctx, saysExists, command{
		"command": "createClient", "username": name, "password": k.reader.key.Reveal(), "textname": k.mark() + " reader",
		"roles": []command{{"rolename": reads}},
	})
}
