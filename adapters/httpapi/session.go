package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"ampra/core/fault"
	"ampra/core/identity"
	users "ampra/modules/identity"
)

// Names of the session cookie. A browser takes the first only over HTTPS, from
// this very host, for all paths; so no other host can plant one.
const (
	secureCookie = "__Host-ampra"
	plainCookie  = "ampra"
)

// signIn finds out who asks: by API token when the request has one, even a wrong
// one, else by the session cookie.
func (c *call) signIn() error {
	if text, ok := bearer(c.header("Authorization")); ok {
		visitor, err := c.byToken(text)
		c.visitor, c.byAPIToken = visitor, true
		return err
	}
	session := c.cookie()
	if session == "" {
		return fault.New(fault.Unauthenticated, "Sign in first: POST /api/auth/login, or send an API token as Authorization: Bearer ampra_...")
	}
	visitor, err := c.s.d.Identity.BySession(c.ctx, session)
	if err != nil {
		return err
	}
	c.visitor, c.session = visitor, session
	if visitor.Extended {
		c.keepSession(session)
	}
	return nil
}

func (c *call) byToken(text string) (users.Visitor, error) {
	if !strings.HasPrefix(text, identity.TokenPrefix) {
		return users.Visitor{}, fault.New(fault.Unauthenticated, "The bearer token is not one of this server's.")
	}
	return c.s.d.Identity.ByToken(c.ctx, text)
}

// bearer takes the token out of an Authorization header. Other schemes are not
// ours: a proxy in front may have used them.
func bearer(authorization string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

func (c *call) cookie() string {
	return string(c.f.Context().Request.Header.Cookie(c.s.cookieName()))
}

func (s *Server) cookieName() string {
	if s.secure {
		return secureCookie
	}
	return plainCookie
}

// keepSession sends the session's cookie.
func (c *call) keepSession(session string) { c.setCookie(session, identity.SessionLifetime) }

// dropSession takes the cookie back.
func (c *call) dropSession() { c.setCookie("", -time.Second) }

func (c *call) setCookie(value string, lifetime time.Duration) {
	cookie := http.Cookie{ //nolint:gosec // Secure follows the public URL: over plain HTTP no browser would send it back
		Name: c.s.cookieName(), Value: value, Path: "/", MaxAge: int(lifetime / time.Second),
		HttpOnly: true, Secure: c.s.secure, SameSite: http.SameSiteLaxMode,
	}
	c.f.Set("Set-Cookie", cookie.String())
}

// checkOrigin refuses what a page of another origin makes a browser send with
// the user's cookies, as http.CrossOriginProtection does. What is no browser
// sends neither header and passes.
func (c *call) checkOrigin() error {
	seen := http.Request{
		Method: c.f.Method(),
		Host:   string(c.f.Context().Host()),
		URL:    &url.URL{Path: "/"},
		Header: http.Header{},
	}
	for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
		if value := c.header(name); value != "" {
			seen.Header.Set(name, value)
		}
	}
	if err := c.s.origins.Check(&seen); err != nil {
		return fault.Wrap(fault.Forbidden, err, "The request comes from another origin.")
	}
	return nil
}

// loopback reports whether the request was made on this machine and by nobody
// for another. A browser's must also name this machine, lest a name of
// somebody else's that resolves to it passes for it.
func (c *call) loopback() bool {
	rc := c.f.Context()
	if !rc.RemoteIP().IsLoopback() || forwarded(&rc.Request.Header) {
		return false
	}
	browser := c.header("Origin") != "" || c.header("Sec-Fetch-Site") != ""
	host := (&url.URL{Host: string(rc.Host())}).Hostname()
	return !browser || localName(host) || strings.EqualFold(host, c.s.public.Hostname())
}

func localName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// forwarded reports whether a proxy says that it stands in between.
func forwarded(header *fasthttp.RequestHeader) bool {
	found := false
	header.VisitAll(func(key, _ []byte) {
		name := strings.ToLower(string(key))
		switch name {
		case "forwarded", "x-real-ip", "via":
			found = true
		default:
			found = found || strings.HasPrefix(name, "x-forwarded-")
		}
	})
	return found
}
