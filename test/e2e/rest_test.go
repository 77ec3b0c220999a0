package e2e

import (
	"net"
	"strconv"
	"testing"

	"ampra/test/contract/restapi"
)

func TestTheAPIKeepsItsPromisesInTheBinary(t *testing.T) {
	onBoth(t, oneProcess, func(t *testing.T, open opener) {
		restapi.REST(t, func(t *testing.T) restapi.Site {
			t.Helper()
			s := open(t).startAll().api()
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
