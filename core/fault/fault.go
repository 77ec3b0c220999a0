// Package fault is the one vocabulary of errors that cross a border of the
// house: a code for machines, a message that is safe to show to whoever asked,
// the fields at fault, and when another try makes sense. Whatever is not a fault
// is "internal" to the outside and whole in the log.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code says what kind of failure an error is. The driving adapters translate it
// outward (HTTP status, MQTT reason code) in one place each.
type Code string

// The codes, with the HTTP status that they become.
const (
	Invalid         Code = "invalid"         // 400: malformed, or a rule of the domain is broken
	Unauthenticated Code = "unauthenticated" // 401: no valid session, token, key or signature
	Forbidden       Code = "forbidden"       // 403: known, but the role or scope is too low
	NotFound        Code = "not_found"       // 404: missing, or another user's
	Conflict        Code = "conflict"        // 409: the state of the thing does not allow it
	TooLarge        Code = "too_large"       // 413
	Unsupported     Code = "unsupported"     // 415: media type or encoding
	Mismatch        Code = "mismatch"        // 422: an idempotency key was used for another request
	TooMany         Code = "too_many"        // 429: slow down, RetryAfter says how long
	Unavailable     Code = "unavailable"     // 503: a part is away, RetryAfter says when to try again
	Internal        Code = "internal"        // 500: everything else
)

// Error is a failure with a code and a message that may be shown.
type Error struct {
	Code    Code
	Message string
	// Fields names what is wrong with each field of the input, for Code Invalid.
	Fields map[string][]string
	// RetryAfter is how long to wait before another try; 0 where that says nothing.
	RetryAfter time.Duration
	// Cause is for the log, never for the answer.
	Cause error
}

// Error returns the message, the fields and the cause, for logs.
func (e *Error) Error() string {
	parts := make([]string, 0, len(e.Fields)+1)
	for name, messages := range e.Fields {
		parts = append(parts, name+" "+strings.Join(messages, ", "))
	}
	slices.Sort(parts)
	text := e.Message
	if len(parts) > 0 {
		text = strings.TrimSuffix(text, ".") + ": " + strings.Join(parts, "; ")
	}
	if e.Cause != nil {
		text = strings.TrimSuffix(text, ".") + ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// New returns a fault whose message is shown as it is.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault with a cause that only the log sees.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Retry returns a fault that says when to try again.
func Retry(code Code, after time.Duration, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), RetryAfter: after}
}

// CodeOf returns the code of the first fault in err's chain, Internal for any
// other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries a fault with the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// Passing reports whether the same call may succeed later without any change:
// a part is away or asks to slow down. Everything else is permanent.
func Passing(err error) bool {
	code := CodeOf(err)
	return code == Unavailable || code == TooMany
}
