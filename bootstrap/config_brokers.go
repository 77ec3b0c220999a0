package bootstrap

import (
	"math"
	"net/url"
	"strconv"
	"time"
)

// Hidden is a setting that is not shown.
type Hidden string

// String hides the text.
func (h Hidden) String() string {
	if h == "" {
		return ""
	}
	return "***"
}

// minSharedSecret is the least length of the secret that EMQX shows.
const minSharedSecret = 16

// checkOutside checks what is said of outside brokers.
func (c *Config) checkOutside(wrong func(setting, got, want string) error) error {
	switch {
	case c.MQTTWindow < 1 || c.MQTTWindow > math.MaxUint16:
		return wrong("mqtt-window", strconv.Itoa(c.MQTTWindow), "1 to 65535")
	case c.MQTTSessionExpiry < time.Second || c.MQTTSessionExpiry > math.MaxUint32*time.Second:
		return wrong("mqtt-session-expiry", DurationText(c.MQTTSessionExpiry), "1s or more")
	case c.MQTTAdminURL != "" && (!validURL(c.MQTTAdminURL, "mqtt", "mqtts", "tcp", "ssl") || !hasUser(c.MQTTAdminURL)):
		return wrong("mqtt-admin-url", Masked(c.MQTTAdminURL), "a URL such as mqtt://admin:password@host:1883")
	case c.EMQXURL != "" && (!validURL(c.EMQXURL, "http", "https") || !hasUser(c.EMQXURL)):
		return wrong("emqx-url", Masked(c.EMQXURL), "a URL such as http://key:secret@host:18083, with an API key of EMQX")
	case c.EMQXSecret != "" && len(c.EMQXSecret) < minSharedSecret:
		return wrong("emqx-secret", c.EMQXSecret.String(), "at least 16 characters, such as those of 'openssl rand -hex 32'")
	case (c.EMQXURL == "") != (c.EMQXSecret == ""):
		return wrong("emqx-secret", c.EMQXSecret.String(), "a secret beside --emqx-url: who is let in at EMQX has to be cut off there, too")
	case c.EMQXURL != "" && c.MQTTAdminURL != "":
		return wrong("emqx-url", Masked(c.EMQXURL), "either EMQX or --mqtt-admin-url")
	}
	return nil
}

// hasUser reports whether a URL has a name and a password.
func hasUser(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	password, ok := u.User.Password()
	return ok && password != "" && u.User.Username() != ""
}
