// Command load measures Ampra: it starts what it needs on loopback, lets devices
// send, counts every reading back, and prints one table in which each case has
// its limit beside it. docs/performance.md says how to read it.
//
// It judges nothing and changes nothing of the product; whether promises hold
// under faults is not its matter either.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	raiseFiles()
	if kind := os.Getenv(partVariable); kind != "" {
		os.Exit(runPart(kind))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are the flags.
type settings struct {
	cases            []string
	devices, growth  []int
	duration, warmup time.Duration
	rate, hookRate   int
	backlog, insert  int
	storm, fleet     int
	streams, days    int
	profiles         string
}

// caseNames are all cases, in the order in which they are run.
func caseNames() []string {
	return []string{"mqtt", "mosquitto", "embedded", "limits", "webhook", "drain", "storm", "growth", "overload", "fleet", "live", "year"}
}

// parse reads the flags.
func parse(args []string, errs io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(errs)
	cases := flags.String("case", "all", "cases, separated by commas: "+strings.Join(caseNames(), ", "))
	devices := flags.String("devices", "100,1000,10000", "how many devices send by MQTT, a case each")
	growth := flags.String("growth", "10,100,1000,10000", "how many sources a user has whose list is asked for")
	flags.DurationVar(&s.duration, "duration", time.Minute, "how long each case is measured")
	flags.DurationVar(&s.warmup, "warmup", 10*time.Second, "how long each case runs before")
	flags.IntVar(&s.rate, "rate", 10_000, "readings a second by MQTT; 0 sends as fast as they are acknowledged")
	flags.IntVar(&s.hookRate, "webhook-rate", 0, "readings a second by webhook; 0 sends as fast as they are acknowledged")
	flags.IntVar(&s.backlog, "backlog", 500_000, "readings that the writer drains")
	flags.IntVar(&s.insert, "insert", 500_000, "readings that the limits append and insert")
	flags.IntVar(&s.storm, "storm", 10_000, "devices that sign in at once")
	flags.IntVar(&s.fleet, "fleet", 50_000, "devices of the case fleet, a reading each every 10 s")
	flags.IntVar(&s.streams, "streams", 5000, "open streams of the case live")
	flags.IntVar(&s.days, "days", 365, "days of one source of the case year, a reading each 10 s")
	flags.StringVar(&s.profiles, "cpuprofile", "", "a folder for CPU profiles of the generator and of Ampra's processes")
	quick := flags.Bool("quick", false, "about 10 s a case, at 5,000 readings/s; flags beside it win")
	full := flags.Bool("full", false, "a backlog of 2 million")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	unless := func(name string, set func()) {
		if !given[name] {
			set()
		}
	}
	if *quick {
		unless("duration", func() { s.duration = 8 * time.Second })
		unless("warmup", func() { s.warmup = 2 * time.Second })
		unless("rate", func() { s.rate = 5000 })
		unless("backlog", func() { s.backlog = 200_000 })
		unless("insert", func() { s.insert = 200_000 })
		unless("days", func() { s.days = 30 })
	}
	if *full {
		unless("backlog", func() { s.backlog = 2_000_000 })
	}
	var err error
	if s.cases, err = chosen(*cases); err != nil {
		return s, err
	}
	if s.devices, err = numbers(*devices); err != nil {
		return s, fmt.Errorf("--devices: %w", err)
	}
	s.growth, err = numbers(*growth)
	if err != nil {
		return s, fmt.Errorf("--growth: %w", err)
	}
	if s.rate < 0 || s.hookRate < 0 || s.backlog < 1 || s.insert < 1 || s.storm < 1 || s.fleet < 1 || s.streams < 1 || s.days < 1 || s.duration <= 0 || s.warmup < 0 {
		return s, errors.New("durations and numbers must be above 0; rates 0 or above")
	}
	return s, nil
}

func chosen(text string) ([]string, error) {
	if text == "all" {
		return caseNames(), nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if !slices.Contains(caseNames(), name) {
			return nil, fmt.Errorf("--case: there is no %q, only %s", name, strings.Join(caseNames(), ", "))
		}
	}
	return names, nil
}

func numbers(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number above 0", part)
		}
		all = append(all, n)
	}
	return all, nil
}

// bench is one run of the program.
type bench struct {
	opt        settings
	errs       io.Writer
	folder     string
	lease      *lease
	scale      *house
	rows       []row
	loadBefore string
	// postgres, mongoURL and brokers are where the servers are, once known.
	postgres, mongoURL string
	brokers            []string
	pids               map[string]int
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	opt, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "load:", err)
		return 2
	}
	if err := measureAll(ctx, opt, out, errs); err != nil {
		fmt.Fprintln(errs, "load:", err)
		return 1
	}
	return 0
}

// measureAll runs the cases and prints the table, also of a run that failed.
func measureAll(ctx context.Context, opt settings, out, errs io.Writer) (err error) {
	b := &bench{opt: opt, errs: errs, lease: &lease{ctx: ctx, name: "TestLoad"}, loadBefore: loadAverage(), pids: map[string]int{}}
	if b.folder, err = os.MkdirTemp("", "ampra-load-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	if opt.profiles != "" {
		if err := os.MkdirAll(opt.profiles, 0o750); err != nil {
			return err
		}
	}
	acts := map[string]func(context.Context) error{
		"mqtt": b.mqttCase, "mosquitto": b.mosquittoCase, "embedded": b.embeddedCase, "limits": b.limitsCase,
		"webhook": b.webhookCase, "drain": b.drainCase, "storm": b.stormCase, "fleet": b.fleetCase, "growth": b.growthCase, "overload": b.overloadCase, "live": b.liveCase,
		"year": b.yearCase,
	}
	for _, name := range opt.cases {
		if failed := acts[name](ctx); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.conditions(context.WithoutCancel(ctx), out)
	fmt.Fprintln(out)
	err = errors.Join(err, printTable(out, b.rows))
	b.lease.close()
	return err
}

// most is the largest number of devices that a case needs.
func (b *bench) most() int {
	fleet := 0
	if slices.Contains(b.opt.cases, "fleet") {
		fleet = b.opt.fleet
	}
	return max(slices.Max(b.opt.devices), b.opt.storm, fleet, flatOutDevices)
}

// say tells what is measured now.
func (b *bench) say(name string, devices int) {
	if devices > 0 {
		name += fmt.Sprintf(", %d devices", devices)
	}
	fmt.Fprintf(b.errs, "load: %s  %s\n", time.Now().Format(time.TimeOnly), name)
}

// add keeps a line of the table.
func (b *bench) add(r row, err error) {
	if err != nil {
		r.note += "FAILED: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	b.rows = append(b.rows, r)
}

// profile is the file for a process's CPU profile; "" for none.
func (b *bench) profile(name string) string {
	if b.opt.profiles == "" {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,/", r) {
			return '-'
		}
		return r
	}, name)
	return filepath.Join(b.opt.profiles, fmt.Sprintf("%02d-%s.pprof", len(b.rows), name))
}

// pid remembers which process listens at an address.
func (b *bench) pid(address string) int {
	if address == "" {
		return 0
	}
	pid, known := b.pids[address]
	if !known {
		pid = listener(address)
		b.pids[address] = pid
	}
	return pid
}

func (b *bench) kafkaProcess() process {
	if len(b.brokers) == 0 {
		return process{name: "kafka"}
	}
	return process{name: "kafka", pid: b.pid(b.brokers[0])}
}

func (b *bench) mongoProcess() process {
	return process{name: "mongod", pid: b.pid(hostOf(b.mongoURL))}
}

func (b *bench) postgresProcess() process {
	return process{name: "postgres", pid: b.pid(hostOf(b.postgres))}
}
