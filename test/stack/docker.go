package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// engineTime is how long a Docker engine may take to answer; most machines that
// have none say so at once.
const engineTime = 3 * time.Second

// engine is a Docker engine that answered.
type engine struct {
	// host is where the containers' ports are reached from here.
	host string
	// run is the folder that notes the containers of this run.
	run string
}

// containerNote is the beginning of the name of a file that notes a container.
const containerNote = "container-"

// local tells whether the containers' ports are on this machine's loopback.
func (e *engine) local() bool {
	ip := net.ParseIP(e.host)
	return ip != nil && ip.IsLoopback()
}

// findEngine looks for a Docker engine as testcontainers-go finds it: by its
// variables, its properties file, Docker's context or the usual sockets.
func findEngine() (*engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTime)
	defer cancel()
	type outcome struct {
		found *engine
		err   error
	}
	done := make(chan outcome, 1)
	go func() { // looking for the socket takes no context
		host, err := engineHost(ctx)
		done <- outcome{found: &engine{host: host}, err: err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, missing("no engine answers")
		}
		return o.found, nil
	case <-ctx.Done():
		return nil, missing("no engine answers within %s", engineTime)
	}
}

// engineHost asks the engine where its containers' ports are reached.
// testcontainers-go says so, but takes every container it runs in for one that
// was only handed the engine's socket; an engine that runs in it, too, and has its
// name, is on its loopback.
func engineHost(ctx context.Context) (string, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", err
	}
	defer provider.Close()
	found, err := provider.Client().Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", err
	}
	_, told := os.LookupEnv("TESTCONTAINERS_HOST_OVERRIDE")
	here, _ := os.Hostname()
	if !told && here == found.Info.Name && strings.HasPrefix(provider.Client().DaemonHost(), "unix:") {
		return "127.0.0.1", nil
	}
	host, err := provider.DaemonHost(ctx)
	if host == "localhost" {
		host = "127.0.0.1" // what is advertised must not depend on how a name resolves
	}
	return host, err
}

// image is what to run in a container.
type image struct {
	name  string
	cmd   []string
	env   map[string]string
	files map[string]string // by path in the container
	// inside is the port that the server listens on in its container, outside the one
	// it is reached by.
	inside, outside int
}

// start runs the image and waits until ready says that the server answers at its
// outside port. An image that cannot be had is missing; one that starts and does
// not answer is broken.
func (e *engine) start(ctx context.Context, img image, ready func(context.Context) error) (func(context.Context) error, error) {
	inside, err := network.ParsePort(strconv.Itoa(img.inside))
	if err != nil {
		return nil, err
	}
	binding := network.PortBinding{HostPort: strconv.Itoa(img.outside)}
	if e.local() {
		binding.HostIP = netip.MustParseAddr(e.host) // for nobody else
	}
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image: img.name, Cmd: img.cmd, Env: img.env, Files: containerFiles(img.files),
			ExposedPorts:   []string{inside.String()},
			LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{PostCreates: []testcontainers.ContainerHook{e.note}}},
			HostConfigModifier: func(config *container.HostConfig) {
				config.PortBindings = network.PortMap{inside: {binding}}
			},
		},
		Started: true,
	})
	stop := func(ctx context.Context) error {
		return testcontainers.TerminateContainer(c, testcontainers.StopContext(ctx), testcontainers.StopTimeout(0))
	}
	if c == nil {
		return nil, missing("%s cannot be had: %v", img.name, err)
	}
	if err == nil {
		err = await(ctx, nil, func(ctx context.Context) error {
			err := ready(ctx)
			if state, unknown := c.State(ctx); err != nil && unknown == nil && !state.Running {
				return endedError{last: err}
			}
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("%s: %w%s", img.name, err, containerLog(ctx, c))
		return nil, errors.Join(err, stop(context.WithoutCancel(ctx)))
	}
	return stop, nil
}

// note writes down a container that exists from now on, for a supervisor to come
// should this one be killed. testcontainers-go has a container of its own for that,
// which starts for more seconds than it saves and needs the engine's socket inside.
func (e *engine) note(_ context.Context, c testcontainers.Container) error {
	return os.WriteFile(filepath.Join(e.run, containerNote+c.GetContainerID()), nil, 0o600)
}

// removeContainers removes those that a killed supervisor left.
func removeContainers(ctx context.Context, ids []string) error {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	defer provider.Close()
	for _, id := range ids {
		_, gone := provider.Client().ContainerRemove(ctx, id, client.ContainerRemoveOptions{RemoveVolumes: true, Force: true})
		if !errdefs.IsNotFound(gone) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func containerFiles(files map[string]string) []testcontainers.ContainerFile {
	var all []testcontainers.ContainerFile
	for path, text := range files {
		all = append(all, testcontainers.ContainerFile{
			Reader: strings.NewReader(text), ContainerFilePath: path, FileMode: 0o644,
		})
	}
	return all
}

// containerLog returns the end of a container's log, for an error.
func containerLog(ctx context.Context, c testcontainers.Container) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	logs, err := c.Logs(ctx)
	if err != nil {
		return ""
	}
	defer logs.Close()
	text, _ := io.ReadAll(io.LimitReader(logs, 1<<20))
	return lastLines(string(text))
}
