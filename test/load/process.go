package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc on every Linux that Go runs on.
const ticksPerSecond = 100

// process is a program to be watched with all its children, such as PostgreSQL's.
type process struct {
	name string
	// pid is 0 for a server that is not on this machine or in a container.
	pid int
	// alone leaves the children out: this program's are what it measures.
	alone bool
}

// myself is this process.
func myself(name string) process { return process{name: name, pid: os.Getpid(), alone: true} }

// usage is what a process took in a span of time.
type usage struct {
	name string
	// known is false where the process cannot be watched.
	known bool
	cpu   time.Duration
	// peak is the most memory that was seen resident, in bytes. What its processes
	// share counts once.
	peak int64
}

// watch follows processes by /proc. Elsewhere than on Linux it knows nothing.
type watch struct {
	processes []process
	before    map[int]time.Duration // by root pid
	busy      time.Duration         // of the machine
	began     time.Time
	peaks     map[int]int64
	stop      context.CancelFunc
	ended     chan struct{}
}

// begin starts to watch, until end is called.
func begin(ctx context.Context, processes []process) *watch {
	w := &watch{processes: processes, before: map[int]time.Duration{}, peaks: map[int]int64{}, ended: make(chan struct{}), began: time.Now()}
	w.busy = machineBusy()
	family := families()
	for _, p := range processes {
		w.before[p.pid] = cpuOf(family, p)
	}
	ctx, w.stop = context.WithCancel(ctx)
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			family := families()
			for _, p := range processes {
				w.peaks[p.pid] = max(w.peaks[p.pid], memoryOf(family, p))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

// end returns what each process took, and how many cores others kept busy.
func (w *watch) end() (used []usage, others float64) {
	w.stop()
	<-w.ended
	family := families()
	rest := machineBusy() - w.busy
	for _, p := range w.processes {
		cpu := cpuOf(family, p) - w.before[p.pid]
		rest -= cpu
		used = append(used, usage{name: p.name, known: p.pid != 0 && family[p.pid] != nil, cpu: cpu, peak: w.peaks[p.pid]})
	}
	return used, max(0, rest.Seconds()/time.Since(w.began).Seconds())
}

// kin is a process with its children.
type kin struct {
	parent   int
	own      int64 // ticks of its own
	ended    int64 // and of children that ended
	children []int
}

// families reads all processes.
func families() map[int]*kin {
	all := map[int]*kin{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return all
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		if k, ok := parseStat(text); ok {
			all[pid] = &k
		}
	}
	for pid, k := range all {
		if parent := all[k.parent]; parent != nil {
			parent.children = append(parent.children, pid)
		}
	}
	return all
}

// parseStat reads a line of /proc/PID/stat; a program's name may hold anything.
func parseStat(text []byte) (kin, bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return kin{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return kin{}, false
	}
	var k kin
	var err error
	if k.parent, err = strconv.Atoi(fields[1]); err != nil {
		return kin{}, false
	}
	for i, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(f, 10, 64)
		switch {
		case err != nil:
			return kin{}, false
		case i < 2:
			k.own += n
		default:
			k.ended += n
		}
	}
	return k, true
}

func cpuOf(family map[int]*kin, p process) time.Duration {
	return time.Duration(ticksOf(family, p.pid, p.alone)) * time.Second / ticksPerSecond
}

func ticksOf(family map[int]*kin, pid int, alone bool) int64 {
	k := family[pid]
	if k == nil || pid == 0 {
		return 0
	}
	if alone {
		return k.own
	}
	sum := k.own + k.ended
	for _, child := range k.children {
		sum += ticksOf(family, child, false)
	}
	return sum
}

// memoryOf is the resident memory of a process and its children.
func memoryOf(family map[int]*kin, p process) int64 {
	own, shared := residents(family, p.pid, p.alone)
	return own + shared
}

func residents(family map[int]*kin, pid int, alone bool) (own, shared int64) {
	k := family[pid]
	if k == nil || pid == 0 {
		return 0, 0
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	own, shared = parseStatus(string(text))
	if alone {
		return own, shared
	}
	for _, child := range k.children {
		o, s := residents(family, child, false)
		own, shared = own+o, max(shared, s)
	}
	return own, shared
}

// parseStatus reads a process's own memory, and what it has in common with
// others by files and shared memory, in bytes.
func parseStatus(text string) (own, shared int64) {
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) != 2 || fields[1] != "kB" {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "RssAnon":
			own += kilobytes << 10
		case "RssFile", "RssShmem":
			shared += kilobytes << 10
		}
	}
	return own, shared
}

// machineBusy is the time that all cores together were not idle.
func machineBusy() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	var ticks int64
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err == nil && i != 4 && i != 5 && i < 8 { // idle, waiting for a disk; guests are counted in user
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// listener finds the process that listens on a loopback address; 0 when it is
// none of this machine's, or not to be seen.
func listener(address string) int {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for _, inode := range parseListeners(string(text), number) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return 0
	}
	family, holders := families(), map[int]bool{}
	for pid := range family {
		folder := fmt.Sprintf("/proc/%d/fd", pid)
		files, _ := os.ReadDir(folder)
		for _, f := range files {
			if target, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && inodes[target] {
				holders[pid] = true
			}
		}
	}
	for pid := range holders {
		if !holders[family[pid].parent] { // children inherit the socket
			return pid
		}
	}
	return 0
}

// parseListeners reads the inodes of the sockets that listen on a port.
func parseListeners(table string, port int) []string {
	var found []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
			found = append(found, fields[9])
		}
	}
	return found
}
