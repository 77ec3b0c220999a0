package e2e

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/adapters/kafka"
	"ampra/adapters/sqldb"
	"ampra/core/telemetry"
)

// deadLetter is one in the API's answers.
type deadLetter struct {
	ID, Origin, Topic, Kind, Reason, Encoding, Payload string
	ReceivedAt                                         time.Time
	Size                                               int
	Truncated                                          bool
}

// deadLetters are those of a source, once there are so many, and how long that
// took.
func (u *user) deadLetters(s source, want int) ([]deadLetter, time.Duration) {
	u.t.Helper()
	var list struct{ DeadLetters []deadLetter }
	began := time.Now()
	eventually(u.t, fmt.Sprintf("%d dead letters", want), func() error {
		u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+s.ID+"/dead-letters", nil).into(u.t, &list)
		if len(list.DeadLetters) != want {
			return fmt.Errorf("%d are listed: %+v", len(list.DeadLetters), list.DeadLetters)
		}
		return nil
	})
	return list.DeadLetters, time.Since(began)
}

// replayed is what a replay answers.
type replayed struct{ Replayed, Accepted, Rejected, Remaining int }

func (u *user) replay(path string, want replayed) {
	u.t.Helper()
	var got replayed
	u.want(http.StatusOK, http.MethodPost, path, nil).into(u.t, &got)
	if got != want {
		u.t.Errorf("POST %s answers %+v, want %+v", path, got, want)
	}
}

// put stores a dead letter of a payload that can be read, as after an upgrade.
func (h *house) put(letters ...telemetry.DeadLetter) {
	h.t.Helper()
	if h.stores.postgres == "" {
		db, err := sqldb.OpenSQLite(filepath.Join(h.apis[0].data, "ampra.db"), sqldb.Options{})
		if err != nil {
			h.t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if err := sqldb.NewDeadLetters(db).Put(h.t.Context(), letters...); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	cluster, err := kafka.New(kafka.Config{
		Brokers: h.stores.kafka, TopicPrefix: h.stores.prefix, Partitions: 4,
	}, kafka.Deps{Log: slog.New(slog.DiscardHandler), Observer: nil})
	if err != nil {
		h.t.Fatal(err)
	}
	defer cluster.Close()
	if err := cluster.DeadLetters().Put(h.t.Context(), letters...); err != nil {
		h.t.Fatal(err)
	}
}

func TestWhatCouldNotBeReadIsShownToItsOwnerAndReplayed(t *testing.T) {
	onBoth(t, threeProcesses, func(t *testing.T, open opener) {
		h := open(t).startAll()
		u := firstUser(t, h.api())
		byMQTT, byWebhook := u.add("MQTT", "Roof"), u.add("Webhook", "Shed")
		d := connect5(t, dial(t, h.api().mqtt), byMQTT.signIn())
		const bad = `{"acPowerWatts": 5,}`
		if code, err := d.publish(*byMQTT.Details.Topic, bad); err != nil || code != payloadInvalid {
			t.Fatalf("the bad payload gets 0x%02x, %v", code, err)
		}
		if a := post(t, byWebhook, *byWebhook.Details.Secret, bad, plain); a.status != http.StatusBadRequest {
			t.Fatalf("the bad payload gets %d", a.status)
		}
		for _, s := range []source{byMQTT, byWebhook} {
			letters, _ := u.deadLetters(s, 1) // the writers' group needs a while at first
			l := letters[0]
			if l.Payload != bad || l.Encoding != "utf-8" || l.Size != len(bad) || l.Truncated || l.Kind != "malformed" ||
				!strings.Contains(l.Reason, "byte 19") || time.Since(l.ReceivedAt) > patience {
				t.Errorf("the letter is %+v", l)
			}
			want := map[bool][2]string{true: {"mqtt", *byMQTT.Details.Topic}, false: {"webhook", "/api/webhook/sunsource/" + s.ID}}[s.ID == byMQTT.ID]
			if l.Origin != want[0] || l.Topic != want[1] {
				t.Errorf("it came by %s to %s, want %v", l.Origin, l.Topic, want)
			}
			u.replay("/api/sunsources/"+s.ID+"/dead-letters/"+l.ID+"/replay", replayed{Replayed: 1, Rejected: 1, Remaining: 1})
		}
		if _, err := d.publish(*byMQTT.Details.Topic, bad); err != nil {
			t.Fatal(err)
		}
		if _, took := u.deadLetters(byMQTT, 2); took > 2*time.Second {
			t.Errorf("a letter was shown after %s, want 2 s at the most", took)
		}
		t.Run("replay", func(t *testing.T) { replayReadable(t, h, u.in(t), byMQTT) })
		t.Run("rubbish", func(t *testing.T) { rubbish(t, h, u.in(t)) })
		t.Run("deletion", func(t *testing.T) { deletedLetters(t, h, u.in(t), byWebhook) })
		for _, s := range h.all() {
			if strings.Contains(s.log.String(), bad) {
				t.Errorf("%s logs a payload", s.name)
			}
		}
	})
}

// replayReadable replays letters that can be read, one by one and all at once.
func replayReadable(t *testing.T, h *house, u *user, s source) {
	path := "/api/sunsources/" + s.ID + "/dead-letters"
	received := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	var letters []telemetry.DeadLetter
	for i := range 3 {
		letters = append(letters, telemetry.DeadLetter{
			ID: uuid.New(), SourceID: uuid.MustParse(s.ID), At: received.Add(time.Duration(i) * time.Second), Origin: telemetry.FromMQTT,
			Topic: *s.Details.Topic, Kind: telemetry.LetterMalformed, Reason: "of an older release", Raw: fmt.Appendf(nil, `{"acPowerWatts": %d}`, i),
		})
	}
	h.put(letters...)
	u.deadLetters(s, 5)
	u.replay(path+"/"+letters[1].ID.String()+"/replay", replayed{Replayed: 1, Accepted: 1, Remaining: 4})
	u.replay(path+"/replay", replayed{Replayed: 4, Accepted: 2, Rejected: 2, Remaining: 2})
	for i, r := range u.finds(s, 3) {
		if at := received.Add(time.Duration(i) * time.Second); r["acPowerWatts"] != float64(i) || r["timestamp"] != at.Format("2006-01-02T15:04:05.000Z") && r["timestamp"] != at.Format(time.RFC3339) {
			t.Errorf("reading %d is %v of %v, want it of %s", i, r["acPowerWatts"], r["timestamp"], at)
		}
	}
	h.put(telemetry.DeadLetter{ // the same once more changes nothing
		ID: uuid.New(), SourceID: uuid.MustParse(s.ID), At: letters[2].At, Origin: telemetry.FromMQTT, Topic: *s.Details.Topic, Raw: letters[2].Raw,
	})
	u.deadLetters(s, 3)
	u.replay(path+"/replay", replayed{Replayed: 3, Accepted: 1, Rejected: 2, Remaining: 2})
	u.finds(s, 3)
	u.want(http.StatusNoContent, http.MethodDelete, path, nil)
	u.deadLetters(s, 0)
}

// rubbish is what a device sends that sends nothing else: it does not come as far
// as the journal, and harms no writer.
func rubbish(t *testing.T, h *house, u *user) {
	s := u.add("MQTT", "Broken")
	d := connect5(t, dial(t, h.api().mqtt), s.signIn())
	for i := range 250 {
		if code, err := d.publish(*s.Details.Topic, fmt.Sprintf("{%d", i)); err != nil || code != payloadInvalid {
			t.Fatalf("rubbish gets 0x%02x, %v", code, err)
		}
	}
	d.send(*s.Details.Topic, `{"acPowerWatts": 5}`)
	u.finds(s, 1)
	for _, process := range h.all() {
		if err := process.ready(); err != nil {
			t.Errorf("%s after all that: %v", process.name, err)
		}
	}
}

func TestAWriterThatCannotReadTheJournalStopsAndSaysSo(t *testing.T) {
	t.Parallel()
	h := scale(t, nil).startAll()
	u := firstUser(t, h.api())
	s := u.add("MQTT", "Roof")
	conn, err := kafkago.DialLeader(t.Context(), "tcp", h.stores.kafka[0], h.stores.prefix+".telemetry", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id := uuid.MustParse(s.ID)
	var records []kafkago.Message
	for range 300 {
		records = append(records, kafkago.Message{Key: id[:], Value: []byte("of another release")})
	}
	if _, err := conn.WriteMessages(records...); err != nil {
		t.Fatal(err)
	}
	for times := 1; times <= 2; times++ { // after a restart it comes to the same end: nothing is committed
		eventually(t, "the writer stops", func() error {
			if n := strings.Count(h.api().log.String(), "the writer stopped"); n < times {
				return fmt.Errorf("it says so %d times, want %d", n, times)
			}
			return nil
		})
		if a := u.want(http.StatusServiceUnavailable, http.MethodGet, "/readyz", nil); !strings.Contains(a.body, "writer") {
			t.Errorf("/readyz says %s", a.body)
		}
		u.deadLetters(s, 0)
		h.api().stop()
		h.api().begin()
		eventually(t, "the server answers again", u.alive)
	}
}

// alive is an error while the server does not answer.
func (u *user) alive() error {
	_, err := u.do(http.MethodGet, "/healthz", nil)
	return err
}

// deletedLetters sees that letters go with their source, also those that come
// after it is gone.
func deletedLetters(t *testing.T, h *house, u *user, s source) {
	id := uuid.MustParse(s.ID)
	u.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+s.ID, nil)
	u.want(http.StatusNotFound, http.MethodGet, "/api/sunsources/"+s.ID+"/dead-letters", nil)
	if h.stores.postgres == "" {
		return
	}
	other := u.add("Webhook", "Later")
	h.put(
		telemetry.DeadLetter{ID: uuid.New(), SourceID: id, At: time.Now(), Origin: telemetry.FromWebhook, Raw: []byte("{")},
		telemetry.DeadLetter{ID: uuid.New(), SourceID: uuid.MustParse(other.ID), At: time.Now(), Origin: telemetry.FromWebhook, Raw: []byte("{")},
	)
	u.deadLetters(other, 1) // what came before it was drained, too
	left, err := openArchive(t, h.api()).mongo.Collection("dead_letters").CountDocuments(t.Context(), bson.D{
		{Key: "source", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}},
	})
	if err != nil || left != 0 {
		t.Errorf("%d letters of the deleted source are in MongoDB, %v", left, err)
	}
}
