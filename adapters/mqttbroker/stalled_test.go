package mqttbroker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// certificates makes a server's settings and those of a client that trusts it.
func certificates(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return server, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// clog has a device whose side of the connection is full: it has asked for more
// than it reads.
func (h *house) clog(t *testing.T, d *device) {
	t.Helper()
	d.subscribe(1, packets.Subscription{Filter: d.data()})
	h.mu.Lock()
	s := h.sessions[d.source]
	h.mu.Unlock()
	one := encode(t, d.reading(0, 0, string(make([]byte, 60_000))))
	stuck := 0
	for deadline := time.Now().Add(patience); stuck < 50; {
		if time.Now().After(deadline) {
			t.Fatal("the broker's writes do not get stuck")
		}
		_ = d.conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := d.conn.Write(one); err != nil {
			break // the broker does not even read any more
		}
		<-time.After(time.Millisecond)
		stuck++
		if s.writing.TryLock() {
			s.writing.Unlock()
			stuck = 0
		}
	}
	if s.writing.TryLock() {
		s.writing.Unlock()
		t.Fatal("the broker is not in the middle of a write")
	}
}

// small makes what a socket holds of writes small.
type small struct{ net.Listener }

func (l small) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(4096)
	}
	return conn, err
}
