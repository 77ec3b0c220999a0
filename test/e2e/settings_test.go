package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWrongSettingIsNamedAndEndsTheCommandWithCode2(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]string
		args     []string
		want     []string
	}{
		"a variable":                    {map[string]string{"AMPRA_LOG_LEVEL": "loud"}, nil, []string{"AMPRA_LOG_LEVEL", `"loud"`, "debug, info, warn or error"}},
		"a flag":                        {nil, []string{"--http-listen", "8080"}, []string{"--http-listen", `"8080"`, ":8080"}},
		"a number":                      {map[string]string{"AMPRA_KAFKA_PARTITIONS": "many"}, nil, []string{"kafka-partitions"}},
		"a duration":                    {map[string]string{"AMPRA_RETENTION": "90 moons"}, nil, []string{"retention"}},
		"too short a time":              {map[string]string{"AMPRA_RETENTION": "1m"}, nil, []string{"AMPRA_RETENTION", "at least 1h"}},
		"a role":                        {map[string]string{"AMPRA_ROLES": "api,cook"}, nil, []string{"AMPRA_ROLES", "cook"}},
		"roles without a hub":           {map[string]string{"AMPRA_ROLES": "writer"}, nil, []string{"AMPRA_ROLES", "--kafka-brokers"}},
		"a key without its certificate": {map[string]string{"AMPRA_TLS_KEY": "key.pem"}, nil, []string{"AMPRA_TLS_KEY", "--tls-cert"}},
		"a URL with a password":         {map[string]string{"AMPRA_POSTGRES_URL": "mysql://ampra:hush-hush@host/db"}, nil, []string{"AMPRA_POSTGRES_URL", "postgres://"}},
		"no such flag":                  {nil, []string{"--lisen", ":1"}, []string{"--lisen"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, c.settings, append([]string{"serve"}, c.args...)...)
			if got.code != 2 {
				t.Errorf("ended with code %d, want 2: %s", got.code, got.err)
			}
			for _, want := range c.want {
				if !strings.Contains(got.err, want) {
					t.Errorf("the message lacks %q: %s", want, got.err)
				}
			}
			if strings.Contains(got.out+got.err, "hush-hush") {
				t.Errorf("the message shows the password: %s", got.err)
			}
		})
	}
}

func TestTheScaleProfileRefusesToStartWithoutAKeyFile(t *testing.T) {
	t.Parallel()
	got := run(t, map[string]string{"AMPRA_POSTGRES_URL": "postgres://ampra:hush-hush@127.0.0.1:1/ampra", "AMPRA_HTTP_LISTEN": "127.0.0.1:0", "AMPRA_MQTT_LISTEN": "", "AMPRA_MQTT_TLS_LISTEN": ""}, "serve")
	if got.code == 0 || !strings.Contains(got.err, "ampra keys generate") || !strings.Contains(got.err, "AMPRA_KEY_FILE") {
		t.Errorf("ended with code %d, want a message that says how to make the key file: %s", got.code, got.err)
	}
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil).startAll().api()
	got := run(t, map[string]string{"AMPRA_HTTP_LISTEN": s.http}, "serve")
	if got.code != 1 || !strings.Contains(got.err, s.http) || !strings.Contains(got.err, "AMPRA_HTTP_LISTEN") {
		t.Errorf("ended with code %d, want 1 and the address with its setting: %s", got.code, got.err)
	}
}

func TestLaterPlacesOfASettingWin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ampra.yaml")
	text := "http:\n  listen: :1001\nmqtt.listen: :1002\nlog.level: warn\nlimit:\n  source:\n    readings:\n      rate: 7\nroles: [api, ingest, writer, broker]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, map[string]string{"AMPRA_CONFIG": file, "AMPRA_MQTT_LISTEN": ":2002", "AMPRA_LOG_LEVEL": "error"}, "config", "--log-level", "debug")
	if got.code != 0 {
		t.Fatalf("ended with code %d: %s", got.code, got.err)
	}
	for setting, want := range map[string][2]string{
		"http.listen": {":1001", "file"}, "limit.source.readings.rate": {"7", "file"}, "mqtt.listen": {":2002", "environment"},
		"log.level": {"debug", "flag"}, "log.format": {"text", "default"},
	} {
		value, from := shown(got.out, setting)
		if value != want[0] || from != want[1] {
			t.Errorf("%s is shown as %s from %s, want %s from %s\n%s", setting, value, from, want[0], want[1], got.out)
		}
	}
}

// shown finds a setting's line in what "ampra config" prints.
func shown(table, setting string) (value, from string) {
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != setting {
			continue
		}
		return words[2], words[3]
	}
	return "", ""
}

func TestPasswordsAreHiddenWhereSettingsAreShown(t *testing.T) {
	t.Parallel()
	got := run(t, map[string]string{
		"AMPRA_POSTGRES_URL": "postgres://ampra:hush-hush@db.example/ampra?sslmode=disable",
		"AMPRA_MONGO_URL":    "mongodb://ampra:hush-hush@one.example:27017,two.example:27017/?replicaSet=rs0",
		"AMPRA_MQTT_URL":     "mqtt://ampra:hush-hush@broker.example",
	}, "config")
	byParameter := run(t, map[string]string{
		"AMPRA_POSTGRES_URL": "postgres://db.example/ampra?user=ampra&password=hush-hush&sslpassword=hush-hush@home",
		"AMPRA_MONGO_URL":    "mongodb://ampra@one.example,two.example/?tlsCertificateKeyFilePassword=hush-hush&replicaSet=rs0",
	}, "config")
	if out := byParameter.out + byParameter.err; byParameter.code != 0 || strings.Contains(out, "hush-hush") || !strings.Contains(out, "&replicaSet=rs0") {
		t.Errorf("ended with code %d and shows a password, or hides what is none:\n%s", byParameter.code, out)
	}
	if got.code != 0 || strings.Contains(got.out+got.err, "hush-hush") {
		t.Errorf("ended with code %d and shows a password:\n%s%s", got.code, got.out, got.err)
	}
	for _, want := range []string{"db.example/ampra", "two.example", "broker.example"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%s is not shown:\n%s", want, got.out)
		}
	}
}

func TestSettingsAreShownAsTheyAreSetWithAWholeSentence(t *testing.T) {
	t.Parallel()
	got := run(t, map[string]string{"AMPRA_KAFKA_BROKERS": "one.example:9092,two.example:9092"}, "config")
	for setting, want := range map[string]string{"kafka.brokers": "one.example:9092,two.example:9092", "roles": "api,ingest,writer,broker"} {
		if value, _ := shown(got.out, setting); value != want {
			t.Errorf("%s is shown as %s, want %s", setting, value, want)
		}
	}
	for line := range strings.Lines(got.out) {
		if strings.HasSuffix(strings.TrimSpace(line), "e.g") {
			t.Errorf("the meaning ends within its sentence: %s", line)
		}
	}
}

func TestAnUnknownKeyOfTheSettingsFileIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ampra.yaml")
	if err := os.WriteFile(file, []byte("http:\n  lisen: :1001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, nil, "serve", "--config", file)
	if got.code != 2 || !strings.Contains(got.err, "http.lisen") || !strings.Contains(got.err, file) {
		t.Errorf("ended with code %d, want 2 and the key with its file: %s", got.code, got.err)
	}
}

func TestAVariableThatIsNoSettingIsNamed(t *testing.T) {
	t.Parallel()
	got := run(t, map[string]string{"AMPRA_HTTP_LISEN": ":1001"}, "version")
	if got.code != 0 || !strings.Contains(got.err, "AMPRA_HTTP_LISEN") {
		t.Errorf("ended with code %d: %q, want a line that names the variable", got.code, got.err)
	}
}
