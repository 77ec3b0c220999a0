package bootstrap

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/modules/credentials"
	"ampra/modules/devices"
	"ampra/modules/telemetry/ingest"
)

// transports of attempts.
const (
	byMQTT    = "mqtt"
	byWebhook = "webhook"
)

// noticedGate is the gate, with those whom it refuses noted for the owner of what
// they named. It takes the same time whatever that was.
type noticedGate struct {
	countedGate
	noticer *devices.Noticer
}

// SignInMQTT is credentials.Gate.SignInMQTT.
func (g noticedGate) SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error) {
	session, err := g.countedGate.SignInMQTT(ctx, clientID, username, password)
	if refusal, ok := errors.AsType[*credentials.SignInRefusal](err); ok {
		name := clientID
		if refusal.SourceID == uuid.Nil && username != "" {
			name = username
		}
		g.noticer.Note(devices.Knock{
			Attempt: device.Attempt{SourceID: refusal.SourceID, Transport: byMQTT, Remote: device.RemoteOf(ctx), Reason: refusal.Reason, Detail: signInDetail(refusal.Reason)},
			Name:    name,
		})
	}
	return session, err
}

func signInDetail(reason string) string {
	switch reason {
	case device.UnknownClient:
		return "The client id is not the source's mqttClientId."
	case device.WrongKey:
		return "The password is not the source's mqttApiKey, or no longer."
	case device.WrongUser:
		return "The user name must be empty, the client id or the source's id."
	case device.WrongKind:
		return "The source connects by webhook, not by MQTT."
	case device.Inactive:
		return "The source is not active."
	default:
		return ""
	}
}

// AdmitWebhook is credentials.Gate.AdmitWebhook.
func (g noticedGate) AdmitWebhook(ctx context.Context, k credentials.Knock) (signed time.Time, err error) {
	signed, err = g.countedGate.AdmitWebhook(ctx, k)
	if refusal, ok := errors.AsType[*credentials.Refusal](err); ok && k.SourceID != uuid.Nil {
		detail := ""
		switch code := refusal.Code(); code {
		case "": // there is no such source
		case device.Inactive:
			detail = "The source is not active."
		case device.WrongKind:
			detail = "The source connects by MQTT, not by webhook."
		case device.WrongClock:
			detail = device.ClockDetail(signedOff(k.Signatures))
		default:
			detail = "The request's signature: " + refusal.Reason.Error() + "."
		}
		g.noticer.Note(devices.Knock{Attempt: device.Attempt{
			SourceID: k.SourceID, Transport: byWebhook, Remote: device.RemoteOf(ctx), Reason: refusal.Code(), Detail: detail,
		}})
	}
	return signed, err
}

// signedOff is by how much the time in a request's signature is off, as one whose
// clock is wrong has it.
func signedOff(s credential.Signatures) time.Duration {
	if len(s.Timestamp) != 1 {
		return 0
	}
	seconds, err := strconv.ParseInt(s.Timestamp[0], 10, 64)
	if err != nil {
		return 0
	}
	return time.Until(time.Unix(seconds, 0))
}

// foreign notes a publish to a topic that is not the device's own.
func foreign(noticer *devices.Noticer) func(ctx context.Context, source uuid.UUID, topic string) {
	return func(ctx context.Context, source uuid.UUID, topic string) {
		noticer.Note(devices.Knock{Proven: true, Attempt: device.Attempt{
			SourceID: source, Transport: byMQTT, Remote: device.RemoteOf(ctx), Reason: device.ForeignTopic,
			Detail: "The topic is not the source's own: " + topic,
		}})
	}
}

// noticedIngest is ingest, with what could not be read noted.
type noticedIngest struct {
	countedIngest
	noticer *devices.Noticer
}

// Submit is ingest.Service.Submit.
func (i noticedIngest) Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
	source, origin := d.SourceID, d.Origin
	return i.countedIngest.Submit(ctx, d, func(r ingest.Receipt, err error) {
		if err != nil || len(r.Rejected) > 0 && !r.Harmless {
			i.note(ctx, source, origin, r, err)
		}
		done(r, err)
	})
}

// Accept is ingest.Service.Accept.
func (i noticedIngest) Accept(ctx context.Context, d ingest.Delivery) (ingest.Receipt, error) {
	r, err := i.countedIngest.Accept(ctx, d)
	if err != nil || len(r.Rejected) > 0 && !r.Harmless {
		i.note(ctx, d.SourceID, d.Origin, r, err)
	}
	return r, err
}

// messageOf is what an error says to people.
func messageOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return "It can't be read."
}

// note tells of a delivery that was not taken, or not wholly. What may pass is
// nothing that its sender could mend.
func (i noticedIngest) note(ctx context.Context, source uuid.UUID, origin string, r ingest.Receipt, err error) {
	a := device.Attempt{SourceID: source, Transport: origin, Remote: device.RemoteOf(ctx), Reason: device.Unreadable}
	switch {
	case fault.Is(err, fault.TooMany):
		a.Reason, a.Detail = device.RateLimited, "It sends more than it may."
	case err != nil && fault.Passing(err):
		return
	case r.ClockOff != 0:
		a.Reason, a.Detail = device.WrongClock, device.ClockDetail(r.ClockOff)
	case err != nil:
		a.Detail = messageOf(err)
	default:
		a.Detail = r.Rejected[0].Reason
	}
	i.noticer.Note(devices.Knock{Proven: true, Attempt: a})
}
