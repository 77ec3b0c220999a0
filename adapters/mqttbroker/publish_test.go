package mqttbroker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
)

// answerTo is the kind of packet that answers a publish.
func answerTo(qos byte) byte {
	if qos == 2 {
		return packets.Pubrec
	}
	return packets.Puback
}

func TestAReadingIsHandedOverWithWhatItSays(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		topics := map[string]string{ // and the field that each names
			a.data(): "", a.data() + "/acPowerWatts": "acPowerWatts", a.data() + "/inverter/1/acPowerWatts": "inverter/1/acPowerWatts",
			a.data() + "/odd/": "odd/", a.data() + "//x": "/x",
		}
		for qos := byte(0); qos <= 2; qos++ {
			for topic, name := range topics {
				payload := fmt.Sprintf("%s at QoS %d", topic, qos)
				d.publish(qos, uint16(qos), payload, func(pk *packets.Packet) { pk.TopicName = topic })
				if qos > 0 {
					d.acked(answerTo(qos), uint16(qos), success)
				}
				if qos == 2 {
					d.ack(packets.Pubrel, 2)
					d.acked(packets.Pubcomp, 2, success)
				}
				d.ping()
				all := h.ingest.deliveries()
				got := all[len(all)-1]
				want := ingest.Delivery{SourceID: a.source, Payload: []byte(payload), Origin: "mqtt", Topic: topic, Name: name, Unanswered: qos == 0}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		}
		if got, want := len(h.ingest.deliveries()), 3*len(topics); got != want {
			t.Errorf("%d deliveries, want %d", got, want)
		}
		if got := h.Stats(); got.Published != int64(3*len(topics)) || got.Sessions != 1 {
			t.Errorf("Stats are %+v", got)
		}
	})
}

func TestAnEmptyAndALargePayloadArriveWhole(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		for i, size := range []int{0, 1, 100, 127, 128, 4095, 4096, 4097, 9000, 16383, 16384, 70_000, 1 << 20, 50} {
			payload := make([]byte, size)
			for j := range payload {
				payload[j] = byte(j * (i + 1))
			}
			d.publish(1, uint16(i+1), string(payload))
			d.acked(packets.Puback, uint16(i+1), success)
			if got := h.ingest.deliveries()[i].Payload; string(got) != string(payload) {
				t.Fatalf("a payload of %d bytes came as another of %d", size, len(got))
			}
		}
	})
}

func TestNothingIsAcknowledgedBeforeTheJournalHasIt(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for qos := byte(1); qos <= 2; qos++ {
			h := open(t, Config{})
			h.ingest.hold = true
			d := h.join(t, version, h.gate.add())
			d.publish(qos, 7, "x")
			h.ingest.await(t, 1)
			d.silent()
			h.ingest.release(nil, 0)
			d.acked(answerTo(qos), 7, success)
		}
	})
}

func TestAnswersComeInTheOrderOfThePublishes(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		h.ingest.hold = true
		d := h.join(t, version, h.gate.add())
		kinds := []byte{1, 2, 1, 1, 2, 1}
		for i, qos := range kinds {
			d.publish(qos, uint16(10+i), fmt.Sprint(i))
		}
		h.ingest.await(t, len(kinds))
		h.ingest.release(nil, 5, 3, 1)
		d.silent()
		h.ingest.release(nil, 0)
		d.acked(packets.Puback, 10, success)
		d.acked(packets.Pubrec, 11, success)
		d.silent()
		h.ingest.release(nil, 4, 2)
		for i := 2; i < len(kinds); i++ {
			d.acked(answerTo(kinds[i]), uint16(10+i), success)
		}
	})
}

func TestWhenTheJournalIsAwayNothingIsAnsweredAndTheSessionEnds(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for qos := byte(0); qos <= 2; qos++ {
			t.Run(fmt.Sprintf("QoS %d, told by done", qos), func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{})
				h.ingest.hold = true
				d := h.join(t, version, h.gate.add())
				d.publish(qos, 1, "x")
				d.publish(qos, 2, "y")
				h.ingest.await(t, 2)
				h.ingest.release(errAway, 0, 1)
				d.cutOff(serverBusy)
			})
			t.Run(fmt.Sprintf("QoS %d, told by Submit", qos), func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{})
				h.ingest.refuse = func() error { return errAway }
				d := h.join(t, version, h.gate.add())
				d.publish(qos, 1, "x")
				d.cutOff(serverBusy)
			})
			t.Run(fmt.Sprintf("QoS %d, an error that nobody foresaw", qos), func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{})
				h.ingest.answer = func(ingest.Delivery) error { return errStore }
				d := h.join(t, version, h.gate.add())
				d.publish(qos, 1, "x")
				d.cutOff(serverBusy)
			})
		}
	})
}

func TestWhatIsDurableIsAnsweredBeforeAFailureEndsTheSession(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		h.ingest.hold = true
		d := h.join(t, version, h.gate.add())
		d.publish(1, 1, "x")
		d.publish(1, 2, "y")
		h.ingest.await(t, 2)
		h.ingest.release(nil, 0)
		h.ingest.release(errAway, 1)
		d.acked(packets.Puback, 1, success)
		d.cutOff(serverBusy)
	})
}

func TestAPayloadThatCantBeReadIsAcknowledgedForGood(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for name, err := range map[string]error{"invalid": errInvalid, "too large": fault.New(fault.TooLarge, "a list of a million")} {
			for qos := byte(0); qos <= 2; qos++ {
				t.Run(fmt.Sprintf("%s at QoS %d", name, qos), func(t *testing.T) {
					t.Parallel()
					h := open(t, Config{})
					h.ingest.answer = func(ingest.Delivery) error { return err }
					d := h.join(t, version, h.gate.add())
					d.publish(qos, 9, "?")
					if qos > 0 {
						d.acked(answerTo(qos), 9, payloadInvalid)
					}
					if qos == 2 && version < 5 { // it was not told, and goes on
						d.publish(2, 9, "?", dup)
						d.acked(packets.Pubrec, 9, success)
						d.ack(packets.Pubrel, 9)
						d.acked(packets.Pubcomp, 9, success)
					}
					d.ping()
					if got := len(h.ingest.deliveries()); got != 1 {
						t.Errorf("%d deliveries, want 1", got)
					}
				})
			}
		}
	})
}

func TestAnotherTopicIsRefused(t *testing.T) {
	t.Parallel()
	a := account{source: uuid.New()}
	foreign := []string{
		"sunsource/" + uuid.NewString() + "/data", "sunsource", "sunsource/" + a.source.String(), "sunsource/" + a.source.String() + "/",
		a.data() + "x", a.data() + "xy", a.data() + "/", "x" + a.data(), "/" + a.data(), "$SYS/broker", "sunsource/" + a.source.String() + "/status",
		"SUNSOURCE/" + a.source.String() + "/data",
	}
	eachVersion(t, func(t *testing.T, version byte) {
		for _, topic := range foreign {
			for qos := byte(0); qos <= 2; qos++ {
				h := open(t, Config{})
				own := h.gate.add()
				h.gate.sources[own.clientID].id = a.source
				own.source = a.source
				d := h.join(t, version, own)
				d.publish(qos, 3, "{}", func(pk *packets.Packet) { pk.TopicName = topic })
				if version < 5 || qos == 0 {
					d.cutOff(notAuthorized)
				} else {
					d.acked(answerTo(qos), 3, notAuthorized)
					d.publish(qos, 3, "{}")
					d.acked(answerTo(qos), 3, success)
				}
				want := 0
				if version == 5 && qos > 0 {
					want = 1
				}
				if got := len(h.ingest.deliveries()); got != want {
					t.Errorf("%s at QoS %d: %d deliveries, want %d", topic, qos, got, want)
				}
			}
		}
	})
}

func TestARefusalKeepsItsPlaceAmongTheAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	h.ingest.hold = true
	d := h.join(t, 5, h.gate.add())
	d.publish(1, 1, "x")
	d.publish(1, 2, "y", func(pk *packets.Packet) { pk.TopicName = "other" })
	h.ingest.await(t, 1)
	d.silent()
	h.ingest.release(nil, 0)
	d.acked(packets.Puback, 1, success)
	d.acked(packets.Puback, 2, notAuthorized)
}

func TestARetainedReadingIsTakenOnceAndNotKept(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		d.publish(1, 1, "x", func(pk *packets.Packet) { pk.FixedHeader.Retain = true })
		d.acked(packets.Puback, 1, success)
		other := h.join(t, version, a)
		if codes := other.subscribe(1, packets.Subscription{Filter: a.data()}); !slices.Equal(codes, []byte{0}) {
			t.Fatalf("SUBACK has % X", codes)
		}
		other.silent()
		if got := h.ingest.payloads(); !slices.Equal(got, []string{"x"}) {
			t.Errorf("deliveries are %q", got)
		}
	})
}

func TestPropertiesOfMQTT5ChangeNothingOfAReading(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	d := h.join(t, 5, h.gate.add())
	d.publish(1, 1, "x", func(pk *packets.Packet) {
		pk.Mods.AllowResponseInfo = true
		pk.Properties = packets.Properties{
			PayloadFormat: 1, PayloadFormatFlag: true, MessageExpiryInterval: 30, ContentType: "application/json",
			ResponseTopic: "answers", CorrelationData: []byte{0, 1, 2}, User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}},
		}
	})
	d.acked(packets.Puback, 1, success)
	if got := h.ingest.payloads(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("deliveries are %q", got)
	}
}
