package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The ways to get a server that AMPRA_TEST_SERVERS can force.
const (
	anyWay       = ""
	onlyDocker   = "docker"
	onlyPrograms = "local"
	noServers    = "none"
)

// settings is what the environment says about servers.
type settings struct {
	// Mode is one of the ways above.
	Mode string
	// CI makes a missing server fail the test.
	CI bool
	// Grace is how long the servers stay after their last user.
	Grace time.Duration
	// State is the folder that the processes of this user share: the supervisor's
	// lock, socket and log, and the servers' data. Environments that would get other
	// servers have other folders.
	State string
	// Cache is the folder that keeps the programs from run to run.
	Cache string
}

func settingsFrom(getenv func(string) string) (settings, error) {
	s := settings{Mode: strings.ToLower(getenv("AMPRA_TEST_SERVERS")), Grace: 15 * time.Second}
	switch s.Mode {
	case anyWay, onlyDocker, onlyPrograms, noServers:
	default:
		return s, fmt.Errorf("AMPRA_TEST_SERVERS is %q, not docker, local or none", s.Mode)
	}
	if text := getenv("AMPRA_TEST_GRACE"); text != "" {
		grace, err := time.ParseDuration(text)
		if err != nil || grace < 0 {
			return s, fmt.Errorf("AMPRA_TEST_GRACE is %q, not a duration such as 10m", text)
		}
		s.Grace = grace
	}
	s.CI, _ = strconv.ParseBool(getenv("CI"))

	mine := "ampra-test-" + strconv.Itoa(os.Getuid())
	cache, err := os.UserCacheDir()
	if err != nil { // no home folder, as in some containers
		cache = filepath.Join(os.TempDir(), mine)
	}
	s.Cache = filepath.Join(cache, "ampra-test")

	sum := sha256.New()
	for _, part := range []string{s.Mode, s.Cache, getenv("DOCKER_HOST"), getenv("DOCKER_CONTEXT")} {
		fmt.Fprintf(sum, "%q ", part)
	}
	// Short, since a socket's path has room for about 100 bytes.
	s.State = filepath.Join(os.TempDir(), mine, hex.EncodeToString(sum.Sum(nil)[:4]))
	return s, nil
}

func (s settings) lockPath() string   { return filepath.Join(s.State, "lock") }
func (s settings) socketPath() string { return filepath.Join(s.State, "socket") }
func (s settings) logPath() string    { return filepath.Join(s.State, "log") }

// makeState makes the shared folder. Its parent lies in a folder that everybody
// may write to, so it is taken only when it is this user's own.
func (s settings) makeState() error {
	parent := filepath.Dir(s.State)
	for _, dir := range []string{parent, s.State} {
		// Others may pass through: PostgreSQL runs as a user of its own under root.
		if err := os.Mkdir(dir, 0o711); err != nil && !os.IsExist(err) { //nolint:gosec // see above
			return fmt.Errorf("making the shared folder: %w", err)
		}
	}
	info, err := os.Lstat(parent)
	if err != nil {
		return fmt.Errorf("looking at the shared folder: %w", err)
	}
	if !info.IsDir() || !ownedByMe(info) || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not this user's own folder; remove it", parent)
	}
	return nil
}
