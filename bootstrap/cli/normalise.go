package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	_ "time/tzdata" // --zone, also where the machine knows none

	"github.com/google/uuid"

	"ampra/core/payload"
	"ampra/core/telemetry"
	"ampra/modules/settings"
)

// normaliseCmd shows what is understood of files. It needs no server.
type normaliseCmd struct {
	Files    []string `arg:"" optional:"" name:"file" help:"Payloads as devices send them; - reads from standard input."`
	Zone     string   `help:"The site's time zone, for local times (an IANA name)." placeholder:"NAME"`
	Profile  string   `help:"Read by this profile instead of recognising one; 'list' shows all." placeholder:"NAME"`
	Topic    string   `help:"The rest of the topic on which it came, for values on topics of their own." placeholder:"TOPIC"`
	Meter    string   `help:"Where a bare meter stands: grid, output or load." placeholder:"PLACE"`
	Accuracy string   `help:"Read all fixtures of a folder with vendors' profiles switched off, and count against their golden files." type:"existingdir" placeholder:"FOLDER"`
}

// Run exits with 0 when something was understood of every file, else with 1.
func (n normaliseCmd) Run(_ context.Context, to streams) error {
	switch {
	case n.Profile == "list":
		for _, name := range payload.Profiles() {
			if _, err := fmt.Fprintln(to.out, name); err != nil {
				return err
			}
		}
		return nil
	case n.Accuracy != "":
		return accuracy(to.out, n.Accuracy)
	case len(n.Files) == 0:
		return errors.New("name a file, or - for standard input")
	}
	in, err := n.intake()
	if err != nil {
		return err
	}
	failed := false
	for _, file := range n.Files {
		data, err := readFile(file)
		if err != nil {
			return err
		}
		understood := settings.Understand(data, in)
		failed = failed || len(understood.Readings) == 0
		if err := show(to.out, file, understood); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("nothing was understood of at least one file")
	}
	return nil
}

func readFile(name string) ([]byte, error) {
	const most = 16 << 20
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, most))
	}
	return os.ReadFile(name)
}

func (n normaliseCmd) intake() (telemetry.Intake, error) {
	in := telemetry.Intake{SourceID: uuid.Nil, ReceivedAt: telemetry.Truncate(time.Now()), Name: n.Topic, Profile: n.Profile}
	if n.Zone != "" {
		zone, err := time.LoadLocation(n.Zone)
		if err != nil {
			return in, fmt.Errorf("--zone must be an IANA time zone such as Europe/Berlin: %w", err)
		}
		in.Zone = zone
	}
	if n.Profile != "" && !slices.Contains(payload.Profiles(), n.Profile) {
		return in, fmt.Errorf("--profile must be one of: %s", strings.Join(payload.Profiles(), ", "))
	}
	meter, ok := payload.ParseMeter(n.Meter)
	if !ok {
		return in, errors.New("--meter must be grid, output or load")
	}
	in.Meter = meter
	return in, nil
}

// show writes what was understood, for people.
func show(out io.Writer, file string, u settings.Understood) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // Flush tells
	format := u.Format
	if format == "" {
		format = "none: canonical names or general rules"
	}
	p("%s\nformat: %s\n", file, format)
	if u.Problem != "" {
		p("refused: %s\n", u.Problem)
	}
	for i, r := range u.Readings {
		p("\nreading at %s\n", r.Timestamp.Format("2006-01-02T15:04:05.000Z07:00"))
		for _, e := range u.Fields[i] {
			rule := e.Rule
			if rule == "" {
				rule = "canonical name"
			}
			if e.Assumed {
				rule += ", assumed"
			}
			p("  %s\t%s\t%s\t%s\n", e.Field, valueOf(&r, e.Field), rule, strings.Join(e.From, " + "))
		}
		for _, name := range sortedNames(r.Extra) {
			p("  extra\t%.10g\tno rule\t%s\n", r.Extra[name], name)
		}
	}
	for _, r := range u.Rejected {
		p("rejected %d: %s\n", r.Index, r.Reason)
	}
	for _, x := range u.Warnings {
		p("warning %d: %s %s\n", x.Index, x.Field, x.Reason)
	}
	if u.DroppedExtra > 0 {
		p("left out, beyond the limits: %d\n", u.DroppedExtra)
	}
	p("\n")
	return w.Flush()
}

func sortedNames(m map[string]float64) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// valueOf is the value of a field by its name.
func valueOf(r *telemetry.Reading, field string) string {
	if f, ok := telemetry.FieldNamed(field); ok {
		number, _ := r.Values.Get(f)
		return fmt.Sprintf("%.10g", number)
	}
	switch field {
	case "timestamp":
		return r.Timestamp.Format(time.RFC3339)
	case "status.code":
		return fmt.Sprint(*r.Status.Code)
	case "status.text":
		return fmt.Sprintf("%q", *r.Status.Text)
	}
	lines, index, part := r.Strings, 0, ""
	if strings.HasPrefix(field, "phases") {
		lines = r.Phases
	}
	_, rest, _ := strings.Cut(field, "[")
	if _, err := fmt.Sscanf(rest, "%d].%s", &index, &part); err != nil || index >= len(lines) {
		return ""
	}
	number := map[string]*float64{
		"voltageVolts": lines[index].VoltageVolts, "currentAmperes": lines[index].CurrentAmperes, "powerWatts": lines[index].PowerWatts,
	}[part]
	if number == nil {
		return ""
	}
	return fmt.Sprintf("%.10g", *number)
}

// tally counts fields of one vendor.
type tally struct{ right, wrong, missing, invented int }

// accuracy reads FOLDER/VENDOR/CASE.json and .txt by general rules alone, where
// CASE.golden says that a vendor's profile reads it, and counts the numeric fields.
func accuracy(out io.Writer, folder string) error {
	goldens, err := filepath.Glob(filepath.Join(folder, "*", "*.golden"))
	if err != nil {
		return err
	}
	vendors := map[string]*tally{}
	var all tally
	for _, golden := range goldens {
		if err := compareFixture(golden, vendors, &all); err != nil {
			return err
		}
	}
	if len(vendors) == 0 {
		return fmt.Errorf("there are no fixtures with a profile in %s", folder)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // Flush tells
	p("vendor\tright\twrong\tmissing\tinvented\t\n")
	names := make([]string, 0, len(vendors))
	for name := range vendors {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t := vendors[name]
		p("%s\t%d\t%d\t%d\t%d\t\n", name, t.right, t.wrong, t.missing, t.invented)
	}
	p("all\t%d\t%d\t%d\t%d\t\n", all.right, all.wrong, all.missing, all.invented)
	return w.Flush()
}

// compareFixture counts one fixture.
func compareFixture(golden string, vendors map[string]*tally, all *tally) error {
	text, err := os.ReadFile(golden)
	if err != nil {
		return err
	}
	profile, samples := readGolden(string(text))
	if len(samples) == 0 || !slices.Contains(payload.Profiles(), profile) {
		return nil
	}
	base := strings.TrimSuffix(golden, ".golden")
	data, err := os.ReadFile(base + ".json")
	if errors.Is(err, os.ErrNotExist) {
		data, err = os.ReadFile(base + ".txt")
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // values on topics of their own, which a file of one payload is not
	}
	if err != nil {
		return err
	}
	o := payload.Options{Received: time.Date(2026, time.June, 14, 10, 0, 30, 0, time.UTC), Profile: payload.General}
	result, err := payload.Normalise(data, o)
	if err != nil {
		result = payload.Result{} // all of it is missing
	}
	one := vendors[profile]
	if one == nil {
		one = &tally{}
		vendors[profile] = one
	}
	for i, want := range samples {
		var got payload.Sample
		if i < len(result.Samples) {
			got = result.Samples[i]
		}
		for f := range payload.Field(payload.NumFields) {
			value, known := got.Get(f)
			text, expected := want[f.String()]
			for _, t := range []*tally{one, all} {
				switch {
				case expected && !known:
					t.missing++
				case expected && fmt.Sprintf("%.10g", value) == text:
					t.right++
				case expected:
					t.wrong++
				case known:
					t.invented++
				}
			}
		}
	}
	return nil
}

// readGolden reads the profile and each sample's fields with their values.
func readGolden(text string) (profile string, samples []map[string]string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "profile:":
			profile = strings.Join(words[1:], " ")
		case len(words) > 0 && words[0] == "sample":
			samples = append(samples, map[string]string{})
		case len(words) > 1 && strings.HasPrefix(line, "  ") && len(samples) > 0:
			samples[len(samples)-1][words[0]] = words[1]
		}
	}
	return profile, samples
}
