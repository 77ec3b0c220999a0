package arch

import (
	"strings"
	"testing"
)

func TestTheImportTableRefusesWhatTheDesignForbids(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string
		test     bool
		want     string // part of the reason; "" where the import is allowed
	}{
		"core may use the standard library that computes": {from: "core/fault", to: "errors"},
		"core may parse addresses":                        {from: "core/fault", to: "net/url"},
		"core does not open connections":                  {from: "core/fault", to: "net", want: "no I/O"},
		"core does not serve":                             {from: "core/fault", to: "net/http", want: "no I/O"},
		"core does not read files":                        {from: "core/fault", to: "os", want: "no I/O"},
		"core does not start programs":                    {from: "core/fault", to: "os/exec", want: "no I/O"},
		"core does not draw":                              {from: "core/identity", to: "crypto/rand", want: "no I/O"},
		"core does not log":                               {from: "core/fault", to: "log/slog", want: "no log"},
		"a secret hides from the log":                     {from: "core/credential", to: "log/slog"},
		"core knows no database":                          {from: "core/tariff", to: "database/sql", want: "no I/O"},
		"core knows ids":                                  {from: "core/tariff", to: "github.com/google/uuid"},
		"core knows no framework":                         {from: "core/tariff", to: "github.com/gofiber/fiber/v2", want: "not one of the vendors"},
		"core knows no JSON library":                      {from: "core/tariff", to: "github.com/go-json-experiment/json", want: "not one of the vendors"},
		"core imports what is below":                      {from: "core/credential", to: "ampra/core/sunsource"},
		"core does not point up":                          {from: "core/sunsource", to: "ampra/core/credential", want: "points back up"},
		"core does not point up into the base":            {from: "core/fault", to: "ampra/core/actor", want: "points back up"},
		"core's tests may look from above":                {from: "core/fault", to: "ampra/core/actor", test: true},
		"core knows no unlisted concept":                  {from: "core/tariff", to: "ampra/core/misc", want: "not in the order"},
		"core knows no module":                            {from: "core/tariff", to: "ampra/modules/tariffs", want: "core imports core only"},
		"core's tests know no module either":              {from: "core/tariff", to: "ampra/modules/tariffs", test: true, want: "core imports core only"},

		"a module imports core":                     {from: "modules/tariffs", to: "ampra/core/tariff"},
		"a module imports no other":                 {from: "modules/telemetry/ingest", to: "ampra/modules/telemetry/query", want: "core only"},
		"a module imports no adapter":               {from: "modules/tariffs", to: "ampra/adapters/sqldb", want: "core only"},
		"a module's test imports no adapter":        {from: "modules/tariffs", to: "ampra/adapters/sqldb", test: true, want: "core only"},
		"a module's test imports fakes":             {from: "modules/tariffs", to: "ampra/test/fake", test: true},
		"a module does not import fakes":            {from: "modules/tariffs", to: "ampra/test/fake", want: "_test.go files only"},
		"a module imports no driver":                {from: "modules/tariffs", to: "github.com/uptrace/bun", want: "not one of the vendors"},
		"a module opens no file":                    {from: "modules/tariffs", to: "os", want: "adapter's work"},
		"a module may log":                          {from: "modules/tariffs", to: "log/slog"},
		"a module may wait for several at once":     {from: "modules/tariffs", to: "golang.org/x/sync/errgroup"},
		"a module's test may look for leaks":        {from: "modules/tariffs", to: "go.uber.org/goleak", test: true},
		"the product does not look for leaks":       {from: "modules/tariffs", to: "go.uber.org/goleak", want: "not one of the vendors"},
		"the product does not import testing":       {from: "adapters/kafka", to: "testing", want: "_test.go files only"},
		"the product does not import testing tools": {from: "bootstrap", to: "testing/synctest", want: "_test.go files only"},

		"an adapter imports core":                      {from: "adapters/kafka", to: "ampra/core/telemetry"},
		"an adapter imports its own parts":             {from: "adapters/sqldb", to: "ampra/adapters/sqldb/row"},
		"a part of an adapter imports the adapter":     {from: "adapters/sqldb/row", to: "ampra/adapters/sqldb"},
		"an adapter imports no other":                  {from: "adapters/httpapi", to: "ampra/adapters/webhook", want: "no adapter imports another"},
		"an adapter's test imports no other":           {from: "adapters/httpapi", to: "ampra/adapters/sqldb", test: true, want: "no adapter imports another"},
		"names that begin alike are not one":           {from: "adapters/mqtt", to: "ampra/adapters/mqttbroker", want: "no adapter imports another"},
		"a driving adapter calls use cases":            {from: "adapters/httpapi", to: "ampra/modules/tariffs"},
		"a driven adapter calls none":                  {from: "adapters/sqldb", to: "ampra/modules/tariffs", want: "no use case"},
		"an adapter knows no settings":                 {from: "adapters/sqldb", to: "ampra/bootstrap", want: "given what it needs"},
		"an adapter uses its own vendor":               {from: "adapters/sqldb", to: "github.com/uptrace/bun/dialect/pgdialect"},
		"an adapter uses no other's vendor":            {from: "adapters/mongodb", to: "github.com/uptrace/bun", want: "not one of the vendors"},
		"the former driver is another vendor":          {from: "adapters/mongodb", to: "go.mongodb.org/mongo-driver/bson", want: "not one of the vendors"},
		"a store's adapter reads the schema":           {from: "adapters/sqldb", to: "ampra/migrations"},
		"no other adapter reads the schema":            {from: "adapters/kafka", to: "ampra/migrations", want: "the schema belongs"},
		"an adapter's test may use another client":     {from: "adapters/mqttbroker", to: "github.com/eclipse/paho.golang/paho", test: true},
		"only argon2 of the cryptography is allowed":   {from: "adapters/argon2", to: "golang.org/x/crypto/bcrypt", want: "not one of the vendors"},
		"containers are started in one place":          {from: "test/e2e", to: "github.com/testcontainers/testcontainers-go", want: "test/stack only"},
		"containers are started by no test either":     {from: "adapters/sqldb", to: "github.com/testcontainers/testcontainers-go", test: true, want: "test/stack only"},
		"containers are started in the stack's folder": {from: "test/stack", to: "github.com/testcontainers/testcontainers-go"},

		"bootstrap imports adapters":            {from: "bootstrap", to: "ampra/adapters/sqldb"},
		"bootstrap imports its own parts":       {from: "bootstrap/cli", to: "ampra/bootstrap"},
		"bootstrap imports no test":             {from: "bootstrap", to: "ampra/test/fake", want: "_test.go files only"},
		"bootstrap reads the command line":      {from: "bootstrap/cli", to: "github.com/alecthomas/kong"},
		"bootstrap does no one's work":          {from: "bootstrap", to: "github.com/segmentio/kafka-go", want: "not one of the vendors"},
		"main calls the command line":           {from: "", to: "ampra/bootstrap/cli"},
		"main calls nothing else":               {from: "", to: "ampra/core/fault", want: "only calls bootstrap"},
		"main has no vendor":                    {from: "", to: "github.com/alecthomas/kong", want: "not one of the vendors"},
		"migrations embed":                      {from: "migrations", to: "embed"},
		"migrations show a part of their files": {from: "migrations", to: "io/fs"},
		"migrations run nothing":                {from: "migrations", to: "database/sql", want: "run nothing"},
		"migrations import nothing of ours":     {from: "migrations", to: "ampra/core/fault", want: "nothing of the house"},
		"test imports all":                      {from: "test/e2e", to: "ampra/bootstrap"},
		"test uses any vendor":                  {from: "test/e2e", to: "github.com/segmentio/kafka-go"},
		"test imports test":                     {from: "test/e2e", to: "ampra/test/stack"},
		"names that begin like the module's":    {from: "core/fault", to: "amprax/core"},
		"names that begin like a folder's name": {from: "core/fault", to: "oscar"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refusal(c.from, c.to, c.test)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%s imports %s (test: %t): got %q, want %q", c.from, c.to, c.test, got, c.want)
			}
		})
	}
}

func TestTheCheckOfImportsNamesEachViolation(t *testing.T) {
	t.Parallel()
	got := checkImports([]pkg{
		{ImportPath: "ampra", Imports: []string{"ampra/bootstrap/cli"}},
		{ImportPath: "ampra/core/misc"},
		{ImportPath: "ampra/adapters/redis"},
		{ImportPath: "ampra/utils"},
		{ImportPath: "ampra/modules/tariffs", Imports: []string{"os"}, TestImports: []string{"os"}, XTestImports: []string{"ampra/bootstrap"}},
	})
	want := []string{
		"ampra/core/misc: is not in the order",
		"ampra/adapters/redis: is not listed",
		"ampra/utils: is in no room",
		"ampra/modules/tariffs imports os: ",
		"ampra/modules/tariffs imports ampra/bootstrap: ",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d violations, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("violation %d: got %q, want it to begin with %q", i, got[i], want[i])
		}
	}
}
