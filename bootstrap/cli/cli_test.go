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
	} {
		out := &screen{}
		if code := Run(t.Context(), c.args, "v-test", out, out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: code %d, said %s", name, code, out)
		}
	}
}
