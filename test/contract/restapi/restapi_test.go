package restapi_test

import (
	"log/slog"
	"testing"

	"ampra/test/contract/restapi"
)

func TestTheAPIKeepsItsContract(t *testing.T) {
	t.Parallel()
	restapi.REST(t, func(t *testing.T) restapi.Site {
		t.Helper()
		return serve(t, "http://ampra.example", func(*slog.Logger) stores {
			s, _ := inMemory()
			return s
		})
	})
}

func TestTheAPIKeepsItsContractUnderHTTPSAndOnSQLite(t *testing.T) {
	t.Parallel()
	restapi.REST(t, func(t *testing.T) restapi.Site {
		t.Helper()
		return serve(t, "https://ampra.example:8443", func(log *slog.Logger) stores { return onSQLite(t, log) })
	})
}
