package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/modules/telemetry/ingest"
)

// mochiHook lets everybody in and acknowledges each publish by itself after
// ackDelay, as the broker alone does: to wait within the hook would hold the
// connection.
type mochiHook struct {
	mochi.HookBase
	journal *delayed
}

// ID names the hook.
func (*mochiHook) ID() string { return "load" }

// Provides tells which calls the hook takes.
func (*mochiHook) Provides(b byte) bool {
	return bytes.IndexByte([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublish}, b) >= 0
}

// OnConnectAuthenticate says yes.
func (*mochiHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnACLCheck says yes.
func (*mochiHook) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// OnPublish has the answer written later.
func (h *mochiHook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	id := pk.PacketID
	err := h.journal.Submit(context.Background(), ingest.Delivery{}, func(ingest.Receipt, error) {
		ack := binary.BigEndian.AppendUint16([]byte{packets.Puback << 4, 2}, id)
		_, _ = cl.Net.Conn.Write(ack) // a connection that is gone has its own end
	})
	if err != nil {
		return pk, err
	}
	return pk, packets.ErrRejectPacket
}

// serveMochi is what the product's broker is compared with: the server of
// mochi-mqtt at the same work.
func serveMochi(ctx context.Context, address string) error {
	h := &mochiHook{journal: &delayed{queue: make(chan answer, 1<<16)}}
	go h.journal.run(context.WithoutCancel(ctx))
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(h, nil); err != nil {
		return err
	}
	if err := server.AddListener(listeners.NewTCP(listeners.Config{ID: "load", Address: address})); err != nil {
		return err
	}
	if err := server.Serve(); err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}
