package device

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// Sort is what a list is in the order of.
type Sort string

// The orders, all of them with the id where two are equal.
const (
	ByCreation Sort = "createdAt"
	ByName     Sort = "name" // as sunsource.Fold writes it
	ByLastSeen Sort = "lastSeenAt"
	ByState    Sort = "state" // in the order of States
	ByCapacity Sort = "capacity"
)

// Sorts are all orders.
func Sorts() []Sort { return []Sort{ByCreation, ByName, ByLastSeen, ByState, ByCapacity} }

// Query asks for some of an owner's sources.
type Query struct {
	// Words must all be found in a source's name or description, or begin its client
	// id or its id. They are folded. See Words.
	Words []string
	// PowerGroupID and States narrow the list; nil for all.
	PowerGroupID *uuid.UUID
	States       []State
	Sort         Sort
	Descending   bool
	// Limit is how many at the most, 0 for all.
	Limit int
	// After is the place behind which the list begins, nil for its beginning.
	After *Place
}

// Place is a place in a list: that of a source with an id, whose key in the list's
// order was Number (ByState: the rank; times: microseconds since 1970) or, by name,
// Text. There need not be such a source any more.
type Place struct {
	Number float64
	Text   string
	ID     uuid.UUID
}

// PlaceOf is a listed source's place.
func (q Query) PlaceOf(l Listed) Place {
	p := Place{ID: l.ID}
	switch q.Sort {
	case ByName:
		p.Text = sunsource.Fold(l.Name)
	case ByLastSeen:
		if !l.Status.LastSeenAt.IsZero() {
			p.Number = float64(l.Status.LastSeenAt.UnixMicro())
		}
	case ByState:
		p.Number = float64(l.Status.State.Rank())
	case ByCapacity:
		p.Number = NoCapacity
		if l.InstalledCapacityWatts != nil {
			p.Number = *l.InstalledCapacityWatts
		}
	case ByCreation:
		p.Number = float64(l.CreatedAt.UnixMicro())
	}
	return p
}

// NoCapacity stands for a capacity that nobody told, in an order.
const NoCapacity = -1.0

// maxWords is how many words of a search count.
const maxWords = 8

// Words are the words of a text to search for, folded.
func Words(text string) []string {
	words := strings.Fields(sunsource.Fold(text))
	return words[:min(len(words), maxWords)]
}

// ClientStart is the beginning of a client id that a word is, "" for none: it has
// to say more than what all begin with.
func ClientStart(word string) string {
	const all = "sunsource_"
	if len(word) > len(all) && strings.HasPrefix(word, all) {
		return word
	}
	return ""
}

// IDStart is the beginning of an id that a word is, "" for none.
func IDStart(word string) string {
	if len(word) < 4 || len(word) > 36 {
		return ""
	}
	for i, r := range word {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdef", r) {
			return ""
		}
	}
	return word
}

// Matches reports whether the query asks for a source, wherever in the list it
// stands.
func (q Query) Matches(s sunsource.SunSource, state State) bool {
	if q.PowerGroupID != nil && (s.PowerGroupID == nil || *s.PowerGroupID != *q.PowerGroupID) {
		return false
	}
	if len(q.States) > 0 && !slices.Contains(q.States, state) {
		return false
	}
	name, description := sunsource.Fold(s.Name), ""
	if s.Description != nil {
		description = sunsource.Fold(*s.Description)
	}
	for _, word := range q.Words {
		client, id := ClientStart(word), IDStart(word)
		if !strings.Contains(name, word) && !strings.Contains(description, word) &&
			(client == "" || !strings.HasPrefix(s.ClientID(), client)) &&
			(id == "" || !strings.HasPrefix(s.ID.String(), id)) {
			return false
		}
	}
	return true
}

// Latest bounds how old a power may be, beside the newest of its source, to be
// told as its power now.
const Latest = 15 * time.Minute
