package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// fileSettings gives settings from the YAML file that --config or AMPRA_CONFIG
// names. Keys may be nested or dotted: "http: {listen: ...}" and "http.listen:
// ..." are the same. A key that is no setting is an error.
type fileSettings struct{ values map[string]any }

var _ kong.Resolver = (*fileSettings)(nil)

// Validate has nothing to do: the library calls it after it has asked for all
// values, when read has long checked them.
func (*fileSettings) Validate(*kong.Application) error { return nil }

// read reads the file, if there is a path, and checks its keys against the
// settings.
func (f *fileSettings) read(path string, app *kong.Application) error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the settings file that --config or AMPRA_CONFIG names: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return fmt.Errorf("settings file %s: %w", path, err)
	}
	values := map[string]any{}
	if err := flatten("", tree, values); err != nil {
		return fmt.Errorf("settings file %s: %w", path, err)
	}
	known := map[string]bool{}
	for _, flag := range app.Flags {
		known[flag.Name] = true
	}
	var unknown []string
	for name := range values {
		if !known[name] || name == "config" || name == "help" {
			unknown = append(unknown, strings.ReplaceAll(name, "-", "."))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("settings file %s: %s is no setting; 'ampra config' shows those that are", path, strings.Join(unknown, ", "))
	}
	f.values = values
	return nil
}

// Resolve gives a setting from the file, unless the environment has it.
func (f *fileSettings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil //nolint:nilnil // what kong takes for "not here"
		}
	}
	value, ok := f.values[flag.Name]
	if !ok {
		return nil, nil //nolint:nilnil // what kong takes for "not here"
	}
	return value, nil
}

// flatten turns nested and dotted keys into flag names.
func flatten(prefix string, tree map[string]any, into map[string]any) error {
	for key, value := range tree {
		name := prefix + strings.ReplaceAll(key, ".", "-")
		switch v := value.(type) {
		case map[string]any:
			if err := flatten(name+"-", v, into); err != nil {
				return err
			}
		case []any:
			parts := make([]string, len(v))
			for i, part := range v {
				parts[i] = fmt.Sprint(part)
			}
			into[name] = strings.Join(parts, ",")
		case nil:
			return errors.New(strings.ReplaceAll(name, "-", ".") + " has no value")
		default:
			into[name] = fmt.Sprint(v)
		}
	}
	return nil
}

// configPath finds the file's name before the flags are parsed: the flag first,
// then the environment.
func configPath(args []string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			return value
		}
		if arg == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return os.Getenv("AMPRA_CONFIG")
}
