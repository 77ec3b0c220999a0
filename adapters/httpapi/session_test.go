package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestABearerIsToldFromOtherSchemes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer ampra_x": "ampra_x", "bearer ampra_x": "ampra_x", "BEARER  ampra_x ": "ampra_x", "Bearer": "", "Bearer ": "",
	} {
		if got, ok := bearer(header); !ok || got != want {
			t.Errorf("%q gives %q, %t", header, got, ok)
		}
	}
	for _, header := range []string{"", "Basic eDp5", "Bearerampra_x", "ampra_x", "Digest Bearer"} {
		if got, ok := bearer(header); ok {
			t.Errorf("%q gives the bearer %q", header, got)
		}
	}
}

func TestOnlyTheMachineItselfIsLoopback(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), map[string]func(*call) error{
		"GET /loopback": func(c *call) error { return c.answer(200, c.loopback()) },
	})
	for headers, want := range map[string]bool{
		"Host: localhost:8080": true, "Host: 127.0.0.1": true, "Host: [::1]:8080": true, "Host: anything": true,
		"Host: localhost\r\nX-Forwarded-For: 1.2.3.4": false, "Host: localhost\r\nx-forwarded-proto: https": false, "Host: localhost\r\nForwarded:": false,
		"Host: localhost\r\nVia: 1.1 x": false, "Host: localhost\r\nX-Real-Ip: 127.0.0.1": false,
		"Host: localhost:8080\r\nOrigin: http://localhost:8080": true, "Host: 127.0.0.1:8080\r\nSec-Fetch-Site: none": true,
		"Host: ampra.example\r\nOrigin: http://ampra.example":             true,
		"Host: attacker.example\r\nOrigin: http://attacker.example":       false,
		"Host: attacker.example:8080\r\nSec-Fetch-Site: same-origin":      false,
		"Host: localhost.attacker.example\r\nSec-Fetch-Site: same-origin": false,
		"Host: 127.0.0.1.attacker.example\r\nOrigin: http://whatever":     false,
	} {
		answer := r.raw(t, "GET /loopback HTTP/1.1\r\n"+headers+"\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(answer, fmt.Sprint(want)) {
			t.Errorf("%q: %q, want %t", headers, answer, want)
		}
	}
}
