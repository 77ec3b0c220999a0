package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ampra/core/credential"
)

// SignIn says how to reach a server and who one is there. With neither a token
// nor an e-mail it makes an account of its own.
type SignIn struct {
	// URL is the server's, http(s)://host:port.
	URL      string
	Email    string
	Password credential.Secret
	// Token is a personal API token with the scopes read and write; with it there
	// is no sign-in.
	Token credential.Secret
	// Patience is how long a request that fails in passing is tried again, 30 s.
	Patience time.Duration
}

// Session is a signed-in user at a server.
type Session struct {
	client *client
	hooks  *http.Client
	// Email and Password are what it is signed in with; empty with a token.
	Email    string
	Password credential.Secret
	// Made is true when the account was made just now.
	Made bool
}

// NewSession signs in, or up where it may. It fails at once when no server
// answers.
func NewSession(ctx context.Context, o SignIn) (*Session, error) {
	if o.Patience <= 0 {
		o.Patience = requestTimeout
	}
	c, err := newClient(o.URL, o.Token, o.Patience)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second,
	}
	c.http.Transport = transport
	s := &Session{
		client: c, Email: o.Email, Password: o.Password,
		hooks: &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a signed request goes where it was sent
		}},
	}
	switch {
	case !o.Token.IsZero():
		s.Email, s.Password = "", credential.Secret{}
		_, err = c.me(ctx)
	case o.Email != "":
		err = s.signInOrUp(ctx)
	default:
		err = s.signUp(ctx)
	}
	if network, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("no server answers at %s (%w); start one with `ampra serve`", c.base, network.Err)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// signInOrUp is for a user who said who they are: an account that does not
// exist is made where that is allowed.
func (s *Session) signInOrUp(ctx context.Context) error {
	signedOut := s.client.login(ctx, s.Email, s.Password)
	if statusOf(signedOut) != http.StatusUnauthorized {
		return signedOut
	}
	err := s.client.register(ctx, s.Email, s.Password)
	switch statusOf(err) {
	case http.StatusForbidden, http.StatusConflict:
		return fmt.Errorf("signing in as %s: %w", s.Email, signedOut)
	}
	if err != nil {
		return fmt.Errorf("signing up as %s: %w", s.Email, err)
	}
	s.Made = true
	return nil
}

// signUp makes an account that nobody else knows.
func (s *Session) signUp(ctx context.Context) error {
	s.Email = "simulate-" + strings.ToLower(rand.Text()[:8]) + "@example.org"
	s.Password = credential.NewSecret("Aa1-" + rand.Text()) // whatever was drawn: upper, lower, digit
	err := s.client.register(ctx, s.Email, s.Password)
	if statusOf(err) == http.StatusForbidden {
		return fmt.Errorf("%w; sign in with --email and --password, or with --token", err)
	}
	if err != nil {
		return fmt.Errorf("signing up: %w", err)
	}
	s.Made = true
	return nil
}

// Close lets go of idle connections.
func (s *Session) Close() { s.hooks.CloseIdleConnections() }

// Source is a source on the server with what its device signs in with.
type Source struct {
	ID   string
	Name string
	// Webhook is true for one that posts, false for one on MQTT.
	Webhook bool
	Site    Site

	MQTTHost     string
	MQTTPort     int
	MQTTClientID string
	MQTTTopic    string
	MQTTKey      credential.Secret

	WebhookURL    string
	WebhookSecret credential.Secret

	seed   int64
	ledger *ledger
}

// AddSource makes a source for the index-th site of a fleet.
func (s *Session) AddSource(ctx context.Context, name string, webhook bool, seed int64, index int) (*Source, error) {
	site := NewSite(seed, index)
	request := newSource{
		Name: name, Description: "A simulated installation in " + site.Place, ConnectionType: "MQTT",
		Latitude: site.Latitude, Longitude: site.Longitude, InstalledCapacityWatts: site.CapacityWatts(),
		Currency: "EUR", InitialKwhPrice: 0.29,
	}
	if webhook {
		request.ConnectionType = "Webhook"
	}
	answer, err := s.client.create(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", name, err)
	}
	d := answer.ConnectionDetails
	source := &Source{ID: answer.ID, Name: name, Webhook: webhook, Site: site, seed: seed*1_000_003 + int64(index)}
	if webhook {
		if d.WebhookURL == nil || d.WebhookSecret == nil {
			return nil, fmt.Errorf("creating %s: the answer has no webhook URL or secret", name)
		}
		source.WebhookSecret = credential.NewSecret(*d.WebhookSecret)
		source.WebhookURL, err = s.webhookURL(*d.WebhookURL)
		return source, err
	}
	if d.MQTTBrokerHost == nil || d.MQTTBrokerPort == nil || d.MQTTClientID == nil || d.MQTTAPIKey == nil || d.MQTTTopic == nil {
		return nil, fmt.Errorf("creating %s: the answer lacks some of the MQTT connection's details", name)
	}
	source.MQTTHost, source.MQTTPort = *d.MQTTBrokerHost, *d.MQTTBrokerPort
	source.MQTTClientID, source.MQTTTopic = *d.MQTTClientID, *d.MQTTTopic
	source.MQTTKey = credential.NewSecret(*d.MQTTAPIKey)
	return source, nil
}

// webhookURL is the address as the server shows it, which is made from its
// public URL. On the server's own machine that URL may not lead anywhere yet, so
// there the address that the API answers at is taken.
func (s *Session) webhookURL(shown string) (string, error) {
	u, err := url.Parse(shown)
	if err != nil {
		return "", fmt.Errorf("the webhook's URL: %w", err)
	}
	if isLoopback(s.client.base.Hostname()) {
		u.Scheme, u.Host = s.client.base.Scheme, s.client.base.Host
	}
	return u.String(), nil
}

// RemoveSource deletes a source with all its readings.
func (s *Session) RemoveSource(ctx context.Context, source *Source) error {
	if err := s.client.remove(ctx, source.ID); err != nil {
		return fmt.Errorf("deleting %s: %w", source.Name, err)
	}
	return nil
}
