package credential_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"ampra/core/credential"
)

const plain = "correct-horse-battery"

// holder has a secret where a method can be called and where it can't.
type holder struct {
	Open   credential.Secret
	hidden credential.Secret
	Inner  struct{ hidden []credential.Secret }
}

// mustHide fails when the text, or a form of it, stands in what was printed.
func mustHide(t *testing.T, how, printed string) {
	t.Helper()
	for _, form := range []string{
		plain, hex.EncodeToString([]byte(plain)), base64.StdEncoding.EncodeToString([]byte(plain)), fmt.Sprintf("%d", []byte(plain)), plain[4:12],
		hex.EncodeToString([]byte(plain[4:12])), fmt.Sprintf("% x", plain[4:8]), strings.ToUpper(plain[4:8]), plain[:4],
	} {
		if strings.Contains(strings.ToLower(printed), strings.ToLower(form)) {
			t.Errorf("%s shows the secret: %s", how, printed)
			return
		}
	}
}

func TestASecretDoesNotPrintWithAnyVerb(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(plain)
	h := holder{Open: s, hidden: s}
	h.Inner.hidden = []credential.Secret{s}
	access := credential.Access{Keys: []credential.AccessKey{{Secret: s}}}
	values := map[string]any{
		"a secret": s, "a pointer": &s, "a struct": h, "a pointer to a struct": &h, "a slice": []credential.Secret{s},
		"a slice of structs": []holder{h}, "a map": map[string]credential.Secret{"key": s}, "an array": [1]credential.Secret{s},
		"any": []any{s, h}, "a key's access": access, "a pointer to an access": &access, "a key": access.Keys[0],
	}
	for name, value := range values {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-20", " ", "020", ".3", "+#"} {
				format := "%" + flags + string(verb)
				mustHide(t, name+" with "+format, fmt.Sprintf(format, value))
			}
		}
		for _, wrong := range []string{"%", "%!", "none", "%[2]d", "%[1]*d", "%.*d"} {
			mustHide(t, name+" with the wrong format "+wrong, fmt.Sprintf(wrong, value))
		}
		mustHide(t, name+" with Sprint", fmt.Sprint(value)+fmt.Sprintln(value))
		mustHide(t, name+" in an error", fmt.Errorf("signing: %v %w", value, fmt.Errorf("%+v", value)).Error())
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(format, s); got != "[secret]" {
			t.Errorf("%s: got %s", format, got)
		}
	}
	if s.String() != "[secret]" || s.GoString() != "[secret]" {
		t.Errorf("got %s and %s", s.String(), s.GoString())
	}
}

func TestASecretDoesNotReachTheLog(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(plain)
	h := holder{Open: s, hidden: s}
	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&out, nil), "json": slog.NewJSONHandler(&out, nil)} {
		out.Reset()
		log := slog.New(handler).With("with", s, "withStruct", h).WithGroup("group")
		log.Info("said", "secret", s, "pointer", &s, "struct", h, "pointerToStruct", &h, "list", []credential.Secret{s},
			"map", map[string]any{"a": s}, "err", fmt.Errorf("with %v", s), slog.Group("inner", "secret", s))
		mustHide(t, name, out.String())
		if !strings.Contains(out.String(), "[secret]") {
			t.Errorf("%s: got %s", name, out.String())
		}
	}
}

func TestASecretDoesNotEncode(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(plain)
	for name, value := range map[string]any{
		"a secret": s, "a pointer": &s, "a key": credential.AccessKey{Secret: s}, "a map": map[string]credential.Secret{"a": s}, "a list": []credential.Secret{s},
	} {
		out, err := json.Marshal(value)
		if err != nil || !strings.Contains(string(out), "[secret]") {
			t.Errorf("%s: got %s, %v", name, out, err)
		}
		mustHide(t, name+" as JSON", string(out))
	}
	if out, err := s.MarshalText(); err != nil || string(out) != "[secret]" {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestASecretRevealsItsTextOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(plain)
	if s.Reveal() != plain || s.IsZero() {
		t.Error("the text is lost")
	}
	for _, none := range []credential.Secret{{}, credential.NewSecret("")} {
		if none.Reveal() != "" || !none.IsZero() || none.Equal(s) || s.Equal(none) || !none.Equal(credential.Secret{}) {
			t.Error("no secret is taken for one")
		}
	}
	if !s.Equal(credential.NewSecret(plain)) || s.Equal(credential.NewSecret(plain+"x")) || s.Equal(credential.NewSecret(plain[1:])) {
		t.Error("Equal is wrong")
	}
}

// counting gives the bytes 0, 1, 2, ... from a start, and counts them.
type counting struct{ next, given byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.next
		c.next++
		c.given++
	}
	return len(p), nil
}

func TestAKeyIsThirtyTwoRandomBytesBehindItsPrefix(t *testing.T) {
	t.Parallel()
	for prefix, draw := range map[string]func(io.Reader) (credential.Secret, error){
		"ak_": credential.NewMQTTKey, "wh_": credential.NewWebhookSecret,
	} {
		random := &counting{next: 250}
		key, err := draw(random)
		if err != nil {
			t.Fatal(err)
		}
		encoded, ok := strings.CutPrefix(key.Reveal(), prefix)
		drawn, err := base64.RawURLEncoding.DecodeString(encoded)
		want := make([]byte, 32)
		_, _ = (&counting{next: 250}).Read(want)
		if !ok || err != nil || !bytes.Equal(drawn, want) || random.given != 32 {
			t.Errorf("%s: got %s of %d random bytes, %v", prefix, key.Reveal(), random.given, err)
		}
		if err := credential.CheckCustomSecret(key.Reveal()); err != nil {
			t.Errorf("%s: a drawn key is not good enough: %v", prefix, err)
		}
	}
}

func TestWithoutChanceThereIsNoKey(t *testing.T) {
	t.Parallel()
	broken := errors.New("no chance")
	for name, random := range map[string]io.Reader{
		"a source that fails":         io.MultiReader(bytes.NewReader(make([]byte, 31)), failing{broken}),
		"a source that ends too soon": bytes.NewReader(make([]byte, 31)),
	} {
		for _, draw := range []func(io.Reader) (credential.Secret, error){credential.NewMQTTKey, credential.NewWebhookSecret} {
			key, err := draw(random)
			if err == nil || !key.IsZero() {
				t.Errorf("%s: got a key, %v", name, err)
			}
		}
	}
	if _, err := credential.NewMQTTKey(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the source's error", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestADigestMatchesItsKeyOnly(t *testing.T) {
	t.Parallel()
	key := credential.NewSecret(plain)
	d := credential.DigestOf(key)
	// printf correct-horse-battery | sha256sum
	if got := hex.EncodeToString(d[:]); got != "62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d" {
		t.Errorf("got %s", got)
	}
	if !d.Matches(key) || d.Matches(credential.NewSecret(plain+" ")) || d.Matches(credential.Secret{}) || (credential.Digest{}).Matches(key) {
		t.Error("Matches is wrong")
	}
}
