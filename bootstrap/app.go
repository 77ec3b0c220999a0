package bootstrap

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ampra/adapters/metrics"
	"ampra/adapters/tracing"
)

// App is a process that is put together and not running yet. New opens and
// prepares everything it needs, so that a wrong setting shows before anything
// runs; Run runs it; Close gives back what was opened.
type App struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics.Metrics
	traces  *tracing.Tracing // nil without
	parts   parts
	closers []func() error
	checks  map[string]func(ctx context.Context) error

	http          net.Listener
	mqtt, mqttTLS net.Listener
	selfMade      string
	setupToken    string
}

// Addresses are where a process listens and is reached.
type Addresses struct {
	// HTTP and MQTT, MQTTTLS are addresses to dial on this machine; "" where there
	// is no listener.
	HTTP, MQTT, MQTTTLS string
	// PublicURL is the URL under which users reach the API.
	PublicURL string
	// Certificate is the file of the self-made certificate, "" with one of one's own.
	Certificate string
	// SetupToken makes the first account from elsewhere; "" once there is one.
	SetupToken string
}

// New puts a process together. version is the product's.
func New(ctx context.Context, cfg Config, version string, log *slog.Logger) (app *App, err error) {
	app = &App{cfg: cfg, log: log, metrics: metrics.New(version), parts: parts{log: log}, checks: map[string]func(context.Context) error{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, app.Close())
			app = nil
		}
	}()
	if err = MakeData(cfg); err != nil {
		return app, err
	}
	if err = app.listen(ctx); err != nil {
		return app, err
	}
	if err = app.wire(ctx, version); err != nil {
		return app, err
	}
	return app, nil
}

// Addresses tells where the process is reached.
func (a *App) Addresses() Addresses {
	at := Addresses{PublicURL: a.cfg.PublicURL, Certificate: a.selfMade, SetupToken: a.setupToken}
	at.HTTP, at.MQTT, at.MQTTTLS = dialable(a.http), dialable(a.mqtt), dialable(a.mqttTLS)
	return at
}

// dialable is a listener's address as a program on this machine dials it.
func dialable(l net.Listener) string {
	if l == nil {
		return ""
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// Run runs all parts until ctx ends or one of them fails, and stops them in
// order.
func (a *App) Run(ctx context.Context) error { return a.parts.run(ctx) }

// Close gives back what New opened, the last first. To be called after Run.
func (a *App) Close() error {
	var err error
	for _, closer := range slices.Backward(a.closers) {
		err = errors.Join(err, closer())
	}
	a.closers = nil
	return err
}

func (a *App) closer(act func() error) { a.closers = append(a.closers, act) }

// readyTime bounds a check of readiness: who asks has less patience than the parts'
// own clients.
const readyTime = 3 * time.Second

// Ready checks every part that requests need, by name; nil means that it is well.
func (a *App) Ready(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	type result struct {
		name string
		err  error
	}
	results := make(chan result, len(a.checks))
	for name, check := range a.checks {
		go func() { results <- result{name, check(ctx)} }()
	}
	all := make(map[string]error, len(a.checks))
	for range a.checks {
		r := <-results
		all[r.name] = r.err
	}
	return all
}

// listen opens the sockets, so that an address in use is the first thing to be
// told.
func (a *App) listen(ctx context.Context) error {
	var err error
	if a.http, err = a.open(ctx, "http-listen", a.cfg.HTTPListen); err != nil {
		return err
	}
	if a.cfg.TLSCert != "" {
		cert, _, err := certificate(a.cfg)
		if err != nil {
			return err
		}
		a.http = tls.NewListener(a.http, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	if strings.HasSuffix(a.cfg.PublicURL, ":0") { // a port was drawn
		_, port, _ := net.SplitHostPort(a.http.Addr().String())
		a.cfg.PublicURL = strings.TrimSuffix(a.cfg.PublicURL, "0") + port
	}
	if !a.cfg.Has(RoleBroker) || a.cfg.MQTTURL != "" {
		return nil
	}
	if a.cfg.MQTTListen != "" {
		if a.mqtt, err = a.open(ctx, "mqtt-listen", a.cfg.MQTTListen); err != nil {
			return err
		}
	}
	if a.cfg.MQTTTLSListen != "" {
		plain, err := a.open(ctx, "mqtt-tls-listen", a.cfg.MQTTTLSListen)
		if err != nil {
			return err
		}
		cert, selfMade, err := certificate(a.cfg)
		if err != nil {
			return err
		}
		a.selfMade = selfMade
		a.mqttTLS = tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	return nil
}

func (a *App) open(ctx context.Context, setting, address string) (net.Listener, error) {
	var listening net.ListenConfig
	l, err := listening.Listen(ctx, "tcp", address)
	if err != nil {
		env := "AMPRA_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
		return nil, fmt.Errorf("listening on %s failed: choose another address with --%s or %s: %w", address, setting, env, err)
	}
	a.closer(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// startTime is how long a store may be away when the process starts.
const startTime = 2 * time.Minute

// untilReady prepares a store that may come up later than this process.
func (a *App) untilReady(ctx context.Context, what string, prepare func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := prepare(ctx)
		if err == nil {
			return nil
		}
		a.log.WarnContext(ctx, "waiting for a part", "part", what, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready: %w", what, err)
		}
	}
}

// clientName is the name that stays with the data folder, under which an outside
// broker knows this process again after a restart.
func (a *App) clientName() (string, error) {
	path := filepath.Join(a.cfg.Data, "mqtt-client")
	known, err := os.ReadFile(path)
	if err == nil && len(known) > 0 {
		return strings.TrimSpace(string(known)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the name for the MQTT broker: %w", err)
	}
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	name := hex.EncodeToString(b[:])
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the name for the MQTT broker: %w", err)
	}
	return name, nil
}
