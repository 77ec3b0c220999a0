//go:build unix

package mqttbroker

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(fleetVariable) != "" {
		if err := runFleet(); err != nil {
			fmt.Fprintln(os.Stderr, "the fleet:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
