package device

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// Why an attempt was in vain, for machines.
const (
	UnknownClient = "wrongClientId" // the user name is the source's, the client id is not
	WrongKey      = "wrongKey"
	WrongUser     = "wrongUserName"
	WrongKind     = "wrongTransport" // MQTT for a source with a webhook, or the other way round
	Inactive      = "inactive"
	ForeignTopic  = "foreignTopic"
	BadSignature  = "badSignature"
	WrongClock    = "wrongClock"
	Unreadable    = "unreadable"
	RateLimited   = "rateLimited"
)

// maxDetail bounds what an attempt tells of what was sent, in bytes.
const maxDetail = 300

// Shortened is a text cut to what an attempt holds, in valid UTF-8.
func Shortened(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxDetail {
		return text
	}
	cut := maxDetail
	for cut > 0 && text[cut]&0xc0 == 0x80 { // not within a letter
		cut--
	}
	return text[:cut] + "..."
}

// ClockDetail says in words by how much a device's clock is off.
func ClockDetail(off time.Duration) string {
	way := "ahead"
	if off < 0 {
		way, off = "behind", -max(off, -math.MaxInt64)
	}
	off = min(off, math.MaxInt64-time.Hour) // room to round
	const day = 24 * time.Hour
	number, unit := int64((off+time.Minute/2-1)/time.Minute), "minute"
	switch {
	case off >= 730*day:
		number, unit = int64(off/(365*day)), "year"
	case off >= 2*day:
		number, unit = int64(off/day), "day"
	case off >= 2*time.Hour:
		number, unit = int64(off/time.Hour), "hour"
	}
	if number != 1 {
		unit += "s"
	}
	return fmt.Sprintf("The device's clock is %d %s %s.", number, unit, way)
}

type remoteKey struct{}

// WithRemote notes the address from which a device speaks.
func WithRemote(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, remoteKey{}, address)
}

// RemoteOf is the address, without its port, from which a device speaks; "" where
// it is not known.
func RemoteOf(ctx context.Context) string {
	address, _ := ctx.Value(remoteKey{}).(string)
	if parsed, err := netip.ParseAddrPort(address); err == nil {
		return parsed.Addr().Unmap().String()
	}
	return address
}
