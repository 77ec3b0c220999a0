package mqttbroker

import (
	"encoding/binary"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/credential"
)

// connect is an incoming CONNECT. It keeps nothing of the packet's bytes.
type connect struct {
	version            byte
	clean              bool
	keepAlive          time.Duration
	clientID, username string
	password           credential.Secret
	will               *will // nil: none

	// The rest are properties of MQTT 5. Zero stands for "not said".
	expiry         uint32 // seconds
	receiveMaximum uint16
	maxPacket      uint32 // bytes that the device takes at once
	// authentication is set when it asks for an exchange of AUTH packets.
	authentication bool
}

// The flags of CONNECT.
const (
	flagReserved = 1 << iota
	flagClean
	flagWill
	_
	_
	flagWillRetain
	flagPassword
	flagUsername

	flagsWillQoS = 3 << 3
)

// parseConnect reads a CONNECT. With an error, version is set as far as it was
// read, so that the refusal can be in the device's own protocol.
func parseConnect(body []byte) (connect, error) {
	var c connect
	name, rest, ok := takeText(body)
	if !ok || len(rest) == 0 {
		return c, malformed("the protocol's name is malformed")
	}
	c.version, rest = rest[0], rest[1:]
	if string(name) != "MQTT" || (c.version != 4 && c.version != 5) {
		if string(name) != "MQTT" && string(name) != "MQIsdp" {
			c.version = 0 // no protocol that there is an answer in
		}
		return c, violation{unsupportedProtocol, "the protocol is neither MQTT 3.1.1 nor 5"}
	}
	if len(rest) < 3 {
		return c, malformed("CONNECT is cut off")
	}
	flags := rest[0]
	if err := c.checkFlags(flags); err != nil {
		return c, err
	}
	c.clean = flags&flagClean != 0
	c.keepAlive = time.Duration(binary.BigEndian.Uint16(rest[1:])) * time.Second
	rest = rest[3:]
	if c.version == 5 {
		block, more, err := takeProperties(rest)
		if err != nil {
			return c, err
		}
		if err := c.properties(block); err != nil {
			return c, err
		}
		rest = more
	}
	return c, c.payload(rest, flags)
}

func (c *connect) checkFlags(flags byte) error {
	switch {
	case flags&flagReserved != 0:
		return malformed("the reserved flag of CONNECT is set")
	case flags&flagsWillQoS == flagsWillQoS:
		return malformed("the will's QoS is 3")
	case flags&flagWill == 0 && flags&(flagsWillQoS|flagWillRetain) != 0:
		return malformed("CONNECT has a will's flags and no will")
	case c.version < 5 && flags&flagPassword != 0 && flags&flagUsername == 0:
		return malformed("MQTT 3.1.1 has no password without a user name")
	}
	return nil
}

// properties reads those of MQTT 5.
func (c *connect) properties(block []byte) error {
	data := false
	err := eachProperty(block, connectProps, func(p property) error {
		switch p.kind {
		case packets.PropSessionExpiryInterval:
			c.expiry = p.number
		case packets.PropReceiveMaximum:
			c.receiveMaximum = uint16(p.number) //nolint:gosec // it came in two bytes
		case packets.PropMaximumPacketSize:
			c.maxPacket = p.number
		case packets.PropAuthenticationMethod:
			c.authentication = true
		case packets.PropAuthenticationData:
			data = true
		}
		return nil
	})
	if err == nil && data && !c.authentication {
		return violation{protocolError, "there is authentication data and no method"}
	}
	return err
}

// payload reads client id, will, user name and password.
func (c *connect) payload(b []byte, flags byte) error {
	clientID, b, ok := takeText(b)
	if !ok {
		return malformed("the client id is malformed")
	}
	c.clientID = string(clientID)
	if flags&flagWill != 0 {
		var err error
		if b, err = c.takeWill(b); err != nil {
			return err
		}
	}
	if flags&flagUsername != 0 {
		username, rest, ok := takeText(b)
		if !ok {
			return malformed("the user name is malformed")
		}
		c.username, b = string(username), rest
	}
	if flags&flagPassword != 0 {
		password, rest, ok := takeBytes(b)
		if !ok {
			return malformed("the password is malformed")
		}
		c.password, b = credential.NewSecret(string(password)), rest
	}
	if len(b) > 0 {
		return malformed("CONNECT is too long")
	}
	return nil
}

func (c *connect) takeWill(b []byte) (rest []byte, err error) {
	w := &will{}
	if c.version == 5 {
		var block []byte
		if block, b, err = takeProperties(b); err != nil {
			return nil, err
		}
		err = eachProperty(block, willProps, func(p property) error {
			if p.kind == packets.PropWillDelayInterval {
				w.delay = time.Duration(p.number) * time.Second
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	topic, b, ok := takeText(b)
	if !ok || len(topic) == 0 || hasWildcard(topic) {
		return nil, malformed("the will's topic is malformed")
	}
	payload, b, ok := takeBytes(b)
	if !ok {
		return nil, malformed("the will's payload is malformed")
	}
	w.topic, w.payload = string(topic), append([]byte(nil), payload...)
	c.will = w
	return b, nil
}
