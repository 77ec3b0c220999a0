package secretbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The key file is text, so that its owner can see what it is and which keys it
// has:
//
//	ampra-key-file 1
//	# comments
//	current k3f9a01b2
//	key k3f9a01b2 2026-11-23T17:42:00Z <32 bytes in base64>
const (
	header = "ampra-key-file 1"
	notice = `# These keys open the secrets in the database: webhook secrets and MQTT keys.
# Without this file they are lost. Keep a copy apart from the database's copies,
# and let nobody but Ampra read it (mode 0600). "ampra keys rotate" adds a key.
`
	keyBytes = 32
	maxKeys  = 1000
	maxID    = 32
	// maxFile is more than maxKeys keys take.
	maxFile = 256 << 10
)

// key is one key of a file. It has no String: nothing prints it.
type key struct {
	id      string
	created time.Time
	secret  [keyBytes]byte
}

// keyring is the content of a key file.
type keyring struct {
	current string
	keys    []key
}

func (r keyring) has(id string) bool {
	for _, k := range r.keys {
		if k.id == id {
			return true
		}
	}
	return false
}

// format writes a key file.
func format(r keyring) []byte {
	var b bytes.Buffer
	b.WriteString(header + "\n" + notice)
	b.WriteString("current " + r.current + "\n")
	for _, k := range r.keys {
		fmt.Fprintf(&b, "key %s %s %s\n", k.id, k.created.UTC().Format(time.RFC3339),
			base64.StdEncoding.EncodeToString(k.secret[:]))
	}
	return b.Bytes()
}

// parse reads a key file. Its errors name the line, never what stands there.
func parse(data []byte) (keyring, error) {
	var r keyring
	first, rest, _ := strings.Cut(string(data), "\n")
	if name, version, ok := strings.Cut(strings.TrimRight(first, "\r"), " "); !ok || name != "ampra-key-file" {
		return r, errors.New(`it is no key file: the first line is not "` + header + `"`)
	} else if version != "1" {
		return r, errors.New("it has a version that this program does not know: a newer one wrote it")
	}
	line := 1
	for text := range strings.Lines(rest) {
		line++
		if err := r.line(strings.TrimRight(text, "\r\n")); err != nil {
			return keyring{}, fmt.Errorf("line %d: %w", line, err)
		}
	}
	switch {
	case len(r.keys) == 0:
		return keyring{}, errors.New("it has no key")
	case r.current == "":
		return keyring{}, errors.New(`it does not say which key is current: a line "current <id>" is missing`)
	case !r.has(r.current):
		return keyring{}, errors.New("the current key is not in it")
	}
	return r, nil
}

func (r *keyring) line(text string) error {
	if text == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	words := strings.Split(text, " ")
	switch {
	case words[0] == "current" && len(words) == 2:
		if r.current != "" {
			return errors.New("a second current key")
		}
		r.current = words[1]
		return checkID(words[1])
	case words[0] == "key" && len(words) == 4:
		k, err := parseKey(words[1:])
		if err != nil {
			return err
		}
		if r.has(k.id) {
			return errors.New("a key id that was there before")
		}
		if len(r.keys) == maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		r.keys = append(r.keys, k)
		return nil
	default:
		return errors.New(`neither "current <id>" nor "key <id> <time> <base64>"`)
	}
}

func parseKey(words []string) (key, error) {
	if err := checkID(words[0]); err != nil {
		return key{}, err
	}
	k := key{id: words[0]}
	var err error
	if k.created, err = time.Parse(time.RFC3339, words[1]); err != nil {
		return key{}, errors.New("the key's time is not in RFC 3339")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(words[2])
	if err != nil || len(secret) != keyBytes {
		return key{}, fmt.Errorf("the key is not %d bytes in base64", keyBytes)
	}
	copy(k.secret[:], secret)
	return k, nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("a key id has 1 to %d letters a to z, digits and dashes", maxID)
	}
	return nil
}
