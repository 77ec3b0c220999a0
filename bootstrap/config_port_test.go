package bootstrap

import "testing"

func TestDevicesAreToldTheBrokersOwnPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen, outside string
		want            int
	}{
		{":8883", "", 8883},
		{"127.0.0.1:18883", "", 18883},
		{"[::1]:443", "", 443},
		{"", "", 8883},
		{":18883", "mqtt://localhost:1883", 8883},
	} {
		config := Config{MQTTTLSListen: c.listen, MQTTURL: c.outside}
		_ = config.Complete() // that much else is missing does not matter
		if config.MQTTPublicPort != c.want {
			t.Errorf("listening at %q, with the broker %q outside, devices are told the port %d, want %d", c.listen, c.outside, config.MQTTPublicPort, c.want)
		}
		config.MQTTPublicPort = 444
		_ = config.Complete()
		if config.MQTTPublicPort != 444 {
			t.Errorf("devices are told the port %d, where 444 is set", config.MQTTPublicPort)
		}
	}
}
