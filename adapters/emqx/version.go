package emqx

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// The first version that takes all of an answer to its authenticator: what the
// session may do and when it ends.
const (
	wholeMajor = 5
	wholeMinor = 8
)

// tellOld says once which of the nodes are older than that: their set-up is
// another, and a mistake in it shows only when a device is refused. It reports
// whether EMQX has told its version.
func (c *Cutter) tellOld(ctx context.Context) bool {
	versions, err := c.rest.versions(ctx)
	if err != nil {
		return false // it is asked again after the next look at all devices
	}
	for _, version := range versions {
		if older(version) {
			c.d.Log.WarnContext(ctx, "EMQX is older than 5.8: it needs the authoriser (no_match = deny, sources of type http), and before 5.7 no line ampra_key; "+
				"docs/brokers.md says what else is different", "version", version)
			break
		}
	}
	return true
}

// older reports whether a version, such as 5.0.26 or 5.8.0-rc.1, is known to be
// too old. What can't be read is not.
func older(version string) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(minor)
	return err == nil && (m < wholeMajor || m == wholeMajor && n < wholeMinor)
}

// versions are those of EMQX's nodes.
func (r *rest) versions(ctx context.Context) ([]string, error) {
	var nodes []struct {
		Version string `json:"version"`
	}
	if _, err := r.do(ctx, http.MethodGet, "/nodes", &nodes); err != nil {
		return nil, err
	}
	versions := make([]string, len(nodes))
	for i, node := range nodes {
		versions[i] = node.Version
	}
	return versions, nil
}
