package cli

import (
	"strings"
	"testing"
)

func TestANewcomerIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"the defaults of settings":     {[]string{"--help"}, ExitOK, "[:8080]"},
		"no accounts yet":              {[]string{"users", "list", "--data=" + t.TempDir()}, ExitOK, "ampra users add"},
		"a settings file that is away": {[]string{"config", "--config=" + t.TempDir() + "/none.yaml"}, ExitUsage, "--config"},
		"a flag with a typing error":   {[]string{"--http-listn=:1"}, ExitUsage, "did you mean"},
		"a command cut short":          {[]string{"serv"}, ExitUsage, `argument serv, did you mean one of "serve"`},
		"a command in the singular":    {[]string{"user", "list"}, ExitUsage, `argument user, did you mean "users"?`},
		"a part of a command":          {[]string{"users", "lst"}, ExitUsage, `argument lst, did you mean "list"?`},
		"one after a setting":          {[]string{"--log-level=warn", "dmeo"}, ExitUsage, `argument dmeo, did you mean "demo"?`},
		"a duration with a wrong unit": {[]string{"--retention=3w"}, ExitUsage, `--retention: expected a duration such as 90d, 1d12h, 15m or 30s but got "3w"`},
		"one of a command's own":       {[]string{"simulate", "--interval=10"}, ExitUsage, `--interval: expected a duration such as`},
		"a duration that is too short": {[]string{"--retention=30m"}, ExitUsage, `--retention (AMPRA_RETENTION) is "30m", expected 0 (for ever) or at least 1h`},
		"days in the list of settings": {[]string{"config", "--retention=2160h"}, ExitOK, "  90d "},
		"help as a word":               {[]string{"help"}, ExitOK, "Usage: ampra <command>"},
		"help with a command":          {[]string{"help", "users", "add"}, ExitOK, "Usage: ampra users add <email>"},
		"a word like no command":       {[]string{"photosynthesis"}, ExitUsage, "unexpected argument photosynthesis"},
	} {
		out := &screen{}
		if code := Run(t.Context(), c.args, "v-test", out, out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: code %d, said %s", name, code, out)
		}
	}
}

func TestACommandsOwnFlagsComeBeforeTheSettingsInItsHelp(t *testing.T) {
	t.Parallel()
	for command, own := range map[string][]string{
		"simulate": {"--config", "--url", "--speed", "--max-outage"}, "demo": {"--keep"}, "migrate up": {"--mongo-initiate"},
	} {
		out := &screen{}
		if code := Run(t.Context(), append(strings.Fields(command), "--help"), "v-test", out, out); code != ExitOK {
			t.Fatalf("%s --help: code %d, said %s", command, code, out)
		}
		first, settings, grouped := strings.Cut(out.String(), "Settings of the server:")
		for _, flag := range own {
			if !strings.Contains(first, flag+"=") && !strings.Contains(first, flag+" ") {
				t.Errorf("%s --help does not show %s before the settings", command, flag)
			}
		}
		if !grouped || strings.Contains(first, "--http-listen=") || !strings.Contains(settings, "--http-listen=") || !strings.Contains(settings, "--limit-user-bytes-burst=") {
			t.Errorf("%s --help does not keep the settings together", command)
		}
	}
}

func TestTheHelpOfACommandShowsAnExampleOfIt(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"users", "users add", "users list", "keys", "keys generate", "keys rotate", "migrate", "migrate up", "migrate down", "migrate status",
		"rollup rebuild", "config", "simulate",
	} {
		out := &screen{}
		if code := Run(t.Context(), append(strings.Fields(command), "--help"), "v-test", out, out); code != ExitOK {
			t.Fatalf("%s --help: code %d, said %s", command, code, out)
		}
		said := strings.Join(strings.Fields(out.String()), " ")
		_, example, shown := strings.Cut(said, "Example: ")
		if !shown || !strings.Contains(example, "ampra "+command) {
			t.Errorf("%s --help shows no example of it: %.300s", command, said)
		}
	}
}
