package mqttbroker

// What may become of a publish, by its place in Results.
const (
	countAccepted = iota
	countRefused
	countUnavailable
	countForeign
	countResults
)

// Results are the names of what may become of a publish: "accepted" (durable),
// "refused" (it can't be read or stored), "unavailable" (not known to be durable,
// the device is to send it again) and "foreign" (to a topic not its own).
func Results() []string { return []string{"accepted", "refused", "unavailable", "foreign"} }

// Publishes is how many publishes of a QoS, 0 to 2, had a result since the start,
// by its place in Results. A repeat of a QoS 2 publish is none.
func (b *Broker) Publishes(qos, result int) int64 { return b.counts[qos][result].Load() }

// count notes the fate of a publish that was handed over.
func (b *Broker) count(qos byte, err error) {
	result := countUnavailable
	switch {
	case err == nil:
		result = countAccepted
	case refused(err):
		result = countRefused
	}
	b.counts[qos][result].Add(1)
}
