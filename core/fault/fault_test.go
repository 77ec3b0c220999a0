package fault_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ampra/core/fault"
)

var errDriver = errors.New("connection refused")

func TestTheCodeOfAnErrorIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	conflict := fault.New(fault.Conflict, "Taken.")
	for name, c := range map[string]struct {
		err  error
		want fault.Code
	}{
		"nil":                           {nil, ""},
		"a fault":                       {conflict, fault.Conflict},
		"a wrapped fault":               {fmt.Errorf("creating a source: %w", fmt.Errorf("storing: %w", conflict)), fault.Conflict},
		"a joined fault":                {errors.Join(errDriver, conflict), fault.Conflict},
		"the outer of two":              {fault.Wrap(fault.Unavailable, conflict, "Away."), fault.Unavailable},
		"a fault with a driver's cause": {fault.Wrap(fault.NotFound, errDriver, "Missing."), fault.NotFound},
		"a driver's error":              {errDriver, fault.Internal},
		"an ended context":              {context.Canceled, fault.Internal},
	} {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if c.err != nil && !fault.Is(c.err, c.want) {
			t.Errorf("%s is not %q", name, c.want)
		}
	}
	if fault.Is(nil, "") || fault.Is(nil, fault.Internal) || fault.Is(conflict, fault.Invalid) {
		t.Error("Is takes one code for another")
	}
}

func TestOnlyWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	passing := map[fault.Code]bool{fault.Unavailable: true, fault.TooMany: true}
	for _, code := range []fault.Code{
		fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Conflict, fault.TooLarge, fault.Unsupported,
		fault.Mismatch, fault.TooMany, fault.Unavailable, fault.Internal,
	} {
		if got := fault.Passing(fmt.Errorf("storing: %w", fault.New(code, "x"))); got != passing[code] {
			t.Errorf("%s passes: %t", code, got)
		}
	}
	if fault.Passing(nil) || fault.Passing(errDriver) {
		t.Error("what is no fault passes")
	}
}

func TestTheCauseIsInTheLogAndNotInTheMessage(t *testing.T) {
	t.Parallel()
	f := fault.Wrap(fault.Unavailable, errDriver, "The store %s is away.", "A")
	if f.Message != "The store A is away." || f.Error() != "The store A is away: connection refused" {
		t.Errorf("got the message %q and the text %q", f.Message, f.Error())
	}
	if !errors.Is(f, errDriver) || errors.Unwrap(f) != errDriver { //nolint:errorlint // Unwrap itself is tested
		t.Error("the cause is lost")
	}
	if errors.Unwrap(fault.New(fault.Invalid, "x")) != nil {
		t.Error("a fault without a cause has one")
	}
	retry := fault.Retry(fault.TooMany, 3*time.Second, "Slow down.")
	if retry.RetryAfter != 3*time.Second || retry.Code != fault.TooMany || retry.Error() != "Slow down." {
		t.Errorf("got %+v", retry)
	}
}

func TestFieldsNameAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	var f fault.Fields
	if err := f.Err(); err != nil {
		t.Fatalf("nothing was noted: %v", err)
	}
	if !f.Check(true, "name", "never") || f.Check(false, "name", "too long") {
		t.Error("Check does not return what it was given")
	}
	f.Add("name", "no emoji")
	var other fault.Fields
	other.Add("name", "taken")
	other.Add("currency", "unknown")
	f.Merge(other)
	f.Merge(fault.Fields{})

	got, ok := errors.AsType[*fault.Error](f.Err())
	want := map[string][]string{"name": {"too long", "no emoji", "taken"}, "currency": {"unknown"}}
	if !ok || got.Code != fault.Invalid || !reflect.DeepEqual(got.Fields, want) {
		t.Fatalf("got %#v", f.Err())
	}
	if text := got.Error(); text != "The request has invalid fields: currency unknown; name too long, no emoji, taken" {
		t.Errorf("got %s", text)
	}
}

func TestAWebURLIsAbsoluteAndHTTP(t *testing.T) {
	t.Parallel()
	const long = "https://example.org/"
	for text, want := range map[string]bool{
		"http://example.org":                      true,
		"https://example.org/a.png?b=c#d":         true,
		"HTTPS://EXAMPLE.ORG/":                    true,
		"https://user:pw@example.org:8443/x":      true,
		"http://[::1]:8080/":                      true,
		"https://bücher.example/ä":                true,
		"":                                        false,
		"example.org/a.png":                       false,
		"//example.org/a.png":                     false,
		"/a.png":                                  false,
		"ftp://example.org/":                      false,
		"javascript:alert(1)":                     false,
		"javascript://example.org/%0aalert(1)":    false,
		"data:image/png;base64,AAAA":              false,
		"https:example.org":                       false,
		"https://":                                false,
		"https:///a.png":                          false,
		"https://:8080/":                          false,
		"https://exa mple.org/":                   false,
		"https://example.org/\n":                  false,
		" https://example.org/":                   false,
		"https://example.org/%zz":                 false,
		long + strings.Repeat("a", 500-len(long)): true,
		long + strings.Repeat("a", 501-len(long)): false,
		long + strings.Repeat("ä", 500-len(long)): true,
	} {
		if got := fault.WebURL(text, 500); got != want {
			t.Errorf("%.60q: got %t", text, got)
		}
	}
}

func TestWithJoinsWhatWasNotedWithAValidation(t *testing.T) {
	t.Parallel()
	var validation fault.Fields
	validation.Add("name", "too long")
	validation.Add("currency", "unknown")
	for name, c := range map[string]struct {
		noted string // a field, "" for none
		err   error
		want  map[string][]string
		code  fault.Code
	}{
		"nothing and nothing":           {"", nil, nil, ""},
		"nothing and a validation":      {"", validation.Err(), map[string][]string{"name": {"too long"}, "currency": {"unknown"}}, fault.Invalid},
		"nothing and another fault":     {"", fault.New(fault.Conflict, "Taken."), nil, fault.Conflict},
		"a field and nothing":           {"latitude", nil, map[string][]string{"latitude": {"unreadable"}}, fault.Invalid},
		"a field and a driver's error":  {"latitude", errDriver, nil, fault.Internal},
		"a field and another fault":     {"latitude", fault.New(fault.Conflict, "Taken."), map[string][]string{"latitude": {"unreadable"}}, fault.Invalid},
		"a field and the same, invalid": {"name", validation.Err(), map[string][]string{"name": {"unreadable"}, "currency": {"unknown"}}, fault.Invalid},
		"a field and a wrapped validation": {
			"latitude", fmt.Errorf("creating: %w", validation.Err()),
			map[string][]string{"latitude": {"unreadable"}, "name": {"too long"}, "currency": {"unknown"}},
			fault.Invalid,
		},
	} {
		var f fault.Fields
		if c.noted != "" {
			f.Add(c.noted, "unreadable")
		}
		err := f.With(c.err)
		var got map[string][]string
		if e, ok := errors.AsType[*fault.Error](err); ok {
			got = e.Fields
		}
		if fault.CodeOf(err) != c.code || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	want := map[string][]string{"name": {"too long"}, "currency": {"unknown"}}
	if e, ok := errors.AsType[*fault.Error](validation.Err()); !ok || !reflect.DeepEqual(e.Fields, want) {
		t.Error("joining changed what was joined")
	}
}
