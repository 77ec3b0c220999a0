// Package cli is the command line of Ampra: it reads settings from flags, the
// environment and a file, and calls what bootstrap puts together.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"ampra/bootstrap"
	"ampra/core/fault"
)

// Exit codes of the command.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2
)

// root is the whole command line.
type root struct {
	bootstrap.Config `embed:"" group:"settings"`
	File             string `name:"config" help:"A YAML file with settings; keys are the flags' words, such as http.listen." placeholder:"FILE"`

	// Not "withargs": then kong would take each mistyped command for an argument of
	// this one, and not look for a command that is like it.
	Serve     serveCmd     `cmd:"" default:"1" help:"Run the server (also without the word)."`
	Demo      demoCmd      `cmd:"" help:"Run a server on a fresh folder with a user and two live sources, and say how to look at them."`
	Simulate  simulateCmd  `cmd:"" help:"Play a fleet of inverters against a running server and count every reading back."`
	Migrate   migrateCmd   `cmd:"" help:"Show or change the version of the database schema."`
	Users     usersCmd     `cmd:"" help:"Make and list accounts."`
	Rollup    rollupCmd    `cmd:"" help:"Make what readings come to anew."`
	Normalise normaliseCmd `cmd:"" help:"Show what is understood of files with payloads, and by which rules."`
	Keys      keysCmd      `cmd:"" help:"Make and rotate the keys that seal secrets."`
	Settings  configCmd    `cmd:"" name:"config" help:"Show all settings and where each comes from."`
	Version   versionCmd   `cmd:"" help:"Show the version."`
}

const description = `Ampra is a platform for solar installations: it takes the telemetry of inverters by MQTT and by signed webhooks and gives it back over REST.

Without a word it serves: one process, one data folder, no other server. 'ampra demo' shows it alive.

Each setting is a flag, an environment variable and a key of a YAML file of the same words: --http-listen, AMPRA_HTTP_LISTEN, http.listen. Flags win over the environment, the environment over the file, the file over the defaults. 'ampra config' shows them all.`

// streams are what a command speaks to.
type streams struct {
	out, err io.Writer
}

// Main runs the command line and returns the exit code.
func Main(args []string, version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	return Run(ctx, args, version, os.Stdout, os.Stderr)
}

// Run is Main with its surroundings as parameters.
func Run(ctx context.Context, args []string, version string, out, errs io.Writer) int {
	args = asked(args)
	var command root
	exited, file := false, &fileSettings{}
	parser, err := kong.New(&command,
		kong.Name("ampra"), kong.Description(description), kong.DefaultEnvars("AMPRA"),
		kong.Writers(out, errs), kong.Exit(func(int) { exited = true }),
		kong.ValueFormatter(withDefault), durations(),
		kong.ExplicitGroups([]kong.Group{{Key: "settings", Title: "Settings of the server:"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(streams{out, errs}), kong.Bind(build{version}),
		kong.Resolvers(file),
	)
	if err != nil {
		return fail(errs, fmt.Errorf("the command line is broken: %w", err))
	}
	warnUnknown(parser, os.Environ(), errs)
	unread := file.read(configPath(args), parser.Model)
	parsed, err := parser.Parse(args)
	if exited { // --help was shown
		return ExitOK
	}
	if unread != nil {
		err = unread
	}
	if err != nil {
		fmt.Fprintf(errs, "ampra: %v\nRun 'ampra --help' to see what there is.\n", err)
		return ExitUsage
	}
	if err := command.Complete(); err != nil {
		fmt.Fprintf(errs, "ampra: %v\nRun 'ampra config' to see all settings.\n", err)
		return ExitUsage
	}
	return fail(errs, parsed.Run(&command.Config, parser))
}

func fail(errs io.Writer, err error) int {
	var setting *bootstrap.SettingError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &setting), errors.Is(err, errUsage), fault.Is(err, fault.Invalid):
		fmt.Fprintf(errs, "ampra: %v\n", err)
		return ExitUsage
	default:
		fmt.Fprintf(errs, "ampra: %v\n", err)
		return ExitError
	}
}

// withDefault is a flag's help with its default, where it has one.
func withDefault(value *kong.Value) string {
	text := kong.DefaultHelpValueFormatter(value)
	if !value.HasDefault || value.Default == "" {
		return text
	}
	return text + " [" + value.Default + "]"
}

// errUsage marks a wrong use of a command.
var errUsage = errors.New("wrong usage")

type build struct{ version string }

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s streams, b build) error {
	_, err := fmt.Fprintf(s.out, "ampra %s\n", b.version)
	return err
}

// warnUnknown names variables that begin like ours and are none, since a typing
// error there would go unseen.
func warnUnknown(parser *kong.Kong, environ []string, errs io.Writer) {
	known := map[string]bool{}
	var walk func(node *kong.Node)
	walk = func(node *kong.Node) {
		for _, flag := range node.Flags {
			for _, env := range flag.Envs {
				known[env] = true
			}
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(parser.Model.Node)
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "AMPRA_") && !strings.HasPrefix(name, "AMPRA_TEST_") && !known[name] {
			fmt.Fprintf(errs, "ampra: the variable %s is no setting; 'ampra config' shows those that are\n", name)
		}
	}
}
