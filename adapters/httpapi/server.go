// Package httpapi is the REST API: it reads requests, calls the use cases and
// presents what they answer. It holds no rule of the domain; those that every
// path shares (who may call what, one shape for all errors, limits, repeats with
// an Idempotency-Key) are here, once. Devices' webhooks are in package webhook,
// which mounts itself on the same server.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/idempotency"
	"ampra/modules/credentials"
	"ampra/modules/devices"
	"ampra/modules/identity"
	"ampra/modules/imports"
	"ampra/modules/jobs"
	"ampra/modules/live"
	"ampra/modules/powergroups"
	"ampra/modules/settings"
	"ampra/modules/sunsources"
	"ampra/modules/tariffs"
	"ampra/modules/telemetry/deadletters"
	"ampra/modules/telemetry/query"
	"ampra/modules/telemetry/rollup"
)

// MaxBody is how many bytes a request's body may have.
const MaxBody = 1 << 20

// Config holds the settings.
type Config struct {
	// PublicURL is the URL under which users and devices reach the server, without
	// a slash at its end. With https, cookies are secure.
	PublicURL string
	// MQTTHost and MQTTPort are what connection details show.
	MQTTHost string
	MQTTPort int
	// Version is the product's, for the API's document.
	Version string
	// HealthOnly serves nothing but health and metrics: for a process without the
	// role of the API. Deps then needs only what those use.
	HealthOnly bool

	// ReadTime bounds the arrival of a request, WriteTime the leaving of an answer,
	// IdleTime the wait for the next request on a connection.
	ReadTime, WriteTime, IdleTime time.Duration
	// RequestTime bounds the work on a request.
	RequestTime time.Duration
	// ShutdownTime is how long requests under way may take to end.
	ShutdownTime time.Duration
	// Connections is how many may be open.
	Connections int
	// HeartbeatTime is how often a stream of live events shows that it lives,
	// StreamWriteTime bounds each write to one.
	HeartbeatTime, StreamWriteTime time.Duration
}

// Defaults are the settings that have a good value for all.
func Defaults() Config {
	return Config{
		ReadTime: time.Minute, WriteTime: time.Minute, IdleTime: 2 * time.Minute,
		RequestTime: 30 * time.Second, ShutdownTime: 10 * time.Second, Connections: 20_000,
		HeartbeatTime: 15 * time.Second, StreamWriteTime: 10 * time.Second,
	}
}

// Mounted is an adapter with routes of its own, which must be in Routes.
type Mounted interface {
	// Mount adds the routes. Errors that its handlers return become problems; an
	// error that has Members() map[string]any adds them to its problem.
	Mount(to fiber.Router)
}

// Observation is a request that was answered.
type Observation struct {
	// Route is the path as in Routes, "" where none matched; Method "" where the
	// server does not know it.
	Route, Method string
	Status        int
	Took          time.Duration
}

// Deps are the use cases and ports that the API stands on.
type Deps struct {
	Identity    *identity.Service
	Sources     *sunsources.Service
	Credentials *credentials.Service
	Groups      *powergroups.Service
	Telemetry   *query.Service
	Tariffs     *tariffs.Service
	Energies    *rollup.Service
	Devices     *devices.Service
	DeadLetters *deadletters.Service
	Settings    *settings.Service
	Imports     *imports.Service
	Jobs        *jobs.Service
	// Spool makes a temporary file for what is uploaded.
	Spool func() (imports.Spooled, error)
	Zones SiteZones
	// Sheet writes a table as a workbook, on a sheet with the name.
	Sheet func(to io.Writer, name string) Rows
	Live  *live.Hub
	// LiveRefresh is told whose right to hear live events may have changed: a user's,
	// or that of a key by which somebody signed in. It may be nil.
	LiveRefresh func(ctx context.Context, subject uuid.UUID)
	Idempotency idempotency.Store
	Sealer      credential.Sealer
	Webhook     Mounted
	// Internal has the routes that an outside broker asks, which are not in Routes;
	// nil where there are none.
	Internal Mounted
	Clock    clock.Clock
	// Random is a source of bytes for the ids of requests.
	Random io.Reader
	Log    *slog.Logger
	// Ready checks the parts that requests need, by name.
	Ready func(ctx context.Context) map[string]error
	// Metrics answers /metrics.
	Metrics http.Handler
	// Observe is told of every request that was answered.
	Observe func(Observation)
}

// Server is the API on HTTP.
type Server struct {
	cfg     Config
	d       Deps
	app     *fiber.App
	inner   fasthttp.RequestHandler
	public  *url.URL
	secure  bool
	origins *http.CrossOriginProtection
	routes  []Route
	// document makes the OpenAPI document, encoded, once: it takes 0.1 s, which a
	// process that nobody asks for it need not spend.
	document func() ([]byte, error)

	// base is the parent of all requests' contexts; stop ends it, after those that
	// were under way had their time.
	base context.Context //nolint:containedctx // requests have no other parent: the HTTP library gives them none
	stop context.CancelFunc

	streams streams
	exports atomic.Int32

	requestPrefix string
	requests      atomic.Uint64
}

// New returns a server that does nothing until Run. An error says which setting
// is wrong.
func New(cfg Config, d Deps) (*Server, error) { return newServer(cfg, d, routes()) }

func newServer(cfg Config, d Deps, rows []Route) (*Server, error) {
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || (public.Scheme != "http" && public.Scheme != "https") || public.Hostname() == "" || strings.HasSuffix(public.Path, "/") {
		return nil, fmt.Errorf("the public URL %q is not an http or https URL without a slash at its end", cfg.PublicURL)
	}
	s := &Server{cfg: cfg, d: d, public: public, secure: public.Scheme == "https", origins: http.NewCrossOriginProtection(), routes: rows}
	if err := s.origins.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("the public URL %q is not an origin: %w", cfg.PublicURL, err)
	}
	if s.requestPrefix, err = newPrefix(d.Random); err != nil {
		return nil, err
	}
	s.document = sync.OnceValues(func() ([]byte, error) { return describeAPI(cfg, s.routes) })
	s.base, s.stop = context.WithCancel(context.Background())
	s.streams.stop = make(chan struct{})
	s.app = s.newApp()
	if err := s.register(); err != nil {
		return nil, err
	}
	// What Fiber does not answer itself passes through handle, too.
	s.inner = s.app.Handler()
	s.app.Server().Handler = s.handle
	return s, nil
}

func (s *Server) newApp() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:                      "ampra",
		StrictRouting:                true,
		CaseSensitive:                true,
		BodyLimit:                    MaxBody,
		ReadTimeout:                  s.cfg.ReadTime,
		WriteTimeout:                 s.cfg.WriteTime,
		IdleTimeout:                  s.cfg.IdleTime,
		Concurrency:                  s.cfg.Connections,
		ReadBufferSize:               8 << 10, // the most that a request's headers may take
		DisableStartupMessage:        true,
		DisablePreParseMultipartForm: true,
		StreamRequestBody:            true, // takeBody reads and bounds them; one route reads its own
		ErrorHandler: func(f *fiber.Ctx, err error) error {
			if closedSilent(f.Context()) {
				return nil // there was no request, and there is nobody to answer
			}
			s.protect(f.Context())
			s.fail(f.Context(), err)
			linger(f.Context(), err)
			return nil
		},
	})
	app.Server().CloseOnShutdown = true
	app.Server().KeepHijackedConns = true // streams close their own
	app.Server().SecureErrorLogMessage = true
	return app
}

// Run serves the listener, which it closes, until ctx ends; then requests under
// way have Config.ShutdownTime to end. An error is the listener's.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	tracked := track(listener)
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(tracked) }()
	select {
	case err := <-served:
		s.stop()
		tracked.closeAll()
		return fmt.Errorf("serving HTTP on %s: %w", listener.Addr(), errors.Join(err, errors.New("the listener ended")))
	case <-ctx.Done():
	}
	_ = tracked.Close()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTime)
	defer cancel()
	s.streams.end(grace)
	tracked.closeSilent()
	err := s.app.ShutdownWithContext(grace)
	s.stop()
	tracked.closeAll()
	if ended := <-served; err == nil {
		err = ended
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stopping to serve HTTP: %w", err)
	}
	return nil
}
