package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"ampra/bootstrap"
	"ampra/bootstrap/simulate"
	"ampra/core/credential"
)

type demoCmd struct {
	Keep bool `help:"Leave the demo's folder behind at the end."`
}

// demoEmail is who owns the demo's sources.
const demoEmail = "demo@example.org"

// Run serves a fresh folder, plays two sources live, and shows how to look at
// them, until the context ends.
func (d demoCmd) Run(ctx context.Context, c *bootstrap.Config, s streams, b build, parsed *kong.Context) (err error) {
	folder, err := os.MkdirTemp("", "ampra-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if !d.Keep {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	settings, moves := demoSettings(ctx, *c, folder, given(parsed))
	if err := settings.Complete(); err != nil {
		return err
	}
	app, err := bootstrap.New(ctx, settings, b.version, bootstrap.NewLog(settings, s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()

	// The server ends after the players, who look for their last readings.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	playing, enough := context.WithCancel(ctx)
	defer enough()
	var wait sync.WaitGroup
	var served error
	wait.Go(func() {
		served = app.Run(serving)
		enough()
	})
	for _, m := range moves {
		fmt.Fprintln(s.out, m)
	}
	played := play(playing, s.out, app.Addresses(), folder)
	stop()
	wait.Wait()
	return errors.Join(played, served)
}

// given are the flags and variables that the user has set.
func given(parsed *kong.Context) map[string]bool {
	set := map[string]bool{}
	for _, path := range parsed.Path {
		if path.Flag != nil {
			set[path.Flag.Name] = true
		}
	}
	for _, flag := range parsed.Model.Flags {
		if inEnvironment(flag.Envs) {
			set[flag.Name] = true
		}
	}
	return set
}

// demoSettings makes the embedded profile in a folder of its own, quiet, and on
// other ports where the usual ones are taken.
func demoSettings(ctx context.Context, c bootstrap.Config, folder string, set map[string]bool) (bootstrap.Config, []move) {
	c.Data, c.KeyFile = folder, ""
	c.PostgresURL, c.KafkaBrokers, c.MongoURL, c.MQTTURL = "", nil, "", ""
	c.MQTTAdminURL, c.EMQXURL, c.EMQXSecret = "", "", ""
	c.Roles = []bootstrap.Role{bootstrap.RoleAPI, bootstrap.RoleIngest, bootstrap.RoleWriter, bootstrap.RoleBroker}
	if !set["log-level"] {
		c.LogLevel = "warn"
	}
	var moves []move
	for _, one := range []struct {
		what, flag string
		address    *string
	}{
		{"HTTP", "http-listen", &c.HTTPListen}, {"MQTT", "mqtt-listen", &c.MQTTListen}, {"MQTT with TLS", "mqtt-tls-listen", &c.MQTTTLSListen},
	} {
		if set[one.flag] {
			continue
		}
		if free := freeAddress(ctx, *one.address); free != *one.address {
			moves = append(moves, move{one.what, one.flag, *one.address, free})
			*one.address = free
		}
	}
	if !set["public-url"] {
		c.PublicURL = ""
	}
	if !set["mqtt-public-port"] {
		c.MQTTPublicPort = 0
	}
	return c, moves
}

// move is a listener that went to a free port, since its own was taken.
type move struct{ what, flag, from, to string }

// String tells of it, and how to choose another.
func (m move) String() string {
	return fmt.Sprintf("%s is taken: %s is on the free port %s instead (--%s chooses another).", m.from, m.what, m.to, m.flag)
}

// freeAddress is the address when nobody listens there, else one with a free
// port.
func freeAddress(ctx context.Context, address string) string {
	for _, candidate := range []string{address, "127.0.0.1:0"} {
		if l, err := new(net.ListenConfig).Listen(ctx, "tcp", candidate); err == nil {
			free := candidate
			if candidate != address {
				free = l.Addr().String()
			}
			if l.Close() == nil {
				return free
			}
		}
	}
	return address
}

// play signs up, makes a source of each kind, says where to look, and plays both.
func play(ctx context.Context, out io.Writer, at bootstrap.Addresses, folder string) error {
	password := credential.NewSecret("Demo-1" + rand.Text()[:10])
	session, err := simulate.NewSession(ctx, simulate.SignIn{URL: "http://" + at.HTTP, Email: demoEmail, Password: password})
	if err != nil {
		return err
	}
	defer session.Close()
	roof, err := session.AddSource(ctx, "Roof, by MQTT", false, 1, 0)
	if err != nil {
		return err
	}
	garage, err := session.AddSource(ctx, "Garage, by webhook", true, 1, 1)
	if err != nil {
		return err
	}
	guide(out, at, password.Reveal(), folder, roof.ID)
	summary, err := simulate.PlayLive(ctx, session, []*simulate.Source{roof, garage}, simulate.Live{
		MQTT: simulate.MQTTOptions{URL: "mqtt://" + at.MQTT}, Past: 24 * time.Hour,
		OnCounts: newLine(out).show,
	})
	fmt.Fprintf(out, "\n%s\n", summary.LastLine())
	return err
}

// guide says where to look, with lines that work when pasted.
func guide(out io.Writer, at bootstrap.Addresses, password, folder, source string) {
	cookies := filepath.Join(folder, "cookies.txt")
	fmt.Fprintf(out, `Ampra's demo is running: a user, an MQTT source and a webhook source, live.

  try it        %[1]s/api/docs
  login         %[2]s  %[3]s
  MQTT          %[4]s
  data          %[5]s (removed at the end)

Paste into another terminal:

  curl -s -c %[6]s -H 'Content-Type: application/json' -d '{"email": "%[2]s", "password": "%[3]s"}' %[1]s/api/auth/login; echo
  curl -s -b %[6]s %[1]s/api/sunsources; echo
  curl -s -b %[6]s %[1]s/api/sunsources/%[7]s/telemetry/latest; echo
  curl -s -b %[6]s '%[1]s/api/sunsources/%[7]s/telemetry?limit=3'; echo

Ctrl-C ends it. The counts begin with the past day, which is sent first; found follows a moment later.

`, at.PublicURL, demoEmail, password, at.MQTT, folder, cookies, source)
}

// line is the running line of counts: written over itself on a terminal, else now
// and then.
type line struct {
	out      io.Writer
	terminal bool
	last     time.Time
	shown    string
}

func newLine(out io.Writer) *line {
	l := &line{out: out}
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil {
			l.terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return l
}

// quiet is how often the line is written where it can't be written over.
const quiet = 5 * time.Second

func (l *line) show(c simulate.Counts) {
	text := c.String()
	first := l.shown == "" && c.Found > 0
	switch {
	case text == l.shown:
		return
	case l.terminal:
		fmt.Fprintf(l.out, "\r%s ", text)
	case first || time.Since(l.last) >= quiet:
		fmt.Fprintln(l.out, text)
	default:
		return
	}
	if c.Found > 0 {
		l.shown = text
	}
	l.last = time.Now()
}
