package simulate

import (
	"errors"
	"strings"
	"testing"
)

func TestAPassingProblemIsNamedOnce(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out)
	p.complain(0, nil)
	refused := errors.New("connection refused")
	p.complain(1, refused)
	p.complain(2, refused)
	p.complain(3, errors.New("no such host"))
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "connection refused") || !strings.Contains(got, "no such host") {
		t.Errorf("it said %q", got)
	}
}
