package simulate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"ampra/adapters/mqtt"
)

// device is what plays a source: it takes payloads and sees to it that they are
// acknowledged, over restarts of the server.
type device interface {
	// Run works until ctx ends (nil) or the server refuses the device for good.
	Run(ctx context.Context) error
	// Send hands a payload over and waits while too many are without an answer.
	// When it returns nil, answer is called once: nil for acknowledged,
	// errUnanswered or mqtt.ErrUnacknowledged when Run ended before there was one,
	// any other error for a refusal that stays.
	Send(ctx context.Context, payload []byte, answer func(error)) error
}

// errUnanswered is what a payload ends with whose device stopped first.
var errUnanswered = errors.New("the device stopped before there was an answer")

func isUnanswered(err error) bool {
	return errors.Is(err, errUnanswered) || errors.Is(err, mqtt.ErrUnacknowledged)
}

// mqttDevice is adapters/mqtt's device under this package's words.
type mqttDevice struct{ *mqtt.Device }

// Send publishes.
func (d mqttDevice) Send(ctx context.Context, payload []byte, answer func(error)) error {
	return d.Publish(ctx, payload, answer)
}

// MQTTOptions says how MQTT devices reach the broker.
type MQTTOptions struct {
	// URL replaces the broker's address that the server shows: mqtt://host:port or
	// mqtts://host:port. Empty keeps it (TLS, unless its port is 1883).
	URL string
	// TLS is used for mqtts. Nil trusts the system's authorities; and any
	// certificate of a broker on this very machine, for it makes its own.
	TLS *tls.Config
	// Window is how many readings of a device may be without an answer, 100.
	Window int
}

func newMQTTDevice(o MQTTOptions, s *Source, problem func(error)) (device, error) {
	address, err := o.address(s)
	if err != nil {
		return nil, err
	}
	secure := o.TLS
	if secure == nil && isLoopback(address.Hostname()) {
		secure = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nobody stands between this machine and itself
	}
	d, err := mqtt.NewDevice(mqtt.DeviceConfig{
		URL: address.String(), TLS: secure, Window: o.Window,
		// A broker that asks for a user name takes the client id.
		ClientID: s.MQTTClientID, Username: s.MQTTClientID, Key: s.MQTTKey, Topic: s.MQTTTopic,
		OnProblem: problem,
	})
	if err != nil {
		return nil, fmt.Errorf("the device of %s: %w", s.Name, err)
	}
	return mqttDevice{d}, nil
}

// address is where the source's device connects to.
func (o MQTTOptions) address(s *Source) (*url.URL, error) {
	text := o.URL
	if text == "" {
		scheme := "mqtts"
		if s.MQTTPort == 1883 {
			scheme = "mqtt"
		}
		text = scheme + "://" + net.JoinHostPort(s.MQTTHost, strconv.Itoa(s.MQTTPort))
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the broker's URL: %w", err)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
