package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// cutWithin is how long the news that a connection is over may take to the
// device, once the API has answered.
const cutWithin = 5 * time.Second

// ackWithin is how long an acknowledgement is waited for that must not come.
const ackWithin = time.Second

const sample = `{"acPowerWatts": 5}`

// pair is an installation where credentials are changed at one process and
// devices are connected to another, or to the same where there is one only.
type pair struct {
	u     *user
	holds *server
}

// pairs runs a test on the embedded profile and on two processes with API and
// broker.
func pairs(t *testing.T, test func(t *testing.T, p pair)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		h := embedded(t, nil).startAll()
		test(t, pair{u: firstUser(t, h.api()), holds: h.api()})
	})
	t.Run("another process than the one with the connection", func(t *testing.T) {
		t.Parallel()
		h := split(t, 2)
		h.writers = h.writers[:1]
		h.startAll()
		test(t, pair{u: firstUser(t, h.apis[0]), holds: h.apis[1]})
	})
}

// fleet is a source of each kind with its device: MQTT 5, MQTT 3.1.1, webhook.
type fleet struct {
	p               pair
	t               *testing.T
	five, three     source
	garage          source
	device5         *device5
	device3         *device3
	key5, key3, key string
}

func newFleet(t *testing.T, p pair) *fleet {
	t.Helper()
	f := &fleet{p: p, t: t, five: p.u.add("MQTT", "Five"), three: p.u.add("MQTT", "Three"), garage: p.u.add("Webhook", "Garage")}
	f.key5, f.key3, f.key = *f.five.Details.Key, *f.three.Details.Key, *f.garage.Details.Secret
	// The device posts to the process that holds the connections.
	url := f.p.holds.url() + "/api/webhook/sunsource/" + f.garage.ID
	f.garage.Details.URL = &url
	f.connect()
	f.work()
	return f
}

// connect signs both MQTT devices in.
func (f *fleet) connect() {
	f.t.Helper()
	f.device5 = connect5(f.t, dial(f.t, f.p.holds.mqtt), signIn{*f.five.Details.ClientID, "", f.key5})
	var code byte
	if f.device3, code = connect3(f.t, dial(f.t, f.p.holds.mqtt), signIn{*f.three.Details.ClientID, f.three.ID, f.key3}); code != 0 {
		f.t.Fatalf("signing in by MQTT 3.1.1: code %d", code)
	}
}

// work sees that all three send.
func (f *fleet) work() {
	f.t.Helper()
	f.device5.send(*f.five.Details.Topic, sample)
	if err := f.device3.publish(*f.three.Details.Topic, sample); err != nil {
		f.t.Fatalf("publishing by MQTT 3.1.1: %v", err)
	}
	if a := post(f.t, f.garage, f.key, sample, plain); a.status != http.StatusAccepted {
		f.t.Fatalf("posting: status %d: %s", a.status, a.body)
	}
}

// shutOut sees that the keys so far open nothing and that the devices were cut
// off. It is called at once after the API's answer.
func (f *fleet) shutOut() {
	f.t.Helper()
	if code, err := f.device5.publishWithin(ackWithin, *f.five.Details.Topic, sample); err == nil && code < 0x80 {
		f.t.Errorf("a publish on the connection from before is acknowledged with 0x%02x", code)
	}
	f.refused()
	if code, err := f.device5.cutOff(cutWithin); err != nil || code != administrativeAction {
		f.t.Errorf("MQTT 5: cut off with 0x%02x, %v, want 0x98", code, err)
	}
	if err := f.device3.closed(cutWithin); err != nil {
		f.t.Errorf("MQTT 3.1.1: %v", err)
	}
}

// refused sees that the keys so far open nothing.
func (f *fleet) refused() {
	f.t.Helper()
	_, code, err := try5(f.t, dial(f.t, f.p.holds.mqtt), signIn{*f.five.Details.ClientID, "", f.key5})
	if err == nil || code != badCredentials {
		f.t.Errorf("MQTT 5: the old key is answered with 0x%02x, %v, want 0x86", code, err)
	}
	if _, code := connect3(f.t, dial(f.t, f.p.holds.mqtt), signIn{*f.three.Details.ClientID, "", f.key3}); code != 4 && code != 5 {
		f.t.Errorf("MQTT 3.1.1: the old key is answered with %d, want 4 or 5", code)
	}
	for name, sign := range map[string]signing{"plain": plain, "standard": standard} {
		if a := post(f.t, f.garage, f.key, sample, sign); a.status != http.StatusUnauthorized {
			f.t.Errorf("the old secret, %s: status %d, want 401: %s", name, a.status, a.body)
		}
	}
}

// rotate gives all three new keys; query is "" or "?graceSeconds=N". act is
// called after each answer.
func (f *fleet) rotate(query string) {
	f.t.Helper()
	var made struct{ MqttApiKey, WebhookSecret string }
	for _, one := range []struct {
		s    source
		path string
		key  *string
	}{{f.five, "regenerate-mqtt-key", &f.key5}, {f.three, "regenerate-mqtt-key", &f.key3}, {f.garage, "rotate-secret", &f.key}} {
		f.p.u.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+one.s.ID+"/"+one.path+query, nil).into(f.t, &made)
		if *one.key = made.MqttApiKey + made.WebhookSecret; *one.key == "" {
			f.t.Fatal("no new key in the answer")
		}
		made.MqttApiKey, made.WebhookSecret = "", ""
	}
}

func TestARotatedKeyOpensNothingFromTheMomentThatTheAPIAnswers(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		f := newFleet(t, p)
		old := *f
		f.rotate("")
		old.shutOut()
		f.connect()
		f.work()

		// By the update of a source too.
		var updated source
		p.u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+f.five.ID+"?includeConnectionDetails=true",
			map[string]any{"regenerateMqttApiKey": true}).into(t, &updated)
		if _, code, err := try5(t, dial(t, p.holds.mqtt), signIn{*f.five.Details.ClientID, "", f.key5}); err == nil || code != badCredentials {
			t.Errorf("after an update with a new key the old one is answered with 0x%02x, %v", code, err)
		}
		if code, err := f.device5.cutOff(cutWithin); err != nil || code != administrativeAction {
			t.Errorf("after an update with a new key: cut off with 0x%02x, %v", code, err)
		}
		f.key5 = *updated.Details.Key
		f.connect()
		f.work()
	})
}

func TestWithAGraceTheOldKeyStaysBesideTheNewOne(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		f := newFleet(t, p)
		old := *f
		f.rotate("?graceSeconds=600")
		old.work() // nobody was cut off
		f.connect()
		f.work()
		old.connect()
		old.work()

		// A rotation without a grace ends all that came before.
		before := *f
		f.rotate("")
		old.shutOut()
		before.refused()
		f.connect()
		f.work()
	})
}

func TestADeactivatedSourceTakesNothingUntilItIsActiveAgain(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		f := newFleet(t, p)
		for _, s := range []source{f.five, f.three, f.garage} {
			p.u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+s.ID, map[string]any{"isActive": false})
		}
		f.shutOut()
		for _, s := range []source{f.five, f.three, f.garage} {
			p.u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+s.ID, map[string]any{"isActive": true})
		}
		f.connect()
		f.work()
	})
}

func TestADeletedSourceIsGoneWithAllThatHangsOnIt(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		f := newFleet(t, p)
		all := []source{f.five, f.three, f.garage}
		archive := openArchive(t, p.u.server)
		for _, s := range all {
			p.u.finds(s, 1)
			if n := archive.count(s); n == 0 {
				t.Errorf("the archive holds no row of %s: the test looks in the wrong place", s.Name)
			}
		}
		for _, s := range all {
			p.u.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+s.ID, nil)
			if n := archive.count(s); n != 0 {
				t.Errorf("the archive holds %d rows of %s after it was deleted", n, s.Name)
			}
		}
		f.shutOut()
		other := p.u.at(p.holds)
		for _, s := range all {
			for _, u := range []*user{p.u, other} {
				for _, path := range []string{"", "/telemetry", "/telemetry/latest", "/credentials"} {
					u.want(http.StatusNotFound, http.MethodGet, "/api/sunsources/"+s.ID+path, nil)
				}
			}
			if n := archive.count(s); n != 0 {
				t.Errorf("the archive holds %d rows of %s afterwards", n, s.Name)
			}
		}
	})
}

func TestReadingsInTheJournalOfADeletedSourceAreDropped(t *testing.T) {
	t.Parallel()
	h := split(t, 1)
	h.writers = h.writers[:1]
	for _, s := range h.all() { // one partition: the writer takes all in order
		s.settings["AMPRA_KAFKA_PARTITIONS"] = "1"
	}
	h.startAll()
	u := firstUser(t, h.api())
	roof, garage := u.add("MQTT", "Roof"), u.add("Webhook", "Garage")
	d := connect5(t, dial(t, h.api().mqtt), roof.signIn())
	d.send(*roof.Details.Topic, sample)
	u.finds(roof, 1)

	h.writers[0].stop()
	d.send(*roof.Details.Topic, `{"acPowerWatts": 6}`) // acknowledged, and only in Kafka
	u.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+roof.ID, nil)
	deliver(t, garage, sample, plain) // behind it
	h.writers[0].start()
	u.finds(garage, 1)
	archive := openArchive(t, h.api())
	if n, m := archive.count(roof), archive.count(garage); n != 0 || m == 0 {
		t.Errorf("the archive holds %d rows of the deleted source, want 0, and %d of the one behind it", n, m)
	}
}

func TestADeviceThatSignsInDuringARotationIsCutOffToo(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for round := range 5 {
			s := p.u.add("MQTT", fmt.Sprintf("Roof %d", round))
			raceRotation(t, p, s)
		}
	})
}

// raceRotation signs in again and again with the key while it is rotated. When
// the API has answered, no connection made with it may bring a reading in.
func raceRotation(t *testing.T, p pair, s source) {
	t.Helper()
	var mu sync.Mutex
	var connected []*device5
	var dialing sync.WaitGroup
	first := make(chan struct{}, 3)
	for range 3 {
		dialing.Go(func() {
			for {
				d, code, err := try5(t, dial(t, p.holds.mqtt), s.signIn())
				switch {
				case err == nil:
				case code == badCredentials:
					return
				case code == 0 && !strings.Contains(err.Error(), "unexpected packet"):
					continue // another took the session over while this one signed in
				default:
					t.Errorf("signing in is answered with 0x%02x: %v", code, err)
					return
				}
				mu.Lock()
				connected = append(connected, d)
				mu.Unlock()
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	<-first
	p.u.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+s.ID+"/regenerate-mqtt-key", nil)
	answered := time.Now()
	mu.Lock()
	soFar := connected
	mu.Unlock()
	for _, d := range soFar {
		if code, err := d.publishWithin(ackWithin, *s.Details.Topic, sample); err == nil && code < 0x80 {
			t.Errorf("%s after the answer a publish with the old key is acknowledged", time.Since(answered))
		}
	}
	dialing.Wait()
	for _, d := range connected {
		if _, err := d.cutOff(cutWithin); err != nil {
			t.Errorf("a connection made with the old key: %v", err)
		}
	}
	p.u.finds(s, 0)
}
