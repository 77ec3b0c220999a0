package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestNoSecretIsKeptOrLoggedInTheClear(t *testing.T) {
	onBoth(t, threeProcesses, func(t *testing.T, open opener) {
		h := open(t).startAll()
		u := firstUser(t, h.api())
		secrets := useSecrets(t, u)
		look := func(when string) {
			for place, content := range atRest(t, h) {
				secrets.in(t, place+", "+when, content)
			}
			for _, s := range h.all() {
				secrets.in(t, "the log of "+s.name, []byte(s.log.String()))
			}
		}
		look("while it runs")
		for _, s := range h.all() {
			s.stop()
		}
		look("after the stop")
	})
}

// marks are texts that are no secrets. They must be found: else the search finds
// nothing because it does not look.
const (
	markedText = "a-status-that-is-no-secret"
	markedName = "A name that is no secret"
)

// secrets are texts by what they are.
type secrets map[string]string

// useSecrets goes through all that has to do with secrets, and returns those that
// were used, also wrong ones.
func useSecrets(t *testing.T, u *user) secrets {
	t.Helper()
	all := secrets{"the password": u.password}
	for _, c := range u.http.Jar.Cookies(mustParse(u.server.url())) {
		all["the session"] = c.Value
	}
	var token struct{ Token string }
	u.want(http.StatusCreated, http.MethodPost, "/api/auth/tokens", map[string]any{
		"name": "script", "scopes": []string{"read", "write"}, "expiresAt": "2099-01-01T00:00:00Z",
	}).into(t, &token)
	all["the API token"] = token.Token
	byToken(t, u, token.Token)

	all["a wrong password"] = "Wrong-Pass-9753"
	u.want(http.StatusUnauthorized, http.MethodPost, "/api/auth/login", map[string]any{"email": u.email, "password": all["a wrong password"]})
	all["the next password"] = "Next-Pass-8642"
	u.want(http.StatusNoContent, http.MethodPut, "/api/auth/password", map[string]any{"currentPassword": u.password, "newPassword": all["the next password"]})

	roof, garage := repeatedly(t, u, markedName), u.add("Webhook", "Garage")
	all["the MQTT key"], all["the webhook secret"] = *roof.Details.Key, *garage.Details.Secret
	d := connect5(t, dial(t, u.server.mqtt), roof.signIn())
	// With a time of its own: two that come in the same millisecond are one reading.
	d.send(*roof.Details.Topic, `{"timestamp": "2026-01-01T12:00:00Z", "acPowerWatts": 5, "status": {"text": "`+markedText+`"}}`)
	d.send(*roof.Details.Topic+"/acPowerWatts", `7`)
	all["a wrong MQTT key"] = "ak_wrong-key-that-nobody-has-1234567890abcdef"
	if _, _, err := try5(t, dial(t, u.server.mqtt), signIn{*roof.Details.ClientID, "", all["a wrong MQTT key"]}); err == nil {
		t.Error("a wrong key signs in")
	}
	deliver(t, garage, sample, plain)
	deliver(t, garage, sample, standard)
	all["a wrong webhook secret"] = "wh_wrong-secret-that-nobody-has-1234567890"
	post(t, garage, all["a wrong webhook secret"], sample, plain)

	custom := source{}
	all["a webhook secret of one's own"] = "my-own-secret-5f2e8d"
	u.want(http.StatusCreated, http.MethodPost, "/api/sunsources", map[string]any{
		"name": "Shed", "connectionType": "Webhook", "webhookSecret": all["a webhook secret of one's own"],
	}).into(t, &custom)

	var made struct{ MqttApiKey, WebhookSecret string }
	u.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+roof.ID+"/regenerate-mqtt-key?graceSeconds=600", nil).into(t, &made)
	u.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+garage.ID+"/rotate-secret", nil).into(t, &made)
	all["the rotated MQTT key"], all["the rotated webhook secret"] = made.MqttApiKey, made.WebhookSecret
	u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+roof.ID+"?includeConnectionDetails=true", nil)
	u.finds(roof, 2)
	for what, secret := range all {
		if len(secret) < 12 {
			t.Fatalf("%s is %q: too short to be looked for", what, secret)
		}
	}
	return all
}

// repeatedly makes a source with an Idempotency-Key, so that the answer with its
// key is kept for the repeat, and repeats it.
func repeatedly(t *testing.T, u *user, name string) source {
	t.Helper()
	var first, second source
	for _, into := range []*source{&first, &second} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			u.server.url()+"/api/sunsources?includeConnectionDetails=true", strings.NewReader(`{"name": "`+name+`", "connectionType": "MQTT"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", "make-it-once")
		a, err := fetch(u.http, request)
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("making a source: %v, %+v", err, a)
		}
		a.into(t, into)
	}
	if first.ID != second.ID || *first.Details.Key != *second.Details.Key {
		t.Errorf("a repeated request made %s and then %s", first.ID, second.ID)
	}
	return first
}

// byToken makes a request as a script does.
func byToken(t *testing.T, u *user, token string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.server.url()+"/api/sunsources", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if a, err := fetch(&http.Client{Timeout: patience}, request); err != nil || a.status != http.StatusOK {
		t.Fatalf("by token: %v, %+v", err, a)
	}
}

// in fails the test for each secret that stands in the content, as it is or in a
// usual writing.
func (s secrets) in(t *testing.T, place string, content []byte) {
	t.Helper()
	for what, secret := range s {
		for form, needle := range writings(secret) {
			if at := bytes.Index(content, needle); at >= 0 {
				t.Errorf("%s stands in %s (%s), near %q", what, place, form, content[max(at-60, 0):at])
			}
		}
	}
}

// writings are the ways in which a secret may be written down.
func writings(secret string) map[string][]byte {
	text := []byte(secret)
	forms := map[string][]byte{
		"as it is":  text,
		"in hex":    []byte(hex.EncodeToString(text)),
		"in base64": []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(text), "=")),
	}
	_, random, ok := strings.Cut(secret, "_")
	if !ok {
		random = secret
	}
	if raw, err := base64.RawURLEncoding.DecodeString(random); err == nil && len(raw) >= 16 {
		forms["its bytes"] = raw
		forms["its bytes in hex"] = []byte(hex.EncodeToString(raw))
		forms["its bytes in base64"] = []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="))
	}
	return forms
}

// atRest is all that an installation keeps, by where: files, tables, topics,
// collections. It fails the test when a mark is not where it must be.
func atRest(t *testing.T, h *house) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, s := range h.all() {
		for name, content := range files(t, s) {
			all[s.name+"'s file "+name] = content
		}
	}
	if h.stores.postgres == "" {
		mustHold(t, all, markedName, "'s file ampra.db")
		mustHold(t, all, markedText, "'s file telemetry.db")
		return all
	}
	tables(t, h.stores.postgres, all)
	mustHold(t, all, markedName, "table ")
	topics(t, h.stores, all)
	mustHold(t, all, markedText, "topic ")
	collections(t, h.api(), all)
	mustHold(t, all, markedText, "collection ")
	return all
}

// mustHold sees that a mark is found in one of the places.
func mustHold(t *testing.T, all map[string][]byte, mark, place string) {
	t.Helper()
	for name, content := range all {
		if strings.Contains(name, place) && bytes.Contains(content, []byte(mark)) {
			return
		}
	}
	t.Errorf("%q is in no %s: the search does not look where data are", mark, place)
}

// files reads a data folder, but for the keys. A file in use is read as it is on
// the disk.
func files(t *testing.T, s *server) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(s.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.Join(s.data, "key") {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // our own server's folder
		all[filepath.Base(path)] = content
		return err
	})
	if err != nil {
		t.Fatalf("reading the data folder: %v", err)
	}
	return all
}

// tables writes every row of every table as text.
func tables(t *testing.T, address string, into map[string][]byte) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	texts := func(query string) (all []string) {
		rows, err := conn.Query(t.Context(), query)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return all
	}
	for _, table := range texts("select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')") {
		into["table "+table] = []byte(strings.Join(texts("select row::text from "+table+" row"), "\n"))
	}
}

// topics reads every record of the installation's topics.
func topics(t *testing.T, s stores, into map[string][]byte) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.kafka...), Timeout: patience}
	found, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range found.Topics {
		if !strings.HasPrefix(topic.Name, s.prefix) {
			continue
		}
		var all bytes.Buffer
		for _, p := range topic.Partitions {
			records(t, s.kafka[0], topic.Name, p.ID, &all)
		}
		into["topic "+topic.Name] = all.Bytes()
	}
}

func records(t *testing.T, broker, topic string, partition int, into *bytes.Buffer) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", broker, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	if first == last {
		return
	}
	if _, err := conn.Seek(first, kafka.SeekAbsolute); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.ReadMessage(10e6)
		if err != nil {
			t.Fatal(err)
		}
		into.Write(m.Key)
		into.Write(m.Value)
		for _, h := range m.Headers {
			into.WriteString(h.Key)
			into.Write(h.Value)
		}
		if m.Offset == last-1 {
			return
		}
	}
}

// collections reads every document.
func collections(t *testing.T, s *server, into map[string][]byte) {
	t.Helper()
	db := openArchive(t, s).mongo
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cursor, err := db.Collection(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var documents []bson.M
		if err := cursor.All(t.Context(), &documents); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(documents)
		if err != nil {
			t.Fatal(err)
		}
		into["collection "+name] = text
	}
}

// mustParse is a server's address as a URL.
func mustParse(address string) *url.URL {
	u, _ := url.Parse(address)
	return u
}
