package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func TestPostgresKeepsRowsInADatabaseThatGoesWithItsTest(t *testing.T) {
	t.Parallel()
	exists := func(t *testing.T, address, name string) bool {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		var found bool
		if err := conn.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", name).Scan(&found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	mine := Postgres(t)
	var others string
	var forgotten *pgx.Conn // what a test leaves open must not keep its database
	t.Run("another test", func(t *testing.T) {
		others = Postgres(t)
		conn, err := pgx.Connect(t.Context(), others)
		if err != nil {
			t.Fatal(err)
		}
		forgotten = conn
		if _, err := conn.Exec(t.Context(), "create table reading (watts int); insert into reading values (42)"); err != nil {
			t.Fatal(err)
		}
		var watts int
		if err := conn.QueryRow(t.Context(), "select watts from reading").Scan(&watts); err != nil || watts != 42 {
			t.Fatalf("read %d, %v; want 42", watts, err)
		}
		if !exists(t, mine, databaseOf(t, others)) {
			t.Fatal("the test's database is not in the server's list")
		}
	})
	if forgotten != nil {
		_ = forgotten.Close(t.Context())
	}
	if databaseOf(t, mine) == databaseOf(t, others) {
		t.Errorf("two tests were given the database %s", databaseOf(t, mine))
	}
	if exists(t, mine, databaseOf(t, others)) {
		t.Errorf("the database %s outlived its test", databaseOf(t, others))
	}
}

func databaseOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func TestMongoKeepsDocumentsAndTransactionsInADatabaseThatGoesWithItsTest(t *testing.T) {
	t.Parallel()
	address, mine := Mongo(t)
	with := func(t *testing.T, act func(*mongo.Client) error) {
		t.Helper()
		if err := onMongo(t.Context(), address, act); err != nil {
			t.Fatal(err)
		}
	}
	var others string
	t.Run("another test", func(t *testing.T) {
		_, others = Mongo(t)
		with(t, func(client *mongo.Client) error {
			readings := client.Database(others).Collection("readings")
			session, err := client.StartSession()
			if err != nil {
				return err
			}
			defer session.EndSession(t.Context())
			_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) { // a lone node refuses these
				return readings.InsertOne(ctx, bson.D{{Key: "watts", Value: 42}})
			})
			if err != nil {
				return err
			}
			n, err := readings.CountDocuments(t.Context(), bson.D{{Key: "watts", Value: 42}})
			if err == nil && n != 1 {
				err = fmt.Errorf("found %d documents, want 1", n)
			}
			return err
		})
	})
	if mine == others {
		t.Errorf("two tests were given the database %s", mine)
	}
	with(t, func(client *mongo.Client) error {
		left, err := client.ListDatabaseNames(t.Context(), bson.D{{Key: "name", Value: others}})
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("the database %s outlived its test", others)
		}
		return err
	})
}

func TestKafkaCarriesAMessageOnATopicThatGoesWithItsTest(t *testing.T) {
	t.Parallel()
	brokers, mine := Kafka(t)
	topics := func(t *testing.T, prefix string) (found []string) {
		t.Helper()
		err := onKafka(brokers, func(client *kafka.Client) error {
			all, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
			if err != nil {
				return err
			}
			for _, topic := range all.Topics {
				if strings.HasPrefix(topic.Name, prefix) {
					found = append(found, topic.Name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	var others string
	t.Run("another test", func(t *testing.T) {
		_, others = Kafka(t)
		topic := others + "readings"
		err := onKafka(brokers, func(client *kafka.Client) error {
			made, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
				Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}},
			})
			if err := errors.Join(err, made.Errors[topic]); err != nil {
				return err
			}
			eventually(t, 20*time.Second, "the message is produced", func() error { return produce(t.Context(), client, topic, "42 W") })
			return fetched(t.Context(), client, topic, "42 W")
		})
		if err != nil {
			t.Fatal(err)
		}
		if found := topics(t, others); len(found) != 1 {
			t.Fatalf("the test's topics are %v, want one", found)
		}
	})
	if mine == others {
		t.Errorf("two tests were given the prefix %s", mine)
	}
	eventually(t, 10*time.Second, "the other test's topics are gone", func() error {
		if found := topics(t, others); len(found) > 0 {
			return fmt.Errorf("%v are left", found)
		}
		return nil
	})
	err := onKafka(brokers, func(client *kafka.Client) error { return produce(t.Context(), client, mine+"nobody-made-it", "x") })
	if err == nil || len(topics(t, mine)) > 0 {
		t.Errorf("producing to a topic that nobody made gives %v and the topics %v", err, topics(t, mine))
	}
}

func produce(ctx context.Context, client *kafka.Client, topic, text string) error {
	done, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(text))}),
	})
	if err == nil {
		err = done.Error
	}
	return err
}

func fetched(ctx context.Context, client *kafka.Client, topic, want string) error {
	got, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 5 * time.Second})
	if err = errors.Join(err, got.Error); err != nil {
		return err
	}
	record, err := got.Records.ReadRecord()
	if err != nil {
		return err
	}
	value, err := io.ReadAll(record.Value)
	if err == nil && string(value) != want {
		err = fmt.Errorf("fetched %q, want %q", value, want)
	}
	return err
}

func TestMosquittoCarriesAMessageBetweenClientsThatTheAdminMade(t *testing.T) {
	t.Parallel()
	address := Mosquitto(t)
	admin, err := signIn(t.Context(), address, ownName(t, "-"))
	if err != nil {
		t.Fatal(err)
	}
	name, password := ownName(t, "-"), secret()
	topic := name + "/reading"
	administer(t, admin,
		map[string]any{"command": "createRole", "rolename": name, "acls": []map[string]any{
			{"acltype": "publishClientSend", "topic": name + "/#", "allow": true},
			{"acltype": "subscribePattern", "topic": name + "/#", "allow": true},
		}},
		map[string]any{"command": "createClient", "username": name, "password": password, "roles": []map[string]any{{"rolename": name}}},
	)
	own, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	own.User = url.UserPassword(name, password)
	device, err := signIn(t.Context(), own.String(), name)
	if err != nil {
		t.Fatal(err)
	}
	got := messages(t, device, topic)
	if _, err := device.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte("42 W")}); err != nil {
		t.Fatal(err)
	}
	if text := receive(t, got); text != "42 W" {
		t.Errorf("received %q, want 42 W", text)
	}
	administer(t, admin,
		map[string]any{"command": "deleteClient", "username": name},
		map[string]any{"command": "deleteRole", "rolename": name},
	)
	if err := admin.Disconnect(&paho.Disconnect{}); err != nil {
		t.Error(err)
	}
	own.User = url.UserPassword(mosquittoAdmin, "guessed")
	if _, err := signIn(t.Context(), own.String(), name+"-thief"); err == nil {
		t.Error("the broker let in the admin with a wrong password")
	}
}

// administer sends commands to the dynamic-security plugin and waits until all
// have gone well.
func administer(t *testing.T, admin *paho.Client, commands ...map[string]any) {
	t.Helper()
	const control = "$CONTROL/dynamic-security/v1"
	got := messages(t, admin, control+"/response")
	text, err := json.Marshal(map[string]any{"commands": commands})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Publish(t.Context(), &paho.Publish{Topic: control, QoS: 1, Payload: text}); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Responses []struct{ Command, Error string }
	}
	if err := json.Unmarshal([]byte(receive(t, got)), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Responses) != len(commands) {
		t.Fatalf("%d answers to %d commands", len(answer.Responses), len(commands))
	}
	for _, r := range answer.Responses {
		if r.Error != "" {
			t.Fatalf("%s: %s", r.Command, r.Error)
		}
	}
}

// messages subscribes and hands over what arrives on the topic.
func messages(t *testing.T, client *paho.Client, topic string) <-chan string {
	t.Helper()
	got := make(chan string, 16)
	remove := client.AddOnPublishReceived(func(p paho.PublishReceived) (bool, error) {
		if p.Packet.Topic == topic {
			got <- string(p.Packet.Payload)
		}
		return true, nil
	})
	t.Cleanup(remove)
	if _, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	return got
}

func receive(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case text := <-got:
		return text
	case <-time.After(10 * time.Second):
		t.Fatal("no message arrived within 10 s")
		return ""
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, within time.Duration, what string, met func() error) {
	t.Helper()
	end := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := met()
		if err == nil {
			return
		}
		select {
		case <-end:
			t.Fatalf("not within %s: %s: %v", within, what, err)
		case <-tick.C:
		}
	}
}
