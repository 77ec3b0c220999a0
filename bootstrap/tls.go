package bootstrap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// selfMadeLife is how long a self-made certificate is valid: devices that pin it
// stay in the field for years.
const selfMadeLife = 10 * 365 * 24 * time.Hour

// certificate loads the configured certificate, or the self-made one of the data
// folder, which is made when it is missing, over, or for another host.
func certificate(c Config) (cert tls.Certificate, selfMade string, err error) {
	if c.TLSCert != "" {
		cert, err = tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return cert, "", fmt.Errorf("loading the TLS certificate: %w", err)
		}
		return cert, "", nil
	}
	folder := filepath.Join(c.Data, "tls")
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && fits(cert, c.MQTTPublicHost) {
		return cert, certFile, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cert, "", fmt.Errorf("loading the self-made TLS certificate: %w", err)
	}
	if err := makeCertificate(folder, certFile, keyFile, c.MQTTPublicHost); err != nil {
		return cert, "", fmt.Errorf("making a TLS certificate: %w", err)
	}
	cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	return cert, certFile, err
}

func fits(cert tls.Certificate, host string) bool {
	leaf := cert.Leaf
	return leaf != nil && leaf.VerifyHostname(host) == nil && time.Now().Add(30*24*time.Hour).Before(leaf.NotAfter)
}

func makeCertificate(folder, certFile, keyFile, host string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Ampra, self-made"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(selfMadeLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, // so that a device can be given it as its one authority
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else if host != "localhost" {
		template.DNSNames = append(template.DNSNames, host)
	}
	if name, err := os.Hostname(); err == nil && name != host && name != "localhost" {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a certificate without its key would be taken for a broken pair.
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}
