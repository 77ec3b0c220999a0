package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// noServices keeps a package's installation from starting the service that comes
// with it: the tests run servers of their own, and its port is somebody else's.
const noServices = "/usr/sbin/policy-rc.d"

// programs finds the servers' programs, and as root on Debian installs them by
// name. What is not a package of the system stays in folder.
type programs struct{ folder string }

// lock keeps others from installing the same, this supervisor's other launches and
// other supervisors.
func (p *programs) lock(name string) (unlock func(), err error) {
	if err := os.MkdirAll(p.folder, 0o755); err != nil { //nolint:gosec // programs, no secrets
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	return lockFile(filepath.Join(p.folder, name+".lock"))
}

// onPath returns the first of the programs that the path or one of the patterns
// of folders has, and "" when none has one.
func onPath(names []string, folders ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, pattern := range folders {
			found, _ := filepath.Glob(filepath.Join(pattern, name))
			slices.Sort(found)
			for _, path := range slices.Backward(found) { // the newest version
				if info, err := os.Stat(path); err == nil && !info.IsDir() {
					return path
				}
			}
		}
	}
	return ""
}

// mayInstall tells whether this is Debian, or made from it, and we are root.
func mayInstall() bool {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil || os.Geteuid() != 0 || onPath([]string{"apt-get"}) == "" {
		return false
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if (key == "ID" || key == "ID_LIKE") && slices.Contains(strings.Fields(strings.Trim(value, `"`)), "debian") {
			return true
		}
	}
	return false
}

// need finds something by find, and when it is not there installs the packages
// and looks again.
func (p *programs) need(ctx context.Context, say func(string), what string, find func() string, packages ...string) (string, error) {
	if path := find(); path != "" {
		return path, nil
	}
	if !mayInstall() {
		return "", missing("%s is not on the path (it is installed only as root on Debian)", what)
	}
	unlock, err := p.lock("apt") // apt-get does not wait for another that updates its lists
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := find(); path != "" { // came with another server's packages
		return path, nil
	}
	say("installing " + strings.Join(packages, " ") + " from Debian")
	if err := install(ctx, packages); err != nil {
		return "", err
	}
	if path := find(); path != "" {
		return path, nil
	}
	return "", missing("%s is not in the packages %s", what, strings.Join(packages, " "))
}

func install(ctx context.Context, packages []string) error {
	if _, err := os.Stat(noServices); os.IsNotExist(err) {
		if err := os.WriteFile(noServices, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil { //nolint:gosec // a program
			return fmt.Errorf("holding services back: %w", err)
		}
		defer os.Remove(noServices)
	}
	args := append([]string{"install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"}, packages...)
	err := run(ctx, "apt-get", args...)
	if err != nil { // the lists may be old, or none as in a bare container
		if err = run(ctx, "apt-get", "update", "-q"); err == nil {
			err = run(ctx, "apt-get", args...)
		}
	}
	if err != nil {
		return missing("%s cannot be installed: %v", strings.Join(packages, " "), err)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil { // nor at the next boot
		for _, service := range packages {
			_ = run(ctx, "systemctl", "disable", service) // most packages have none
		}
	}
	return nil
}

// run runs a command to its end. The error has the last lines of its output.
func run(ctx context.Context, name string, args ...string) error {
	return runAs(ctx, nil, "", name, args...)
}

// runAs runs a command as the user, in the folder.
func runAs(ctx context.Context, user *account, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.SysProcAttr = dir, identity(user)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w%s", filepath.Base(name), args[0], err, lastLines(string(out)))
	}
	return nil
}

// keep returns the folder of a program in the cache, filling it by fill on first
// use. It is filled aside and moved into place, so a broken download is not kept,
// and under a lock, so two supervisors do not both download.
func (p *programs) keep(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(p.folder, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unlock, err := p.lock(name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	aside, err := os.MkdirTemp(p.folder, name+"-")
	if err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	defer os.RemoveAll(aside)
	if err := fill(aside); err != nil {
		return "", err
	}
	if err := os.Rename(aside, dir); err != nil {
		return "", fmt.Errorf("filling the cache: %w", err)
	}
	return dir, nil
}

// accountOf returns the user to run a server as when we are root, nil when we are
// not.
func accountOf(name string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is "as we are"
	}
	found, err := user.Lookup(name)
	if err != nil {
		return nil, missing("root cannot run it without a user called %s", name)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading %s's user id: %w", name, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading %s's group id: %w", name, err)
	}
	return &account{uid: uint32(uid), gid: uint32(gid)}, nil
}
