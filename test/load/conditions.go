package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// versionTime bounds asking a server for its version.
const versionTime = 5 * time.Second

// conditions says what the figures were taken on.
func (b *bench) conditions(ctx context.Context, out io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	memory := field("/proc/meminfo", "MemTotal")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(out, "machine    %d x %s, memory %s, %s %s, generator and servers on it\n",
		runtime.NumCPU(), orUnknown(field("/proc/cpuinfo", "model name")), orUnknown(memory), runtime.GOOS, strings.TrimSpace(string(kernel)))
	fmt.Fprintf(out, "load       %s before, %s after (others' cores: what neither the generator nor the servers used)\n", b.loadBefore, loadAverage())
	fmt.Fprintf(out, "versions   %s, %s\n", runtime.Version(), strings.Join(b.versions(ctx), ", "))
	fmt.Fprintf(out, "sending    %d readings/s unless flat out, MQTT 3.1.1 at QoS 1, one reading of %d bytes a publish, warm-up %s, measured %s a case\n",
		b.opt.rate, payloadBytes(), b.opt.warmup, b.opt.duration)
	fmt.Fprintf(out, "latencies  from the moment at which a reading was due; %d readings at a time are followed until a query finds them, asked every %s\n",
		probers, probeEvery)
	fmt.Fprintf(out, "sent, acknowledged, found, lost, twice: warm-up included; found by queries over every source; rate: acknowledged while measuring\n")
}

func (b *bench) versions(ctx context.Context) []string {
	var all []string
	if b.postgres != "" {
		all = append(all, "PostgreSQL "+postgresVersion(ctx, b.postgres))
	}
	if b.mongoURL != "" {
		all = append(all, "MongoDB "+mongoVersion(ctx, b.mongoURL))
	}
	if pid := b.kafkaProcess().pid; pid != 0 {
		all = append(all, "Kafka "+fileVersion(pid, regexp.MustCompile(`kafka_2\.\d+-([0-9.]+)\.jar`)))
	}
	return all
}

func postgresVersion(ctx context.Context, url string) (version string) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "?"
	}
	defer conn.Close(ctx)
	if conn.QueryRow(ctx, "show server_version").Scan(&version) != nil {
		return "?"
	}
	return version
}

func mongoVersion(ctx context.Context, url string) string {
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		return "?"
	}
	defer client.Disconnect(ctx) //nolint:errcheck // it was only asked
	var info struct {
		Version string `bson:"version"`
	}
	if client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info) != nil {
		return "?"
	}
	return info.Version
}

// fileVersion finds a version in the name of a file that a process has open.
func fileVersion(pid int, name *regexp.Regexp) string {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		target, _ := os.Readlink(filepath.Join(folder, f.Name()))
		if found := name.FindStringSubmatch(target); found != nil {
			return found[1]
		}
	}
	return "?"
}

// field reads the first line "name: value" of a file in /proc.
func field(path, name string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return orUnknown(first)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
