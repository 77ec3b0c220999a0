package arch

// coreOrder is the order of the concepts: each may import those before it.
var coreOrder = []string{
	"fault", "actor", "clock", "transaction", "audit", "idempotency", "change", "patch",
	"energy", "payload",
	"identity",
	"powergroup",
	"sunsource",
	"credential", "telemetry", "series", "rollup", "device", "job", "live", "tariff", "weather", "sharing", "csvimport",
}

// coreDenied are the parts of the standard library that do I/O, log, read a
// clock's or a random source's state, or look at the machine. A folder stands
// for all below it.
var coreDenied = []string{
	"C", "crypto/rand", "database", "embed", "expvar", "flag", "io/fs", "io/ioutil", "log", "math/rand", "net", "os",
	"plugin", "runtime", "syscall", "testing", "unsafe",
}

// coreSpared are the exceptions to coreDenied: parts of it that only compute.
var coreSpared = []string{"net/mail", "net/netip", "net/url"}

// coreSpecial are exceptions for one package: a secret tells slog how it hides
// itself.
var coreSpecial = map[string][]string{"core/credential": {"log/slog"}}

// moduleDenied are the parts of the standard library that are an adapter's work.
var moduleDenied = []string{"database", "embed", "expvar", "flag", "net/http", "net/smtp", "os", "plugin", "syscall", "testing", "unsafe"}

// Vendors that compute and do no I/O.
var (
	coreVendors = []string{"github.com/google/uuid", "github.com/shopspring/decimal"}
	pureVendors = append([]string{"github.com/go-json-experiment/json", "golang.org/x/sync"}, coreVendors...)
)

// adapter says on which side of the use cases a folder stands, and which
// vendors, beside the pure ones, are its own.
type adapter struct {
	driving bool
	vendors []string
	// schema is true where the adapter brings its store to the version of migrations/.
	schema bool
}

var adapters = map[string]adapter{
	"httpapi":    {driving: true, vendors: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp", "github.com/swaggest"}},
	"webhook":    {driving: true, vendors: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},
	"emqx":       {driving: true, vendors: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},
	"web":        {driving: true, vendors: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},
	"mqttbroker": {driving: true, vendors: []string{"github.com/mochi-mqtt/server/v2"}},
	"mqtt":       {driving: true, vendors: []string{"github.com/eclipse/paho.golang"}},

	"sqldb": {schema: true, vendors: []string{
		"github.com/uptrace/bun", "github.com/jackc/pgx/v5", "modernc.org/sqlite",
	}},
	"mongodb":   {schema: true, vendors: []string{"go.mongodb.org/mongo-driver/v2"}},
	"kafka":     {vendors: []string{"github.com/segmentio/kafka-go"}},
	"argon2":    {vendors: []string{"golang.org/x/crypto/argon2"}},
	"metrics":   {vendors: []string{"github.com/prometheus/client_golang"}},
	"xlsx":      {vendors: []string{"github.com/xuri/excelize/v2"}},
	"tracing":   {vendors: []string{"go.opentelemetry.io/otel"}},
	"secretbox": {},
	"files":     {},
	"s3":        {},
	"smtp":      {},
	"openmeteo": {},
	"zones":     {vendors: []string{"github.com/ringsaturn/tzf-rel-lite"}},
}

// roomVendors are the vendors of the rooms that are not adapters, beside the
// pure ones. test/ may use any.
var roomVendors = map[string][]string{
	"bootstrap": {
		"github.com/alecthomas/kong", "github.com/knadh/koanf", "go.yaml.in/yaml/v3", "github.com/prometheus/client_golang",
	},
}

// onlyIn are vendors that even tests may use in one folder only.
var onlyIn = map[string]string{
	"github.com/testcontainers/testcontainers-go": "test/stack",
	"github.com/moby/moby":                        "test/stack",
	"github.com/containerd/errdefs":               "test/stack",
}

// topLevel is what may stand beside each other in the module's folder, apart
// from dotfiles and what .gitignore names.
var topLevel = []string{
	"core", "adapters", "modules", "bootstrap", "test", "migrations", "docs",
	"go.mod", "go.sum", "main.go", "Taskfile.yml", "README.md", "compose.yaml", "Dockerfile",
}

// maxLines is the most that a file may have that no generator wrote.
const maxLines = 500
