package telemetry

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of what is kept of dead letters.
const (
	// MaxRaw is how many bytes of a dead letter's payload are kept.
	MaxRaw = 64 << 10
	// MaxLetters and MaxLetterBytes are how many letters of one source are kept, and
	// how many bytes of their payloads: the newest within both.
	MaxLetters     = 1_000
	MaxLetterBytes = 16 << 20
	// maxLetterText bounds a letter's topic, name and reason, in bytes.
	maxLetterText = 1_000
)

// Origins of dead letters.
const (
	FromMQTT    = "mqtt"
	FromWebhook = "webhook"
	FromJournal = "journal"
)

// LetterKind is the kind of a dead letter's reason: a few words, for counting.
type LetterKind string

// The kinds of reasons.
const (
	LetterMalformed   LetterKind = "malformed"   // the payload can't be read
	LetterRefused     LetterKind = "refused"     // it can be read, and some of its readings, or all, were refused
	LetterTooLarge    LetterKind = "too_large"   // it has more readings than one delivery may bring
	LetterUndecodable LetterKind = "undecodable" // a record of the journal that can't be read
	LetterUnstorable  LetterKind = "unstorable"  // a reading that the archive refused for good
	LetterOther       LetterKind = "other"
)

// Known returns the kind, or LetterOther for a word that is none.
func (k LetterKind) Known() LetterKind {
	switch k {
	case LetterMalformed, LetterRefused, LetterTooLarge, LetterUndecodable, LetterUnstorable:
		return k
	default:
		return LetterOther
	}
}

// DeadLetter is something that came in and could not be read, or not wholly.
type DeadLetter struct {
	ID       uuid.UUID
	SourceID uuid.UUID // uuid.Nil when it can't be told
	// At is when it was received, in UTC milliseconds.
	At time.Time
	// Origin says where it came from: FromMQTT, FromWebhook, FromJournal.
	Origin string
	// Topic is the MQTT topic, the URL's path or the journal's position.
	Topic string
	// Name and SignedAt are what came with the payload and reading it depends on:
	// the field of a scalar that has a topic of its own, and the time that a
	// webhook's signature vouches for (zero without one).
	Name     string
	SignedAt time.Time
	Kind     LetterKind
	Reason   string
	// Raw is the payload, at most MaxRaw bytes of it. It is never logged.
	Raw []byte
	// Size is how many bytes the payload had, Truncated that Raw has fewer.
	Size      int
	Truncated bool
}

// Bounded is the letter as every store keeps it: the payload cut at its bound,
// texts that devices had a hand in as texts that every database takes, times in
// milliseconds. It shares the payload's memory.
func (l DeadLetter) Bounded() DeadLetter {
	l.Size = max(l.Size, len(l.Raw))
	if len(l.Raw) > MaxRaw {
		l.Raw = l.Raw[:MaxRaw:MaxRaw]
	}
	if l.Raw == nil {
		l.Raw = []byte{}
	}
	l.Truncated = l.Truncated || l.Size > len(l.Raw)
	l.Origin, l.Topic, l.Name, l.Reason = storable(l.Origin), storable(l.Topic), storable(l.Name), storable(l.Reason)
	l.Kind = l.Kind.Known()
	l.At = Truncate(l.At)
	if !l.SignedAt.IsZero() {
		l.SignedAt = Truncate(l.SignedAt)
	}
	return l
}

// Identity is an id for a letter that may come twice: it is made of its source,
// origin, topic, name, signed time and payload, so that what comes again is the same
// letter. The time of receipt is left out, which is another each time.
func (l DeadLetter) Identity() uuid.UUID {
	signed := int64(0)
	if !l.SignedAt.IsZero() {
		signed = l.SignedAt.UnixMilli()
	}
	head := fmt.Sprintf("%s %q %q %q %d %d ", l.SourceID, l.Origin, l.Topic, l.Name, signed, l.Size)
	return uuid.NewSHA1(letterSpace(), append([]byte(head), l.Raw...))
}

// letterSpace is the namespace of these ids. It never changes.
func letterSpace() uuid.UUID {
	return uuid.UUID{0x6d, 0x0b, 0x53, 0x1e, 0x0f, 0x7c, 0x4a, 0x52, 0x9b, 0x1f, 0x5d, 0x8e, 0x33, 0xa9, 0x20, 0xc4}
}

func storable(text string) string {
	const unreadable = string(utf8.RuneError)
	if len(text) > maxLetterText {
		text = text[:maxLetterText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, unreadable), "\x00", unreadable)
}

// Obstacle says why the letter can't be replayed, "" when it can.
func (l DeadLetter) Obstacle() string {
	if l.Truncated {
		return fmt.Sprintf("Only %d of its %d bytes are kept, so it can't be replayed: let the device send it again.", len(l.Raw), l.Size)
	}
	return ""
}

// Place is where the letter stands in its source's order.
func (l DeadLetter) Place() LetterPlace { return LetterPlace{At: l.At, ID: l.ID} }

// DeadLetters is the way in for what could not be read.
type DeadLetters interface {
	// Put makes letters durable, each id once. An error that is no Unavailable says
	// that a letter among them is refused for good.
	Put(ctx context.Context, letters ...DeadLetter) error
}

// LetterPlace is a place in the order of a source's letters: by time, then by id.
type LetterPlace struct {
	At time.Time
	ID uuid.UUID
}

// LetterSpan asks for letters of one source.
type LetterSpan struct {
	SourceID uuid.UUID
	Order    Order
	// After is the place behind which, in the order asked for, the letters begin;
	// nil for the first.
	After *LetterPlace
	// Limit is how many letters at the most, 1 or more.
	Limit int
}

// LetterStore keeps dead letters where their owners can see them. What Put adds
// over the bounds of a source, MaxLetters and MaxLetterBytes, pushes out its
// oldest; and letters older than a setting disappear.
type LetterStore interface {
	DeadLetters
	// List returns letters in order.
	List(ctx context.Context, span LetterSpan) ([]DeadLetter, error)
	// Get returns a source's letter, or NotFound.
	Get(ctx context.Context, source, id uuid.UUID) (DeadLetter, error)
	// Count is how many letters of a source are kept.
	Count(ctx context.Context, source uuid.UUID) (int, error)
	// Amend gives a letter another reason. One that is not there is no error.
	Amend(ctx context.Context, source, id uuid.UUID, kind LetterKind, reason string) error
	// Remove removes letters of a source and says how many of them were there. One
	// that a drain brings once more, within a week, stays away.
	Remove(ctx context.Context, source uuid.UUID, ids ...uuid.UUID) (int, error)
	// Erase removes all letters of a source, as Remove does.
	Erase(ctx context.Context, source uuid.UUID) error
}

// LetterLog is the reading end of a way in that is not itself the store.
type LetterLog interface {
	// Fetch returns the next letters: at most max, waiting up to linger for more
	// once there is one, and without end for the first, until ctx ends. What can't
	// be read of the way in is a letter, too.
	Fetch(ctx context.Context, max int, linger time.Duration) (LetterBatch, error)
}

// LetterBatch is what a LetterLog gives at once. Every letter has an id, which is
// the same when it comes again.
type LetterBatch struct {
	Letters []DeadLetter
	// Commit notes that the letters are kept. Without it they come again after a
	// restart.
	Commit func(ctx context.Context) error
}

// Replayed is what became of a letter that went through ingest again.
type Replayed struct {
	// Accepted is how many of its readings are durable, Rejected how many were
	// refused; a payload that can't be read at all counts as one.
	Accepted, Rejected int
	// Kind and Reason say what still can't be read, Reason "" when nothing is left.
	Kind   LetterKind
	Reason string
	// Err is set when it is not known what became of it: it is to be tried again.
	Err error
}
