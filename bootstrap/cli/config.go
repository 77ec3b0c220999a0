package cli

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"ampra/bootstrap"
)

type configCmd struct{}

// Run prints every setting with its value, passwords hidden, and where it comes
// from.
func (configCmd) Run(_ *bootstrap.Config, s streams, ctx *kong.Context) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVARIABLE\tVALUE\tFROM\tMEANING")
	given := map[string]bool{}
	for _, path := range ctx.Path {
		if path.Flag != nil && !path.Resolved {
			given[path.Flag.Name] = true
		}
	}
	file := map[string]bool{}
	for _, path := range ctx.Path {
		if path.Flag != nil && path.Resolved {
			file[path.Flag.Name] = true
		}
	}
	for _, flag := range ctx.Model.Flags {
		if flag.Name == "help" {
			continue
		}
		from := "default"
		switch {
		case given[flag.Name]:
			from = "flag"
		case inEnvironment(flag.Envs):
			from = "environment"
		case file[flag.Name]:
			from = "file"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			strings.ReplaceAll(flag.Name, "-", "."), strings.Join(flag.Envs, ","), bootstrap.Masked(shown(flag)), from, meaning(flag.Help))
	}
	return table.Flush()
}

// shown is a setting's value as it can be set: lists with commas, durations with
// days.
func shown(flag *kong.Flag) string {
	if d, ok := reflect.TypeAssert[time.Duration](flag.Target); ok {
		return bootstrap.DurationText(d)
	}
	if flag.Target.Kind() != reflect.Slice {
		return fmt.Sprint(flag.Target.Interface())
	}
	parts := make([]string, flag.Target.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(flag.Target.Index(i).Interface())
	}
	return strings.Join(parts, ",")
}

// meaning is the first sentence of a help text. What follows a dot with a small
// letter, as after "e.g.", is still the same sentence.
func meaning(help string) string {
	for i := range len(help) - 2 {
		if help[i:i+2] == ". " && unicode.IsUpper(rune(help[i+2])) {
			return help[:i]
		}
	}
	return strings.TrimSuffix(help, ".")
}

func inEnvironment(names []string) bool {
	for _, name := range names {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return false
}
