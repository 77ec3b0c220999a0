// Package bootstrap puts the house together: its settings, the wiring of ports
// and adapters, the roles of a process, and how it starts and stops. It is plain
// Go, to be read from top to bottom; it holds no rule of the domain.
package bootstrap

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Role is what a process does.
type Role string

// The roles.
const (
	RoleAPI    Role = "api"    // REST, webhooks
	RoleIngest Role = "ingest" // reads an outside MQTT broker
	RoleWriter Role = "writer" // brings the journal into the archive
	RoleBroker Role = "broker" // the embedded MQTT broker
)

// Config holds all settings. Each is a flag, an environment variable and a key
// of the YAML file of the same words: --http-listen, AMPRA_HTTP_LISTEN,
// http.listen. Later ones win: defaults, file, environment, flags.
type Config struct {
	Data string `help:"Folder of all that the embedded profile keeps." default:"./data" placeholder:"FOLDER"`

	HTTPListen string `name:"http-listen" help:"Address for REST, webhooks, docs, health and metrics." default:":8080" placeholder:"HOST:PORT"`
	PublicURL  string `name:"public-url" help:"The URL under which users and devices reach this server; webhook URLs are made from it, and https turns on secure cookies. Default: http://localhost and the port of --http-listen." placeholder:"URL"`

	MQTTListen     string `name:"mqtt-listen" help:"Address of the embedded broker; empty turns it off." default:":1883" placeholder:"HOST:PORT"`
	MQTTTLSListen  string `name:"mqtt-tls-listen" help:"Address of the embedded broker with TLS; empty turns it off." default:":8883" placeholder:"HOST:PORT"`
	MQTTPublicHost string `name:"mqtt-public-host" help:"Broker host that devices are told. Default: the public URL's host." placeholder:"HOST"`
	MQTTPublicPort int    `name:"mqtt-public-port" help:"Broker port that devices are told. Default: the port of --mqtt-tls-listen, or 8883 with an outside broker." placeholder:"PORT"`

	TLSCert string `name:"tls-cert" help:"Certificate chain (PEM) for MQTT and HTTPS. Without one MQTT uses a self-made one and HTTP stays plain." placeholder:"FILE"`
	TLSKey  string `name:"tls-key" help:"Key (PEM) of --tls-cert." placeholder:"FILE"`
	KeyFile string `name:"key-file" help:"The keys that seal secrets. Default: key in the data folder, made at the first start of the embedded profile; 'ampra keys generate' makes one otherwise." placeholder:"FILE"`

	LogLevel  string `name:"log-level" help:"debug, info, warn or error." default:"info" placeholder:"LEVEL"`
	LogFormat string `name:"log-format" help:"text or json." default:"text" placeholder:"FORMAT"`

	PostgresURL string `name:"postgres-url" help:"Records in PostgreSQL instead of SQLite, e.g. postgres://user:password@host/ampra." placeholder:"URL"`

	KafkaBrokers     []string `name:"kafka-brokers" help:"Journal in Kafka instead of the direct path: addresses, separated by commas." placeholder:"HOST:PORT"`
	KafkaTopicPrefix string   `name:"kafka-topic-prefix" help:"Topics and consumer group begin with it." default:"ampra" placeholder:"NAME"`
	KafkaPartitions  int      `name:"kafka-partitions" help:"Partitions of the journal's topic when it is made." default:"12" placeholder:"N"`
	KafkaReplication int      `name:"kafka-replication" help:"Replicas of each partition when topics are made; 3 for a cluster." default:"1" placeholder:"N"`

	MongoURL      string `name:"mongo-url" help:"Telemetry in MongoDB (a replica set, 6.0 or newer) instead of SQLite." placeholder:"URL"`
	MongoDatabase string `name:"mongo-database" help:"Database in MongoDB." default:"ampra" placeholder:"NAME"`

	MongoMoveEvery time.Duration `name:"mongo-move-every" help:"How often readings in MongoDB are moved on into the time series; the more of a source come together, the less it costs." default:"5m" placeholder:"DURATION"`
	MongoMoveRows  int64         `name:"mongo-move-rows" help:"With how many readings such a move begins earlier." default:"2000000" placeholder:"N"`

	MQTTURL         string `name:"mqtt-url" help:"An outside MQTT broker to read instead of running the embedded one, e.g. mqtt://user:password@host:1883." placeholder:"URL"`
	MQTTGroup       string `name:"mqtt-group" help:"Share group of the subscriptions at the outside broker." default:"ampra" placeholder:"NAME"`
	MQTTConnections int    `name:"mqtt-connections" help:"Connections to the outside broker." default:"4" placeholder:"N"`

	MQTTWindow        int           `name:"mqtt-window" help:"Messages that a connection to the outside broker may hold without acknowledgement. The broker's own limit has to be as high." default:"2000" placeholder:"N"`
	MQTTSessionExpiry time.Duration `name:"mqtt-session-expiry" help:"How long the outside broker keeps what it could not deliver to this process, and with Mosquitto also gives it its share of the readings while it is away." default:"1d" placeholder:"DURATION"`
	MQTTLeave         bool          `name:"mqtt-leave" help:"Leave the share group at an orderly stop: for processes of a group that goes on without them."`
	MQTTAdminURL      string        `name:"mqtt-admin-url" help:"Administrator of an outside Mosquitto's dynamic-security plugin, e.g. mqtt://admin:password@host:1883: Ampra then keeps a client there for each MQTT source." placeholder:"URL"`
	EMQXURL           string        `name:"emqx-url" help:"REST API of an outside EMQX with an API key and its secret, e.g. http://key:secret@host:18083: Ampra then cuts off devices there." placeholder:"URL"`
	EMQXSecret        Hidden        `name:"emqx-secret" help:"What EMQX shows Ampra's authenticator as its bearer token, at least 16 characters; without it there is no such route." placeholder:"TEXT"`

	OTLPEndpoint string  `name:"otlp-endpoint" help:"Send OpenTelemetry traces by OTLP over HTTP to this receiver, e.g. http://localhost:4318; without it, and without the standard OTEL_EXPORTER_OTLP_ENDPOINT, there are none." placeholder:"URL"`
	TraceRatio   float64 `name:"trace-ratio" help:"The share of deliveries that is traced, 0 to 1." default:"0.01" placeholder:"SHARE"`

	Limits Limits `embed:""`
	Live   Live   `embed:""`

	Imports Imports `embed:""`

	Retention        time.Duration `name:"retention" help:"How long readings are kept, and until their days are rolled up; 0 keeps them for ever." default:"90d" placeholder:"DURATION"`
	RetentionMinutes time.Duration `name:"retention-minutes" help:"How long the slots of five minutes are kept that readings are drawn from once they are deleted; 0 keeps them for ever." default:"730d" placeholder:"DURATION"`
	RetentionHours   time.Duration `name:"retention-hours" help:"How long hours are kept, and energies with them; 0 keeps them for ever." default:"0" placeholder:"DURATION"`

	Registration string `help:"Who may register after the first account: closed or open." default:"closed" placeholder:"MODE"`
	Roles        []Role `help:"What this process does: api, ingest, writer, broker, separated by commas." default:"api,ingest,writer,broker" placeholder:"ROLE"`

	RollupEvery time.Duration `name:"rollup-every" help:"How often the days that readings were written to are rolled up; the latest two to three such periods are read anew by each question." default:"15m" placeholder:"DURATION"`

	DeadLetterRetention time.Duration `name:"dead-letter-retention" help:"How long what could not be read is kept for its owner; 0 keeps it until newer letters push it out." default:"30d" placeholder:"DURATION"`
}

// SettingError names a setting that is wrong and what was expected.
type SettingError struct {
	Setting, Got, Want string
}

// Error gives the setting under its flag's name, with the words that name it in
// the environment.
func (e *SettingError) Error() string {
	env := "AMPRA_" + strings.ToUpper(strings.ReplaceAll(e.Setting, "-", "_"))
	return fmt.Sprintf("setting --%s (%s) is %q, expected %s", e.Setting, env, e.Got, e.Want)
}

// Complete fills in what depends on other settings and returns a *SettingError
// for the first setting that is wrong.
func (c *Config) Complete() error {
	if c.PublicURL == "" {
		c.PublicURL = c.localURL()
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.MQTTPublicPort == 0 {
		c.MQTTPublicPort = c.brokerPort()
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.MQTTPublicHost == "" {
		if u, err := url.Parse(c.PublicURL); err == nil {
			c.MQTTPublicHost = u.Hostname()
		}
	}
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Data, "key")
	}
	return nil
}

func (c *Config) localURL() string {
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	_, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil || port == "" {
		port = "8080"
	}
	return scheme + "://localhost:" + port
}

// brokerPort is the port at which devices find the broker, if nothing stands
// before it.
func (c *Config) brokerPort() int {
	if _, port, err := net.SplitHostPort(c.MQTTTLSListen); err == nil && c.MQTTURL == "" {
		if n, err := strconv.Atoi(port); err == nil && n > 0 {
			return n
		}
	}
	return 8883
}

func (c *Config) check() error {
	wrong := func(setting, got, want string) error { return &SettingError{setting, got, want} }
	const address = "an address such as :8080 or 127.0.0.1:8080"
	switch {
	case c.Data == "":
		return wrong("data", "", "a folder")
	case !validAddress(c.HTTPListen):
		return wrong("http-listen", c.HTTPListen, address)
	case c.MQTTListen != "" && !validAddress(c.MQTTListen):
		return wrong("mqtt-listen", c.MQTTListen, address+", or empty to turn it off")
	case c.MQTTTLSListen != "" && !validAddress(c.MQTTTLSListen):
		return wrong("mqtt-tls-listen", c.MQTTTLSListen, address+", or empty to turn it off")
	case !validURL(c.PublicURL, "http", "https"):
		return wrong("public-url", c.PublicURL, "a URL such as https://ampra.example.org")
	case c.MQTTPublicPort < 1 || c.MQTTPublicPort > 65535:
		return wrong("mqtt-public-port", strconv.Itoa(c.MQTTPublicPort), "a port, 1 to 65535")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return wrong("tls-key", c.TLSKey, "the key of --tls-cert: both are set or neither")
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel):
		return wrong("log-level", c.LogLevel, "debug, info, warn or error")
	case !slices.Contains([]string{"text", "json"}, c.LogFormat):
		return wrong("log-format", c.LogFormat, "text or json")
	case c.PostgresURL != "" && !validURL(c.PostgresURL, "postgres", "postgresql"):
		return wrong("postgres-url", Masked(c.PostgresURL), "a URL such as postgres://user:password@host/ampra")
	case c.MongoURL != "" && !validURL(c.MongoURL, "mongodb", "mongodb+srv"):
		return wrong("mongo-url", Masked(c.MongoURL), "a URL such as mongodb://host/?replicaSet=rs0")
	case c.MQTTURL != "" && !validURL(c.MQTTURL, "mqtt", "mqtts", "tcp", "ssl"):
		return wrong("mqtt-url", Masked(c.MQTTURL), "a URL such as mqtt://user:password@host:1883")
	}
	return c.checkRest(wrong)
}

func (c *Config) checkRest(wrong func(setting, got, want string) error) error {
	for _, broker := range c.KafkaBrokers {
		if !validAddress(broker) || strings.HasPrefix(broker, ":") {
			return wrong("kafka-brokers", broker, "addresses such as kafka1:9092,kafka2:9092")
		}
	}
	for _, role := range c.Roles {
		if !slices.Contains([]Role{RoleAPI, RoleIngest, RoleWriter, RoleBroker}, role) {
			return wrong("roles", string(role), "api, ingest, writer or broker")
		}
	}
	switch {
	case len(c.Roles) == 0:
		return wrong("roles", "", "at least one of api, ingest, writer, broker")
	case c.Registration != "closed" && c.Registration != "open":
		return wrong("registration", c.Registration, "closed or open")
	case !validName(c.KafkaTopicPrefix):
		return wrong("kafka-topic-prefix", c.KafkaTopicPrefix, "letters, digits, '.', '_' and '-', at most 100")
	case !validName(c.MongoDatabase) || strings.Contains(c.MongoDatabase, "."):
		return wrong("mongo-database", c.MongoDatabase, "letters, digits, '_' and '-'")
	case c.MongoMoveEvery < 0:
		return wrong("mongo-move-every", DurationText(c.MongoMoveEvery), "0 or more, such as 5m")
	case c.MongoMoveRows < 0:
		return wrong("mongo-move-rows", strconv.FormatInt(c.MongoMoveRows, 10), "0 (the default) or more")
	case !validName(c.MQTTGroup):
		return wrong("mqtt-group", c.MQTTGroup, "letters, digits, '.', '_' and '-'")
	case c.KafkaPartitions < 1 || c.KafkaPartitions > 10_000:
		return wrong("kafka-partitions", strconv.Itoa(c.KafkaPartitions), "1 to 10000")
	case c.KafkaReplication < 1 || c.KafkaReplication > 100:
		return wrong("kafka-replication", strconv.Itoa(c.KafkaReplication), "1 to 100")
	case c.MQTTConnections < 1 || c.MQTTConnections > 64:
		return wrong("mqtt-connections", strconv.Itoa(c.MQTTConnections), "1 to 64")
	case c.DeadLetterRetention < 0 || (c.DeadLetterRetention > 0 && c.DeadLetterRetention < time.Hour):
		return wrong("dead-letter-retention", DurationText(c.DeadLetterRetention), "0 (until newer ones push it out) or at least 1h")
	}
	if err := c.Limits.check(wrong); err != nil {
		return err
	}
	if err := c.Live.check(wrong); err != nil {
		return err
	}
	if err := c.Imports.check(wrong); err != nil {
		return err
	}
	if err := c.checkRetention(wrong); err != nil {
		return err
	}
	if err := c.checkRollup(wrong); err != nil {
		return err
	}
	if err := c.checkOutside(wrong); err != nil {
		return err
	}
	return c.checkRoles(wrong)
}

// checkRoles refuses processes that could not do their work: what is not shared
// between processes must be in one.
func (c *Config) checkRoles(wrong func(setting, got, want string) error) error {
	if err := c.checkTraces(wrong); err != nil {
		return err
	}
	if len(c.Roles) == 4 {
		return nil
	}
	const all = "all roles in one process, or --postgres-url, --kafka-brokers and --mongo-url, which processes can share"
	if c.PostgresURL == "" || len(c.KafkaBrokers) == 0 || c.MongoURL == "" {
		names := make([]string, len(c.Roles))
		for i, role := range c.Roles {
			names[i] = string(role)
		}
		return wrong("roles", strings.Join(names, ","), all)
	}
	return nil
}

// Has reports whether the process has the role.
func (c *Config) Has(role Role) bool { return slices.Contains(c.Roles, role) }

// Embedded reports whether the records are kept in the data folder.
func (c *Config) Embedded() bool { return c.PostgresURL == "" }

func validAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

func validURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains(schemes, u.Scheme) {
		// MongoDB's URLs may name several hosts with ports, which is no URL to net/url.
		scheme, rest, ok := strings.Cut(text, "://")
		return ok && strings.HasPrefix(scheme, "mongodb") && slices.Contains(schemes, scheme) && rest != ""
	}
	return u.Host != ""
}

func validName(text string) bool {
	return text != "" && len(text) <= 100 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// Masked hides the passwords of a URL: the user's and those among its parameters.
func Masked(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if user, _, hasPassword := strings.Cut(rest[:at], ":"); hasPassword {
			rest = user + ":***" + rest[at:]
		}
	}
	address, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + "://" + rest
	}
	params := strings.Split(query, "&")
	for i, param := range params {
		name, _, _ := strings.Cut(param, "=")
		if known := strings.ToLower(name); strings.Contains(known, "password") || known == "authmechanismproperties" {
			params[i] = name + "=***"
		}
	}
	return scheme + "://" + address + "?" + strings.Join(params, "&")
}
