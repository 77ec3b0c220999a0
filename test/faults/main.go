// Command faults tries Ampra's promises under faults: while devices send, it
// kills, halts and cuts off Ampra's processes and the servers below them, lets all
// of it heal, and compares what was acknowledged with what queries find.
// docs/reliability.md says how to read what it prints.
//
// It measures no speed: that is test/load's matter.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ampra/test/stack"
)

func main() {
	if os.Getenv(partVariable) != "" {
		os.Exit(runPart())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	profiles, scenarios []string
	rounds, faults      int
	seed                uint64
	length, every       time.Duration
	devices, hooks      int
	keep, verbose       bool
}

const about = `Faults tries Ampra's promises under faults. It starts what it needs on loopback.

  go run ./test/faults --profile embedded --rounds 10
  go run ./test/faults --profile scale --seed 42     repeat the round of that seed
  go run ./test/faults --scenario zombie,disk-full

Rounds of random faults, unless scenarios are named. Exits 1 when a promise was
broken, 3 when this machine lacks something. Profiles: embedded, scale (own broker,
Kafka, MongoDB, PostgreSQL) and mosquitto (the same behind Mosquitto). Scenarios:

`

// parse reads the flags.
func parse(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprint(errs, about)
		for _, s := range scenarios() {
			fmt.Fprintf(errs, "  %-14s %s\n", s.name, s.about)
		}
		fmt.Fprint(errs, "\nFlags:\n")
		flags.PrintDefaults()
	}
	profile := flags.String("profile", "embedded,scale", "profiles of the rounds, separated by commas; all for all three")
	scenario := flags.String("scenario", "", "scenarios to run instead of rounds, separated by commas; all for all")
	flags.IntVar(&o.rounds, "rounds", 1, "rounds of each profile")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the first round, the next has one more; 0 draws one")
	flags.DurationVar(&o.length, "length", 20*time.Second, "how long faults happen in a round")
	flags.IntVar(&o.faults, "faults", 24, "faults that are drawn for a round; those too close to another are left out")
	flags.IntVar(&o.devices, "devices", 12, "devices that send by MQTT")
	flags.IntVar(&o.hooks, "webhooks", 6, "devices that post webhooks")
	flags.DurationVar(&o.every, "every", 40*time.Millisecond, "time between two readings of a device, on average")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder of data and logs, and say where it is")
	flags.BoolVar(&o.verbose, "v", false, "print each fault when it happens")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.rounds < 1 || o.faults < 0 || o.length <= quiet || o.every <= 0 || o.devices < 0 || o.hooks < 0 || o.devices+o.hooks < 1 {
		return o, errors.New("numbers and durations must be above 0, the length above a second")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) + 1 //nolint:gosec // not a secret
	}
	var err error
	if o.profiles, err = among(*profile, []string{embedded, scale, mosquitto}, "profile"); err != nil {
		return o, err
	}
	if *scenario == "" {
		return o, nil
	}
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	o.scenarios, err = among(*scenario, names, "scenario")
	return o, err
}

func among(text string, known []string, what string) ([]string, error) {
	if text == "all" {
		return known, nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no %s %q, only %s", what, name, strings.Join(known, ", "))
		}
	}
	return names, nil
}

// Exit codes.
const (
	exitHeld    = 0
	exitBroken  = 1
	exitWrong   = 2 // wrong usage
	exitMissing = 3 // the machine lacks something
)

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return exitHeld
	}
	if err != nil {
		fmt.Fprintln(errs, "faults:", err)
		return exitWrong
	}
	results, err := runAll(ctx, o, out)
	if len(results) > 1 || err == nil {
		printTable(out, results)
	}
	switch {
	case err != nil && (stack.Missing(err) || errors.Is(err, errLacking)):
		fmt.Fprintln(errs, "faults:", err)
		return exitMissing
	case err != nil:
		fmt.Fprintln(errs, "faults:", err)
		return exitBroken
	case slices.ContainsFunc(results, func(r result) bool { return r.broken() }):
		return exitBroken
	}
	return exitHeld
}

// errLacking says that the machine lacks what a scenario needs.
var errLacking = errors.New("this machine lacks something")

// trial is one run of this program.
type trial struct {
	o       options
	out     io.Writer
	folder  string
	servers *servers
}

// say prints progress.
func (t *trial) say(text string) {
	if t.o.verbose {
		fmt.Fprintf(t.out, "  %s  %s\n", time.Now().Format("15:04:05.000"), text)
	}
}

// runAll runs what the options say. Each round that is over is printed at once.
func runAll(ctx context.Context, o options, out io.Writer) (results []result, err error) {
	t := &trial{o: o, out: out}
	if t.folder, err = os.MkdirTemp("", "ampra-faults-"); err != nil {
		return nil, err
	}
	t.servers = &servers{folder: t.folder, own: map[string]*stack.Private{}, links: map[string]*link{}, say: t.say}
	defer func() {
		for _, s := range t.servers.own {
			_ = s.Kill() // its data go, too
		}
		for _, l := range t.servers.links {
			l.close()
		}
		if o.keep {
			fmt.Fprintln(out, "data and logs are in", t.folder)
			return
		}
		_ = os.RemoveAll(t.folder)
	}()
	if len(o.scenarios) > 0 {
		for _, s := range scenarios() {
			if !slices.Contains(o.scenarios, s.name) || ctx.Err() != nil {
				continue
			}
			r, err := t.scenario(ctx, s)
			if err != nil {
				return results, fmt.Errorf("%s: %w", s.name, err)
			}
			results = append(results, r)
			printResult(out, r)
		}
		return results, ctx.Err()
	}
	for _, profile := range o.profiles {
		err := t.rounds(ctx, profile, func(r result) {
			results = append(results, r)
			printResult(out, r)
		})
		if err != nil {
			return results, fmt.Errorf("%s: %w", profile, err)
		}
	}
	return results, nil
}

// rounds runs the rounds of a profile on one installation.
func (t *trial) rounds(ctx context.Context, profile string, tell func(result)) error {
	h, err := t.house(ctx, profile, nil)
	if err != nil {
		return err
	}
	for i := range t.o.rounds {
		if ctx.Err() != nil {
			break
		}
		seed := t.o.seed + uint64(i)
		fmt.Fprintf(t.out, "%s  %s, round %d of %d, seed %d\n", time.Now().Format(time.TimeOnly), profile, i+1, t.o.rounds, seed)
		r := h.round(ctx, seed, t.o, t.say)
		tell(r)
	}
	return errors.Join(ctx.Err(), h.close())
}

// house builds an installation with the servers that its profile needs.
func (t *trial) house(ctx context.Context, profile string, more map[string]string) (*house, error) {
	return t.houseOf(ctx, profile, more, "")
}

// houseOf is house whose processes run a program.
func (t *trial) houseOf(ctx context.Context, profile string, more map[string]string, program string) (*house, error) {
	folder, err := os.MkdirTemp(t.folder, profile+"-")
	if err != nil {
		return nil, err
	}
	switch profile {
	case scale:
		err = t.servers.start(ctx, stack.OwnPostgres, stack.OwnMongo, stack.OwnKafka)
	case mosquitto:
		err = t.servers.start(ctx, stack.OwnPostgres, stack.OwnMongo, stack.OwnKafka, stack.OwnMosquitto)
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	h, err := build(ctx, profile, filepath.Clean(folder), t.servers, more, program)
	if err != nil {
		if h != nil {
			err = errors.Join(err, h.close())
		}
		return nil, err
	}
	t.say(fmt.Sprintf("%s installation ready in %s", profile, time.Since(began).Round(100*time.Millisecond)))
	return h, nil
}
