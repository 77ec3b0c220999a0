package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

func TestAReadingTellsItsNumberAndTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	stamp := now.UnixMilli()
	for _, number := range []int{0, 1, 8999, 9000, 123_456} {
		report, err := telemetry.Decode(appendReading(nil, stamp, number), telemetry.Intake{SourceID: uuid.New(), ReceivedAt: now, Default: now})
		if err != nil || len(report.Readings) != 1 || len(report.Warnings) > 0 || len(report.Rejected) > 0 {
			t.Fatalf("%d: got %+v, %v", number, report, err)
		}
		r := report.Readings[0]
		if value, _ := r.Values.Get(telemetry.ACPowerWatts); value != valueOf(number) || r.Timestamp.UnixMilli() != stamp {
			t.Errorf("%d: got the value %v at %s", number, value, r.Timestamp)
		}
	}
}

// decode reads one packet by a codec that is not ours.
func decode(t *testing.T, data []byte) packets.Packet {
	t.Helper()
	p := packets.Packet{ProtocolVersion: 4}
	if err := p.FixedHeader.Decode(data[0]); err != nil {
		t.Fatal(err)
	}
	n, used, err := packets.DecodeLength(bytes.NewReader(data[1:]))
	if err != nil || 1+used+n != len(data) {
		t.Fatalf("a length of %d in %d bytes of a packet of %d, %v", n, used, len(data), err)
	}
	p.FixedHeader.Remaining = n
	return p
}

func TestADeviceSaysWhatTheStandardDemands(t *testing.T) {
	t.Parallel()
	data := connectPacket("sunsource_12345678", "", "ak_key")
	p := decode(t, data)
	if err := p.ConnectDecode(data[2:]); err != nil {
		t.Fatal(err)
	}
	c := p.Connect
	if p.ConnectValidate() != packets.CodeSuccess || c.ClientIdentifier != "sunsource_12345678" || string(c.Username) != c.ClientIdentifier ||
		string(c.Password) != "ak_key" || !c.Clean || c.Keepalive != 0 {
		t.Errorf("got %+v", c)
	}

	id, stamp := uuid.New(), time.Now().UnixMilli()
	for _, room := range []int{0, 1000} {
		data = appendPublish(make([]byte, 0, room), sunsource.Topic(id), 7, stamp, 12)
		p = decode(t, data)
		if err := p.PublishDecode(data[3:]); err != nil {
			t.Fatal(err)
		}
		if p.TopicName != sunsource.Topic(id) || p.PacketID != 7 || p.FixedHeader.Qos != 1 || !bytes.Equal(p.Payload, appendReading(nil, stamp, 12)) {
			t.Errorf("got %+v", p)
		}
	}
}

func TestAPostIsSignedAndBringsAsManyReadingsAsAsked(t *testing.T) {
	t.Parallel()
	for _, each := range []int{1, 2, 100} {
		s := source{id: uuid.New(), key: "wh_secret"}
		f := newHookFleet("", []source{s}, each)
		numbers, now := make([]int, each), time.Now()
		body, last := f.body(nil, &f.ledgers[0], numbers, now)
		report, err := telemetry.Decode(body, telemetry.Intake{SourceID: s.id, ReceivedAt: now, Default: now})
		if err != nil || len(report.Readings) != each || numbers[each-1] != each-1 {
			t.Fatalf("%d: got %d readings, %v, numbers %v", each, len(report.Readings), err, numbers)
		}
		if got := report.Readings[each-1].Timestamp.UnixMilli(); got != last || got != now.UnixMilli() {
			t.Errorf("%d: the last is of %d, said is %d", each, got, last)
		}
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(appendRequest(nil, s.id, hmac.New(sha256.New, []byte(s.key)), body))))
		if err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(request.Body)
		if err != nil || !bytes.Equal(sent, body) {
			t.Errorf("the body is %q, %v", sent, err)
		}
		mac := hmac.New(sha256.New, []byte(s.key))
		mac.Write(body)
		if got, want := request.Header.Get("X-Webhook-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("the signature is %s, want %s", got, want)
		}
	}
}

func TestAnswersAreReadOneAfterTheOther(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\nX: y\r\n\r\nabc" +
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\ncut"))
	for _, want := range []int{202, 503} {
		if got, err := readAnswer(r); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	if _, err := readAnswer(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v for an answer that is cut off", err)
	}
}

func TestRowsAreAllThereAndEachSourceKeepsItsOrder(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 999, 1000, 25_000} {
		all, err := rows(n, 1000)
		if err != nil || len(all) != n {
			t.Fatalf("%d: got %d rows, %v", n, len(all), err)
		}
		last := map[uuid.UUID]telemetry.Placed{}
		for i := range all {
			if before, ok := last[all[i].SourceID]; ok && (!all[i].Timestamp.After(before.Timestamp) || !all[i].Later(before)) {
				t.Fatalf("%d: row %d is not after the one before of its source", n, i)
			}
			last[all[i].SourceID] = all[i]
		}
	}
}
