package bootstrap

import (
	"context"
	"net/url"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/emqx"
	"ampra/adapters/httpapi"
	"ampra/adapters/mqtt"
	"ampra/core/change"
	"ampra/core/credential"
)

// wireCutter makes what cuts devices off at EMQX. It asks the registry, which is
// made after it.
func (a *App) wireCutter(h *house) (*emqxBroker, error) {
	cutter, err := emqx.NewCutter(emqx.CutterConfig{URL: credential.NewSecret(a.cfg.EMQXURL)}, emqx.CutterDeps{
		Sources: &registered{h}, Clock: systemClock(), Log: a.log,
	})
	if err != nil {
		return nil, &SettingError{Setting: "emqx-url", Got: Masked(a.cfg.EMQXURL), Want: err.Error()}
	}
	a.checks["broker's administration"] = cutter.Ping
	a.metrics.Counter("ampra_emqx_kicked_total", "Sessions of devices that were ended at EMQX.", func() float64 { return float64(cutter.Kicked()) })
	a.parts.add("EMQX's devices", 10*time.Second, cutter.Run)
	return &emqxBroker{cutter}, nil
}

// registered is the registry of a house that is not finished yet.
type registered struct{ h *house }

// Access implements emqx.Sources.
func (r *registered) Access(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	return r.h.registry.Access(ctx, source)
}

// AccessByClient implements emqx.Sources.
func (r *registered) AccessByClient(ctx context.Context, clientID string) (credential.Access, error) {
	return r.h.registry.AccessByClient(ctx, clientID)
}

// emqxBroker is the outsider on EMQX, which asks for each sign-in: a new source
// needs nothing, and no key is let in from the moment that every process knows of
// its end. What is left is to cut off who is connected.
type emqxBroker struct{ cutter *emqx.Cutter }

// Before refuses nothing: what can't be done at EMQX now is tried until it is.
func (*emqxBroker) Before(context.Context, change.Change, credential.Access) error { return nil }

// Apply cuts off whom the change shuts out.
func (e *emqxBroker) Apply(ctx context.Context, c change.Change) error { return e.cutter.Apply(ctx, c) }

// Made needs nothing.
func (*emqxBroker) Made(context.Context, []uuid.UUID) {}

// internalRoutes are what EMQX asks, nil without its settings.
func (a *App) internalRoutes(h *house) httpapi.Mounted {
	if a.cfg.EMQXSecret == "" {
		return nil
	}
	cfg := emqx.Config{Secret: credential.NewSecret(string(a.cfg.EMQXSecret))}
	if u, err := url.Parse(a.cfg.MQTTURL); err == nil && u.User.Username() != "" {
		password, _ := u.User.Password()
		cfg.Reader = emqx.Reader{
			User: u.User.Username(), Key: credential.NewSecret(password),
			ClientIDs: "ampra-" + a.cfg.MQTTGroup + "-", Filter: mqtt.Filter(a.cfg.MQTTGroup),
		}
	}
	return emqx.New(cfg, emqx.Deps{Gate: noticedGate{countedGate{h.gate, a.metrics}, h.noticer}, Sources: h.registry, Clock: systemClock(), Log: a.log})
}
