package stack

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eclipse/paho.golang/paho"
)

const (
	mosquittoAdmin  = "admin"
	mosquittoPlugin = "mosquitto_dynamic_security.so"
)

// mosquitto is Mosquitto 2 with its dynamic-security plugin and windows wide
// enough for what the tests publish.
type mosquitto struct{}

func (mosquitto) name() string     { return "Mosquitto" }
func (mosquitto) variable() string { return "AMPRA_TEST_MQTT_URL" }

func (mosquitto) address(host string, port int, password string) string {
	u := url.URL{Scheme: "mqtt", User: url.UserPassword(mosquittoAdmin, password), Host: host + ":" + strconv.Itoa(port)}
	return u.String()
}

// settings are mosquitto.conf for both ways. Data is the folder of its database
// and of the plugin's clients and roles.
func (mosquitto) settings(listener, plugin, data string) string {
	return strings.Join([]string{
		"listener " + listener,
		"allow_anonymous false",
		"plugin " + plugin,
		"plugin_opt_config_file " + filepath.Join(data, "clients.json"),
		"persistence true",
		"persistence_location " + data + "/",
		"max_inflight_messages 4096",
		"max_queued_messages 200000",
		"set_tcp_nodelay true",
		"log_type error",
		"log_type warning",
		"log_dest stderr",
		"",
	}, "\n")
}

func (m mosquitto) inDocker(ctx context.Context, e *engine) (instance, error) {
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	password := secret()
	clients, err := firstClients(password)
	if err != nil {
		return instance{}, err
	}
	// The image runs on several systems, which keep the plugin in other folders, and
	// the server gives up root for a user that must own the plugin's file.
	const data, plugin = "/mosquitto/data", "/mosquitto/config/" + mosquittoPlugin
	begin := "ln -s $(ls /usr/lib/" + mosquittoPlugin + " /usr/lib/*/" + mosquittoPlugin + " 2>/dev/null | head -n 1) " + plugin +
		" && chown -R mosquitto " + data + " && exec mosquitto -c /mosquitto/config/ampra.conf"
	address := m.address(e.host, port, password)
	stop, err := e.start(ctx, image{
		name: "eclipse-mosquitto:2.0", cmd: []string{"sh", "-c", begin},
		files: map[string]string{
			"/mosquitto/config/ampra.conf": m.settings("1883 0.0.0.0", plugin, data),
			data + "/clients.json":         clients,
		},
		inside: 1883, outside: port,
	}, answersMosquitto(address))
	return instance{address: address, stop: stop}, err
}

func (m mosquitto) asProgram(ctx context.Context, h *host) (instance, error) {
	path, err := h.programs.need(ctx, h.say, "mosquitto", func() string {
		return onPath([]string{"mosquitto"}, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
	}, "mosquitto")
	if err != nil {
		return instance{}, err
	}
	beside := filepath.Join(filepath.Dir(path), "..", "lib")
	plugin := onPath([]string{mosquittoPlugin}, "/usr/lib", "/usr/lib64", "/usr/lib/*", beside)
	if plugin == "" {
		return instance{}, missing("mosquitto has no plugin %s", mosquittoPlugin)
	}
	user, err := accountOf("mosquitto")
	if err != nil {
		return instance{}, err
	}
	data, err := h.folder("mosquitto", user)
	if err != nil {
		return instance{}, err
	}
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	password := secret()
	clients, err := firstClients(password)
	if err != nil {
		return instance{}, err
	}
	config := filepath.Join(data, "mosquitto.conf")
	for path, text := range map[string]string{
		config:                              m.settings(strconv.Itoa(port)+" 127.0.0.1", plugin, data),
		filepath.Join(data, "clients.json"): clients,
	} {
		if err := writeFor(user, path, text); err != nil {
			return instance{}, err
		}
	}
	address := m.address("127.0.0.1", port, password)
	running, err := h.start(ctx, process{
		name: "mosquitto", path: path, args: []string{"-c", config}, dir: data, user: user,
	}, answersMosquitto(address))
	running.address = address
	return running, err
}

func writeFor(user *account, path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil || user == nil {
		return err
	}
	return os.Chown(path, int(user.uid), int(user.gid))
}

// firstClients is the plugin's file with one client, who may do what the first
// client of `mosquitto_ctrl dynsec init` may: administer the plugin and read all.
func firstClients(password string) (string, error) {
	const iterations = 101 // the plugin's own number: it guards a test
	salt := make([]byte, 12)
	_, _ = rand.Read(salt)
	hash, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		return "", fmt.Errorf("hashing the broker's password: %w", err)
	}
	type object = map[string]any
	const control, system = "$CONTROL/dynamic-security/#", "$SYS/#"
	var acls []object
	for _, acl := range [][2]string{
		{"publishClientSend", control},
		{"publishClientReceive", control},
		{"subscribePattern", control},
		{"publishClientReceive", system},
		{"subscribePattern", system},
		{"publishClientReceive", "#"},
		{"subscribePattern", "#"},
		{"unsubscribePattern", "#"},
	} {
		acls = append(acls, object{"acltype": acl[0], "topic": acl[1], "allow": true})
	}
	text, err := json.Marshal(object{
		"clients": []object{{
			"username": mosquittoAdmin, "password": hash, "salt": salt, "iterations": iterations,
			"roles": []object{{"rolename": "admin"}},
		}},
		"roles": []object{{"rolename": "admin", "acls": acls}},
		"defaultACLAccess": object{
			"publishClientSend": false, "publishClientReceive": true, "subscribe": false, "unsubscribe": true,
		},
	})
	return string(text), err
}

// answersMosquitto tells whether the admin client can sign in.
func answersMosquitto(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := signIn(ctx, address, "ampra-stack")
		if err != nil {
			return err
		}
		return client.Disconnect(&paho.Disconnect{})
	}
}

// signIn connects to the broker under the URL's name and password.
func signIn(ctx context.Context, address, clientID string) (*paho.Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the broker's address is no URL") // the error would print its password
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("connecting to Mosquitto: %w", err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, ClientID: clientID})
	password, _ := u.User.Password()
	_, err = client.Connect(ctx, &paho.Connect{
		ClientID: clientID, CleanStart: true, KeepAlive: 30,
		UsernameFlag: true, Username: u.User.Username(),
		PasswordFlag: true, Password: []byte(password),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signing in to Mosquitto: %w", err), conn.Close())
	}
	return client, nil
}
