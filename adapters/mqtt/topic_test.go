package mqtt

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"ampra/core/credential"
)

func TestTopicsOfReadingsNameTheirSource(t *testing.T) {
	t.Parallel()
	const id = "0b8a7f5e-3c1d-4a2b-9e8f-1234567890ab"
	for topic, want := range map[string]struct {
		name string
		ok   bool
	}{
		"sunsource/" + id + "/data":             {"", true},
		"sunsource/" + id + "/data/":            {"", true},
		"sunsource/" + id + "/data/power":       {"power", true},
		"sunsource/" + id + "/data/a/b/c":       {"a/b/c", true},
		"sunsource/" + id + "/data/a/":          {"a/", true},
		"sunsource/" + id + "/database":         {"", false},
		"sunsource/" + id + "/status":           {"", false},
		"sunsource/" + id:                       {"", false},
		"sunsource/" + id[1:] + "/data":         {"", false},
		"sunsource/{" + id[2:] + "}/data":       {"", false},
		"sunsource/urn:uuid:" + id + "/data":    {"", false},
		"/sunsource/" + id + "/data":            {"", false},
		"moonsource/" + id + "/data":            {"", false},
		"sunsource//data":                       {"", false},
		"":                                      {"", false},
		"sunsource/" + id + "/" + id + "/data":  {"", false},
		"sunsource/" + id[:35] + "g" + "/data":  {"", false},
		"sunsource/" + id[:35] + "/" + "a/data": {"", false},
	} {
		source, name, ok := parseTopic(topic)
		if ok != want.ok || name != want.name || ok && source.String() != id || !ok && source != uuid.Nil {
			t.Errorf("%q: %s, %q, %t", topic, source, name, ok)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add("sunsource/0b8a7f5e-3c1d-4a2b-9e8f-1234567890ab/data")
	f.Add("sunsource/0B8A7F5E-3C1D-4A2B-9E8F-1234567890AB/data/a/b")
	f.Add("sunsource//data/")
	f.Fuzz(func(t *testing.T, topic string) {
		source, name, ok := parseTopic(topic)
		if !ok {
			if source != uuid.Nil || name != "" {
				t.Errorf("%q is no topic of a source, and yet %s, %q", topic, source, name)
			}
			return
		}
		begin := "sunsource/" + source.String() + "/data"
		rest, under := strings.CutPrefix(strings.ToLower(topic[:len(begin)])+topic[len(begin):], begin)
		if !under || rest != "" && rest[0] != '/' || strings.TrimPrefix(rest, "/") != name {
			t.Errorf("%q gives %s, %q", topic, source, name)
		}
	})
}

func TestASubscriberThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, group, name string }{
		"no URL":                  {"", "g", "n"},
		"no scheme":               {"user:secret@host:1883", "g", "n"},
		"another scheme":          {"http://user:secret@host", "g", "n"},
		"no host":                 {"mqtt://user:secret@:1883", "g", "n"},
		"not a URL":               {"mqtt://user:secret@host:port", "g", "n"},
		"no group":                {"mqtt://host", "", "n"},
		"a group of levels":       {"mqtt://host", "a/b", "n"},
		"a group with a wildcard": {"mqtt://host", "a+", "n"},
		"no name":                 {"mqtt://host", "g", ""},
	} {
		_, err := NewSubscriber(SubscriberConfig{URL: credential.NewSecret(c.url), Group: c.group, Name: c.name}, SubscriberDeps{})
		if err == nil {
			t.Errorf("%s is taken", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

func TestTheBrokersURLMayLeaveOutThePort(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct {
		address string
		secure  bool
	}{
		"mqtt://host":           {"host:1883", false},
		"mqtt://host:":          {"host:1883", false},
		"mqtts://host":          {"host:8883", true},
		"mqtts://u:p@host:9":    {"host:9", true},
		"tcp://[::1]":           {"[::1]:1883", false},
		"ssl://u:p@[fe80::1]:2": {"[fe80::1]:2", true},
	} {
		s, err := NewSubscriber(SubscriberConfig{URL: credential.NewSecret(url), Group: "g", Name: "n"}, SubscriberDeps{})
		if err != nil || s.address != want.address || s.secure != want.secure {
			t.Errorf("%s: %+v, %v", url, s, err)
		}
	}
}
