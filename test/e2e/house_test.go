package e2e

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ampra/test/stack"
)

// house is one installation: the stores that its processes share, and the
// processes.
type house struct {
	t      testing.TB
	stores stores
	// apis take requests, and devices unless there is an outside broker.
	apis    []*server
	writers []*server
}

// stores is what the scale profile stands on; the zero value is the embedded
// profile.
type stores struct {
	postgres           string
	mongo, database    string
	kafka              []string
	prefix             string
	keyFile, mosquitto string
}

// settings are the stores' variables.
func (s stores) settings() map[string]string {
	set := map[string]string{}
	if s.postgres == "" {
		return set
	}
	maps.Copy(set, map[string]string{
		"AMPRA_POSTGRES_URL": s.postgres, "AMPRA_MONGO_URL": s.mongo, "AMPRA_MONGO_DATABASE": s.database,
		"AMPRA_KAFKA_BROKERS": strings.Join(s.kafka, ","), "AMPRA_KAFKA_TOPIC_PREFIX": s.prefix, "AMPRA_KAFKA_PARTITIONS": "4",
		"AMPRA_KEY_FILE": s.keyFile,
	})
	if s.mosquitto != "" {
		set["AMPRA_MQTT_URL"], set["AMPRA_MQTT_GROUP"], set["AMPRA_MQTT_CONNECTIONS"] = s.mosquitto, s.database, "2"
	}
	return set
}

// realStores takes a database, a topic prefix and so on of the test's own, and
// makes the key file by the command.
func realStores(t testing.TB) stores {
	t.Helper()
	s := stores{postgres: stack.Postgres(t), keyFile: filepath.Join(t.TempDir(), "key")}
	s.mongo, s.database = stack.Mongo(t)
	s.kafka, s.prefix = stack.Kafka(t)
	s.prefix += "e2e"
	if made := run(t, s.settings(), "keys", "generate"); made.code != 0 {
		t.Fatalf("ampra keys generate ended with code %d: %s", made.code, made.err)
	}
	return s
}

// add prepares a process on the stores.
func (h *house) add(name string, settings map[string]string) *server {
	h.t.Helper()
	all := h.stores.settings()
	maps.Copy(all, settings)
	return newServer(h.t, name, all)
}

// startAll starts the processes together and waits for each.
func (h *house) startAll() *house {
	h.t.Helper()
	began := time.Now()
	for _, s := range h.all() {
		s.begin()
	}
	for _, s := range h.all() {
		s.awaitReady()
		s.startTook = time.Since(began)
	}
	return h
}

func (h *house) all() []*server { return slices.Concat(h.apis, h.writers) }

// api is the process that requests go to.
func (h *house) api() *server { return h.apis[0] }

// embedded prepares the embedded profile.
func embedded(t testing.TB, settings map[string]string) *house {
	t.Helper()
	h := &house{t: t}
	h.apis = []*server{h.add("ampra", settings)}
	return h
}

// scale prepares the scale profile in one process.
func scale(t testing.TB, settings map[string]string) *house {
	t.Helper()
	h := &house{t: t, stores: realStores(t)}
	h.apis = []*server{h.add("ampra", settings)}
	return h
}

// opener prepares an installation.
type opener func(t testing.TB) *house

// The scale profile in one process, and in three: API and broker, two writers.
func oneProcess(t testing.TB) *house     { return scale(t, nil) }
func threeProcesses(t testing.TB) *house { return split(t, 1) }

// onBoth runs a test on the embedded profile and on the scale profile.
func onBoth(t *testing.T, onScale opener, test func(t *testing.T, open opener)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, func(t testing.TB) *house { return embedded(t, nil) })
	})
	t.Run("scale", func(t *testing.T) {
		t.Parallel()
		test(t, onScale)
	})
}

// split prepares the scale profile in several processes: so many with the API and
// the broker, and two writers.
func split(t testing.TB, apis int) *house {
	t.Helper()
	h := &house{t: t, stores: realStores(t)}
	for i := range apis {
		h.apis = append(h.apis, h.add("api "+string(rune('A'+i)), map[string]string{"AMPRA_ROLES": "api,broker"}))
	}
	for i := range 2 {
		h.writers = append(h.writers, h.add("writer "+string(rune('A'+i)), map[string]string{"AMPRA_ROLES": "writer"}))
	}
	return h
}

// outside prepares the scale profile on an outside broker. What reads it signs in
// as a client of its own.
func outside(t testing.TB) (*house, *dynsec) {
	t.Helper()
	h := &house{t: t, stores: realStores(t)}
	broker := administer(t, stack.Mosquitto(t))
	h.stores.mosquitto = broker.reader(h.stores.database)
	h.apis = []*server{h.add("ampra", nil)}
	return h, broker
}
