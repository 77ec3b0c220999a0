package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"ampra/adapters/sqldb"
	"ampra/bootstrap"
	"ampra/core/actor"
	"ampra/modules/identity"
)

type usersCmd struct {
	Add  usersAdd  `cmd:"" help:"Make an account. The first one of an installation is the Overseer."`
	List usersList `cmd:"" help:"List the accounts."`
}

// withAccounts opens the accounts for one command.
func withAccounts(ctx context.Context, c *bootstrap.Config, act func(accounts *identity.Service) error) error {
	return withRecords(c, func(db *sqldb.DB) error { //nolint:contextcheck // opening bounds itself
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		accounts, err := bootstrap.Accounts(*c, db)
		if err != nil {
			return err
		}
		return act(accounts)
	})
}

type usersAdd struct {
	Email    string     `arg:"" help:"The account's e-mail address."`
	Role     actor.Role `help:"User, Admin or Overseer." default:"User"`
	Password string     `help:"The password; without it the first line of standard input is read, so that it stays out of the shell's history."`
}

// Run makes the account.
func (u usersAdd) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	if u.Password == "" {
		fmt.Fprint(s.err, "Password: ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && line == "" {
			return errors.Join(errUsage, fmt.Errorf("reading the password from standard input: %w", err))
		}
		u.Password = strings.TrimRight(line, "\r\n")
	}
	return withAccounts(ctx, c, func(accounts *identity.Service) error {
		user, err := accounts.AddUser(ctx, identity.NewUser{Email: u.Email, Password: u.Password, Role: u.Role})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "Made the account %s with the role %s (id %s).\n", user.Email, user.Role, user.ID)
		return err
	})
}

type usersList struct{}

// Run lists the accounts.
func (usersList) Run(ctx context.Context, c *bootstrap.Config, s streams) error {
	return withAccounts(ctx, c, func(accounts *identity.Service) error {
		users, err := accounts.Users(ctx)
		if err != nil {
			return err
		}
		if len(users) == 0 {
			_, err := fmt.Fprintln(s.out, "There is no account yet. Make the first one with 'ampra users add you@example.org': it is the Overseer.")
			return err
		}
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "E-MAIL\tROLE\tCREATED\tID")
		for _, user := range users {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", user.Email, user.Role, user.CreatedAt.UTC().Format("2006-01-02 15:04:05Z"), user.ID)
		}
		return table.Flush()
	})
}
