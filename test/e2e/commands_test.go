package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKeysCanBeRotatedUnderARunningServer(t *testing.T) {
	onBoth(t, oneProcess, func(t *testing.T, open opener) {
		s := open(t).startAll().api()
		u := firstUser(t, s)
		before := []source{u.add("MQTT", "Roof"), u.add("Webhook", "Garage")}
		keyFile := s.settings["AMPRA_KEY_FILE"]
		if keyFile == "" {
			keyFile = filepath.Join(s.data, "key")
		}
		old, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		rotated := run(t, s.settings, "keys", "rotate")
		if rotated.code != 0 || !strings.Contains(rotated.out, "2 credentials") {
			t.Fatalf("ampra keys rotate ended with code %d: %s%s", rotated.code, rotated.out, rotated.err)
		}
		if now, err := os.ReadFile(keyFile); err != nil || string(now) == string(old) {
			t.Errorf("the key file is as before (%v)", err)
		}
		if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key file's mode is %v, want 0600 (%v)", info.Mode(), err)
		}
		check := func(when string, all []source) {
			for _, one := range all {
				var now source
				u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+one.ID+"?includeConnectionDetails=true", nil).into(t, &now)
				if one.Type == "MQTT" && *now.Details.Key != *one.Details.Key || one.Type == "Webhook" && *now.Details.Secret != *one.Details.Secret {
					t.Errorf("%s: %s shows another secret than before", when, one.Name)
				}
				if one.Type == "Webhook" {
					deliver(t, one, sample, plain)
				}
			}
		}
		check("under the running server", before)
		after := append(before, u.add("Webhook", "Shed"))
		check("with one more", after)
		s.stop()
		s.start()
		check("after another start", after)
	})
}

func TestAccountsAreMadeAtTheCommandLine(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil).api()
	if made := run(t, s.settings, "users", "add", "maria@example.org", "--password", "Sunny-Side-1"); made.code != 0 || !strings.Contains(made.out, "Overseer") {
		t.Fatalf("ampra users add ended with code %d, want the first account to be the Overseer's: %s%s", made.code, made.out, made.err)
	}
	s.start()
	u := visitor(t, s)
	u.want(http.StatusOK, http.MethodPost, "/api/auth/login", map[string]any{"email": "maria@example.org", "password": "Sunny-Side-1"})
	u.want(http.StatusForbidden, http.MethodPost, "/api/auth/register", map[string]any{"email": "late@example.org", "password": "Sunny-Side-2"})
	// Beside the running server.
	if weak := run(t, s.settings, "users", "add", "paul@example.org", "--password", "weak"); weak.code == 0 || !strings.Contains(weak.err, "password") {
		t.Errorf("a weak password: ended with code %d: %s", weak.code, weak.err)
	}
	if made := run(t, s.settings, "users", "add", "paul@example.org", "--password", "Sunny-Side-3"); made.code != 0 {
		t.Errorf("ampra users add ended with code %d: %s", made.code, made.err)
	}
	listed := run(t, s.settings, "users", "list")
	for _, want := range []string{"maria@example.org", "Overseer", "paul@example.org", "User"} {
		if !strings.Contains(listed.out, want) {
			t.Errorf("ampra users list lacks %s: %s%s", want, listed.out, listed.err)
		}
	}
}

func TestTheSchemasVersionIsShownAndTakenBack(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]func(t *testing.T) map[string]string{
		"embedded": func(t *testing.T) map[string]string { return map[string]string{"AMPRA_DATA": t.TempDir()} },
		"scale":    func(t *testing.T) map[string]string { return realStores(t).settings() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := settings(t)
			waiting := func(args ...string) int {
				got := run(t, set, append([]string{"migrate"}, args...)...)
				if got.code != 0 {
					t.Fatalf("ampra migrate %v ended with code %d: %s", args, got.code, got.err)
				}
				return len(regexp.MustCompile(`(?m)^records .* not applied$`).FindAllString(got.out, -1))
			}
			none := waiting("status")
			if none < 2 {
				t.Errorf("%d versions are not applied in a new store, want all", none)
			}
			if n := waiting("up"); n != 0 {
				t.Errorf("%d versions are not applied after up", n)
			}
			if n := waiting("down"); n != 1 {
				t.Errorf("%d versions are not applied after down, want 1", n)
			}
			for n := 2; n <= none; n++ {
				waiting("down")
			}
			if n := waiting("status"); n != none {
				t.Errorf("%d versions are not applied after all were taken back, want %d", n, none)
			}
			if n := waiting("up"); n != 0 {
				t.Errorf("%d versions are not applied after another up", n)
			}
		})
	}
}

func TestWithACertificateTheAPIIsServedWithTLS(t *testing.T) {
	t.Parallel()
	first := embedded(t, nil).api().start() // makes a certificate
	first.stop()
	folder := filepath.Join(first.data, "tls")
	s := embedded(t, map[string]string{
		"AMPRA_TLS_CERT": filepath.Join(folder, "cert.pem"), "AMPRA_TLS_KEY": filepath.Join(folder, "key.pem"),
	}).api()
	s.settings["AMPRA_PUBLIC_URL"] = "https://" + s.http
	s.begin()

	pem, err := os.ReadFile(filepath.Join(folder, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	u := visitor(t, s)
	u.secure = true
	u.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}}
	eventually(t, "the server answers with TLS", func() error {
		_, err := u.do(http.MethodGet, "/readyz", nil)
		return err
	})
	made := u.want(http.StatusCreated, http.MethodPost, "/api/auth/register", map[string]any{"email": "maria@example.org", "password": "Sunny-Side-1"})
	if cookie := made.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-") || !strings.Contains(cookie, "; secure") && !strings.Contains(cookie, "; Secure") {
		t.Errorf("the cookie is %q, want a secure one of the name __Host-...", cookie[:min(len(cookie), 12)])
	}
	roof := u.add("MQTT", "Roof")
	if *roof.Details.Key == "" {
		t.Error("no key")
	}
}
