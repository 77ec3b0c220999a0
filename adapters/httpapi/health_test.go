package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestReadinessSaysWhyAPartIsAwayWithoutTellingWhere(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("pinging mongodb://user:hush@10.0.0.1: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	for name, c := range map[string]struct {
		results map[string]error
		status  int
		want    string
	}{
		"all are there":                 {map[string]error{"records": nil}, 200, `{"status":"ready","checks":{"records":"ok"}}`},
		"one that is needed is away":    {map[string]error{"archive": refused, "records": nil}, 503, `"checks":{"archive":"away: the connection is refused","records":"ok"}`},
		"one that is not needed, too":   {map[string]error{"archive": Spared{refused}}, 200, `{"status":"degraded","checks":{"archive":"away: the connection is refused"}}`},
		"one is slow":                   {map[string]error{"journal": context.DeadlineExceeded}, 503, `"journal":"away: no answer in time"`},
		"one has an unknown name":       {map[string]error{"journal": &net.DNSError{Err: "no such host", Name: "secret.local"}}, 503, `"journal":"away: its name is not known"`},
		"one is out of reach":           {map[string]error{"journal": &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}}, 503, `"journal":"away: it can't be reached"`},
		"one breaks the connection":     {map[string]error{"journal": fmt.Errorf("x: %w", syscall.ECONNRESET)}, 503, `"journal":"away: the connection broke"`},
		"one fails for another reason":  {map[string]error{"journal": errors.New("hush")}, 503, `"journal":"away: it does not work"`},
		"the needed one decides of two": {map[string]error{"a": Spared{refused}, "b": refused}, 503, `"b":"away: the connection is refused"`},
	} {
		r := newRig(t, testConfig(), nil)
		r.server.d.Ready = func(context.Context) map[string]error { return c.results }
		answer := r.raw(t, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		response, _ := parse(t, answer)
		if response.StatusCode != c.status || !strings.Contains(answer, c.want) || (c.status == 503) != (response.Header.Get("Retry-After") != "") {
			t.Errorf("%s: the answer is %s", name, answer)
		}
		for _, secret := range []string{"hush", "10.0.0.1", "secret.local"} {
			if strings.Contains(answer, secret) {
				t.Errorf("%s: the answer tells %q", name, secret)
			}
		}
	}
}

func TestTheServersAddressPointsToItsDocsAndHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	answer := r.raw(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	response, _ := parse(t, answer)
	if response.StatusCode != 200 || !strings.Contains(answer, `"docs":"/api/docs"`) || !strings.Contains(answer, `"health":"/healthz"`) {
		t.Errorf("the answer is %s", answer)
	}
}
