package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ampra/adapters/secretbox"
	"ampra/bootstrap/simulate"
	"ampra/core/credential"
	"ampra/test/stack"
)

// Profiles.
const (
	embedded  = "embedded"
	scale     = "scale"
	mosquitto = "mosquitto"
)

// house is one installation: its processes, the servers below them, and the links
// between all of them and the devices.
type house struct {
	profile   string
	folder    string
	servers   *servers
	processes []*process
	links     map[string]*link
	// brokers are the links by which MQTT devices come in, hooks that of webhooks.
	brokers []string
	guest   *stack.Guest
	session *simulate.Session
	reader  *reader
	made    int
	// program is what its processes run, "" for this one.
	program string
}

// api is the process that answers requests.
func (h *house) api() *process { return h.processes[0] }

// named finds a process.
func (h *house) named(name string) *process {
	for _, p := range h.processes {
		if p.name == name {
			return p
		}
	}
	return nil
}

// build starts an installation of the profile. more are settings of all its
// processes, program what they run ("" for this one).
func build(ctx context.Context, profile, folder string, s *servers, more map[string]string, program string) (*house, error) {
	h := &house{profile: profile, folder: folder, servers: s, links: map[string]*link{}, program: program}
	shared := map[string]string{"AMPRA_LOG_LEVEL": "info", "AMPRA_LIMIT_SOURCE_READINGS_RATE": "0", "AMPRA_LIMIT_SOURCE_BYTES_RATE": "0", "AMPRA_LIMIT_USER_READINGS_RATE": "0", "AMPRA_LIMIT_USER_BYTES_RATE": "0", "AMPRA_MQTT_TLS_LISTEN": ""}
	var plan [][2]string
	if profile == embedded {
		plan = [][2]string{{"ampra", "api,ingest,writer,broker"}}
	} else {
		stores, err := s.stores(ctx, folder)
		if err != nil {
			return nil, err
		}
		maps.Copy(shared, stores)
		plan = [][2]string{{"api", "api"}, {"broker", "broker"}, {"writer A", "writer"}, {"writer B", "writer"}}
		maps.Copy(h.links, s.links)
	}
	if profile == mosquitto {
		plan = [][2]string{{"api", "api"}, {"ingest A", "ingest"}, {"ingest B", "ingest"}, {"writer", "writer"}}
		if err := h.admit(ctx, shared); err != nil {
			return nil, err
		}
	}
	maps.Copy(shared, more)
	for _, p := range plan {
		if err := h.add(ctx, p[0], p[1], shared); err != nil {
			return h, err
		}
	}
	return h, h.open(ctx)
}

// admit makes the clients on Mosquitto.
func (h *house) admit(ctx context.Context, shared map[string]string) error {
	admin, err := url.Parse(h.servers.own[stack.OwnMosquitto].Address)
	if err != nil {
		return errors.New("Mosquitto's address is no URL") //nolint:staticcheck // a name
	}
	if h.guest, err = stack.Admit(ctx, admin); err != nil {
		return err
	}
	reads, err := url.Parse(h.guest.Reader())
	if err != nil {
		return errors.New("the reader's address is no URL")
	}
	before, err := newLink(ctx, "127.0.0.1:0", admin.Host)
	if err != nil {
		return err
	}
	reads.Host = before.address
	h.links["ingest-mosquitto"] = before
	shared["AMPRA_MQTT_URL"], shared["AMPRA_MQTT_GROUP"], shared["AMPRA_MQTT_CONNECTIONS"] = reads.String(), h.guest.Name, "2"
	devices, err := newLink(ctx, "127.0.0.1:0", admin.Host)
	h.links["devices-mosquitto"], h.brokers = devices, []string{"devices-mosquitto"}
	return err
}

// add prepares a process with its roles and the links that lead to it.
func (h *house) add(ctx context.Context, name, roles string, shared map[string]string) error {
	addresses, err := freeAddresses(ctx, 2)
	if err != nil {
		return err
	}
	p := &process{name: name, program: h.program, http: addresses[0], log: filepath.Join(h.folder, strings.ReplaceAll(name, " ", "-")+".log"), settings: maps.Clone(shared)}
	data := filepath.Join(h.folder, strings.ReplaceAll(name, " ", "-"))
	if given := shared["AMPRA_DATA"]; given != "" {
		data = given
	}
	maps.Copy(p.settings, map[string]string{
		"AMPRA_DATA": data, "AMPRA_HTTP_LISTEN": p.http, "AMPRA_MQTT_LISTEN": addresses[1], "AMPRA_ROLES": roles,
		"AMPRA_PUBLIC_URL": "http://" + p.http, clockVariable: p.log + ".clock",
	})
	h.processes = append(h.processes, p)
	if strings.Contains(roles, "broker") {
		l, err := newLink(ctx, "127.0.0.1:0", addresses[1])
		if err != nil {
			return err
		}
		h.links["devices-"+name] = l
		h.brokers = append(h.brokers, "devices-"+name)
	}
	if strings.Contains(roles, "api") {
		l, err := newLink(ctx, "127.0.0.1:0", p.http)
		if err != nil {
			return err
		}
		h.links["hooks-"+name] = l
	}
	return nil
}

// open starts all processes and signs up.
func (h *house) open(ctx context.Context) error {
	for _, p := range h.processes {
		if err := p.start(); err != nil {
			return err
		}
		if err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	var err error
	h.session, err = simulate.NewSession(ctx, simulate.SignIn{URL: "http://" + h.api().http, Patience: patience})
	if err != nil {
		return err
	}
	h.reader, err = newReader("http://"+h.api().http, h.session.Email, h.session.Password.Reveal())
	return err
}

// close ends everything of the house, though not the servers.
func (h *house) close() error {
	var err error
	for _, p := range slices.Backward(h.processes) {
		err = errors.Join(err, p.stop())
	}
	for name, l := range h.links {
		if h.servers == nil || h.servers.links[name] == nil {
			l.close()
		}
	}
	if h.session != nil {
		h.session.Close()
	}
	return err
}

// fleet are devices with the books of their sources.
type fleet struct {
	devices  []*device
	books    listed
	troubles *troubles
}

// pace says how a fleet sends.
type pace struct {
	mqtt, hooks int
	every       time.Duration
	corrections float64
	strict      bool
	// plain webhooks have no time in their signature.
	plain bool
	// past is how old readings are when they are sent.
	past time.Duration
}

// newFleet makes sources and their devices.
func (h *house) newFleet(ctx context.Context, random *rand.Rand, p pace) (*fleet, error) {
	f := &fleet{books: listed{}, troubles: &troubles{}}
	for i := range p.mqtt + p.hooks {
		isHook := i >= p.mqtt
		h.made++
		source, err := h.session.AddSource(ctx, fmt.Sprintf("Fault %04d", h.made), isHook, 1, i)
		if err != nil {
			return nil, err
		}
		b := &book{name: source.ID, index: i + 1, strict: p.strict}
		f.books[source.ID] = b
		d := &device{
			book: b, every: p.every, corrections: p.corrections, past: p.past, troubles: f.troubles,
			random: rand.New(rand.NewPCG(random.Uint64(), 0)), //nolint:gosec // not a secret
		}
		if isHook {
			address := h.links["hooks-"+h.api().name].address
			d.sender = newHookSender("http://"+address+"/api/webhook/sunsource/"+source.ID, source.ID, source.WebhookSecret, p.plain, f.troubles)
		} else {
			who := login{clientID: source.MQTTClientID, user: source.MQTTClientID, key: source.MQTTKey, topic: source.MQTTTopic}
			if h.guest != nil {
				var password string
				who.user, password = h.guest.Device()
				who.key = credential.NewSecret(password)
			}
			broker := h.links[h.brokers[i%len(h.brokers)]]
			if d.sender, err = newMQTTSender(broker.address, who, source.ID, f.troubles); err != nil {
				return nil, err
			}
		}
		f.devices = append(f.devices, d)
	}
	return f, nil
}

// open is how many readings have no answer.
func (f *fleet) open() int {
	n := 0
	for _, d := range f.devices {
		n += d.book.open()
	}
	return n
}

// servers are those of this program alone, with a link before each. They are
// started when a profile first needs them.
type servers struct {
	folder string
	say    func(string)
	own    map[string]*stack.Private
	links  map[string]*link
	made   int
}

// start starts all that do not run yet.
func (s *servers) start(ctx context.Context, names ...string) error {
	// PostgreSQL runs as a user of its own under root.
	if err := os.Chmod(s.folder, 0o711); err != nil { //nolint:gosec // see above
		return err
	}
	for _, name := range names {
		if s.own[name] != nil {
			continue
		}
		began := time.Now()
		o := stack.Ownership{Folder: s.folder, Say: s.say}
		if name == stack.OwnKafka { // it has to know who stands before it
			before, err := freeAddresses(ctx, 1)
			if err != nil {
				return err
			}
			o.Advertised = before[0]
		}
		server, err := stack.Own(ctx, name, o)
		if err != nil {
			return err
		}
		s.own[name] = server
		if name != stack.OwnMosquitto {
			l, err := newLink(ctx, orAny(o.Advertised), hostOf(server.Address))
			if err != nil {
				return err
			}
			s.links["ampra-"+strings.ToLower(name)] = l
		}
		s.say(fmt.Sprintf("%s started in %s", name, time.Since(began).Round(100*time.Millisecond)))
	}
	return nil
}

func orAny(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}

// hostOf is the host:port of a server's address.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// stores are the settings of a house with a database, topics and so on of its own,
// all behind the links.
func (s *servers) stores(ctx context.Context, folder string) (map[string]string, error) {
	s.made++
	name := "faults" + strconv.Itoa(s.made)
	conn, err := pgx.Connect(ctx, s.own[stack.OwnPostgres].Address)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, "create database "+name)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("making a database: %w", err)
	}
	records, err := url.Parse(s.own[stack.OwnPostgres].Address)
	if err != nil {
		return nil, errors.New("PostgreSQL's address is no URL")
	}
	records.Host, records.Path = s.links["ampra-postgresql"].address, "/"+name
	key := filepath.Join(folder, "key")
	return map[string]string{
		"AMPRA_POSTGRES_URL": records.String(),
		// The driver dials what the replica set names, unless it is told not to.
		"AMPRA_MONGO_URL": "mongodb://" + s.links["ampra-mongodb"].address + "/?directConnection=true", "AMPRA_MONGO_DATABASE": name,
		"AMPRA_KAFKA_BROKERS": s.links["ampra-kafka"].address, "AMPRA_KAFKA_TOPIC_PREFIX": name, "AMPRA_KAFKA_PARTITIONS": "4",
		"AMPRA_KEY_FILE": key,
	}, secretbox.Generate(key)
}

// freeAddresses finds loopback addresses that nobody listens on, on ports below
// those that the kernel gives to outgoing connections: they must be free again
// when a process is started anew.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var config net.ListenConfig
	var last error
	for range 200 {
		if len(held) == n {
			break
		}
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(12000+rand.IntN(8000))) //nolint:gosec // not a secret
		if err != nil {
			last = err
			continue
		}
		held = append(held, l)
	}
	if len(held) < n {
		return nil, fmt.Errorf("finding a free port: %w", last)
	}
	found := make([]string, n)
	for i, l := range held {
		found[i] = l.Addr().String()
	}
	return found, nil
}
