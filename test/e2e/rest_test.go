package e2e

import (
	"net"
	"strconv"
	"testing"

	"ampra/test/contract/restapi"
)

func TestTheAPIKeepsItsPromisesInTheBinary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		profile string
		open    func(t *testing.T) *house
	}{
		{"embedded", func(t *testing.T) *house { return embedded(t, nil) }},
		{"scale", func(t *testing.T) *house { return scale(t, nil) }},
	} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			restapi.REST(t, func(t *testing.T) restapi.Site {
				t.Helper()
				s := c.open(t).startAll().api()
				_, port, _ := net.SplitHostPort(s.mqttTLS)
				number, err := strconv.Atoi(port)
				if err != nil {
					t.Fatal(err)
				}
				return restapi.Site{
					URL: s.url(), PublicURL: s.url(), MQTTHost: "127.0.0.1", MQTTPort: number, Logs: s.log.String,
				}
			})
		})
	}
}
