package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Intake counts the deliveries of one origin.
type Intake struct {
	m                  *Metrics
	deliveries         outcomes
	accepted, rejected prometheus.Counter
	bytes              prometheus.Counter
	took               prometheus.Observer
}

type intakes struct {
	mqtt, webhook, other *Intake
	invalid, tooMany     prometheus.Counter
	open                 prometheus.Gauge
}

func newIntakes(m *Metrics) intakes {
	deliveries := m.counterVec("ampra_ingest_deliveries_total", "Payloads of devices, by what became of them.", "origin", "result")
	readings := m.counterVec("ampra_ingest_readings_total", "Readings in them: those that are durable and those that were refused.", "origin", "result")
	bytes := m.counterVec("ampra_ingest_payload_bytes_total", "Bytes of payloads.", "origin")
	took := m.histogramVec("ampra_ingest_seconds", "From taking a payload until its fate is known: what a device waits for its answer.", seconds(), "origin")
	leftOut := m.counterVec("ampra_ingest_fields_left_out_total", "Fields of accepted readings that were left out.", "reason")
	one := func(origin string) *Intake {
		return &Intake{
			m: m, deliveries: newOutcomes(deliveries, origin),
			accepted: readings.WithLabelValues(origin, "accepted"), rejected: readings.WithLabelValues(origin, "rejected"),
			bytes: bytes.WithLabelValues(origin), took: took.WithLabelValues(origin),
		}
	}
	return intakes{
		mqtt: one("mqtt"), webhook: one("webhook"), other: one("other"),
		invalid: leftOut.WithLabelValues("invalid"), tooMany: leftOut.WithLabelValues("too_many"),
		open: m.gauge("ampra_ingest_open_deliveries", "Payloads that were taken and have no answer yet."),
	}
}

// Intake returns the counts of an origin, "mqtt" or "webhook".
func (m *Metrics) Intake(origin string) *Intake {
	switch origin {
	case "mqtt":
		return m.intake.mqtt
	case "webhook":
		return m.intake.webhook
	default:
		return m.intake.other
	}
}

// Taken counts a payload that came in.
func (i *Intake) Taken(bytes int) {
	i.bytes.Add(float64(bytes))
	i.m.intake.open.Inc()
}

// Fate is what became of a payload: how many readings are durable and how many
// were refused, how many fields were left out with a warning, and how many unknown
// ones for their number.
type Fate struct{ Accepted, Rejected, Warnings, DroppedExtra int }

// Settled counts the fate of a payload that Taken counted.
func (i *Intake) Settled(took time.Duration, fate Fate, err error) {
	i.m.intake.open.Dec()
	i.deliveries.of(err).Inc()
	i.took.Observe(took.Seconds())
	add(i.accepted, fate.Accepted)
	add(i.rejected, fate.Rejected)
	add(i.m.intake.invalid, fate.Warnings)
	add(i.m.intake.tooMany, fate.DroppedExtra)
}

func add(to prometheus.Counter, n int) {
	if n > 0 {
		to.Add(float64(n))
	}
}

type signIns struct{ mqtt, webhook, api signIn }

type signIn struct {
	results outcomes
	took    prometheus.Observer
}

func newSignIns(m *Metrics) signIns {
	results := m.counterVec("ampra_signins_total", "Attempts to sign in: of devices at CONNECT, of webhooks by signature, of users.", "transport", "result")
	took := m.histogramVec("ampra_signin_seconds", "Time of an attempt to sign in.", seconds(), "transport")
	one := func(transport string) signIn {
		return signIn{newOutcomes(results, transport), took.WithLabelValues(transport)}
	}
	return signIns{mqtt: one("mqtt"), webhook: one("webhook"), api: one("api")}
}

// SignedInMQTT counts a device's CONNECT.
func (m *Metrics) SignedInMQTT(took time.Duration, err error) { m.signIns.mqtt.count(took, err) }

// SignedInWebhook counts the check of a webhook's signature.
func (m *Metrics) SignedInWebhook(took time.Duration, err error) { m.signIns.webhook.count(took, err) }

func (s signIn) count(took time.Duration, err error) {
	s.results.of(err).Inc()
	s.took.Observe(took.Seconds())
}
