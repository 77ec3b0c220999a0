package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"ampra/bootstrap"

	"github.com/alecthomas/kong"
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
		value := fmt.Sprint(flag.Target.Interface())
		value = bootstrap.Masked(strings.Trim(value, "[]"))
		meaning, _, _ := strings.Cut(flag.Help, ". ")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			strings.ReplaceAll(flag.Name, "-", "."), strings.Join(flag.Envs, ","), value, from, strings.TrimSuffix(meaning, "."))
	}
	return table.Flush()
}

func inEnvironment(names []string) bool {
	for _, name := range names {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return false
}
