package mqttbroker

import (
	"strings"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// topics are a source's own: its device publishes to data and below it, and may
// subscribe to all that begins with root.
type topics struct {
	data string // "sunsource/{id}/data"
}

func topicsOf(source uuid.UUID) topics { return topics{data: sunsource.Topic(source)} }

// root is "sunsource/{id}/".
func (t topics) root() string { return strings.TrimSuffix(t.data, "data") }

// own returns a topic that the device may publish to: its data topic or a level
// below it.
func (t topics) own(topic []byte) (string, bool) {
	if string(topic) == t.data {
		return t.data, true // without a copy
	}
	n := len(t.data)
	if len(topic) > n+1 && topic[n] == '/' && string(topic[:n]) == t.data {
		return string(topic), true
	}
	return "", false
}

// name is the rest of a topic below the data topic, "" for that itself.
func (t topics) name(topic string) string {
	if len(topic) <= len(t.data)+1 {
		return ""
	}
	return topic[len(t.data)+1:]
}

// mayHear reports whether a filter stays within the source's own topics.
func (t topics) mayHear(filter string) bool { return strings.HasPrefix(filter, t.root()) }

// validFilter checks a topic filter (MQTT 5.0, 4.7): it is not empty, "#" stands
// alone in the last level, "+" alone in any.
func validFilter(filter string) bool {
	if filter == "" {
		return false
	}
	for more := true; more; {
		var level string
		level, filter, more = strings.Cut(filter, "/")
		if strings.Contains(level, "#") && (level != "#" || more) {
			return false
		}
		if strings.Contains(level, "+") && level != "+" {
			return false
		}
	}
	return true
}

// matches reports whether a topic is in a valid filter. Topics here never begin
// with "$".
func matches(filter, topic string) bool {
	for {
		want, wants, moreWants := strings.Cut(filter, "/")
		level, levels, moreLevels := strings.Cut(topic, "/")
		switch {
		case want == "#":
			return true
		case want != "+" && want != level:
			return false
		case !moreLevels:
			return !moreWants || wants == "#" // "a/#" holds "a" too
		case !moreWants:
			return false
		}
		filter, topic = wants, levels
	}
}

// shared reports whether a filter asks for a shared subscription.
func shared(filter string) bool { return strings.HasPrefix(filter, "$share/") }
