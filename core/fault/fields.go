package fault

import (
	"errors"
	"net/url"
	"unicode/utf8"
)

// Fields gathers what is wrong with an input, so that all failing fields are
// named at once. The zero value is ready.
type Fields struct {
	messages map[string][]string
}

// Add notes a message for a field.
func (f *Fields) Add(field, message string) {
	if f.messages == nil {
		f.messages = map[string][]string{}
	}
	f.messages[field] = append(f.messages[field], message)
}

// Check notes the message unless ok, and returns ok.
func (f *Fields) Check(ok bool, field, message string) bool {
	if !ok {
		f.Add(field, message)
	}
	return ok
}

// Merge takes over what other has gathered.
func (f *Fields) Merge(other Fields) {
	for field, messages := range other.messages {
		for _, message := range messages {
			f.Add(field, message)
		}
	}
}

// Below is what was noted, for fields of the field with the name.
func (f *Fields) Below(name string) Fields {
	var below Fields
	for field, messages := range f.messages {
		for _, message := range messages {
			below.Add(name+"."+field, message)
		}
	}
	return below
}

// Err returns nil when nothing was noted, else a fault with Code Invalid that
// names every field.
func (f *Fields) Err() error {
	if len(f.messages) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: "The request has invalid fields.", Fields: f.messages}
}

// FieldsOf gathers the fields of the faults among the outcomes of validations.
func FieldsOf(outcomes ...error) Fields {
	var all Fields
	for _, err := range outcomes {
		if e, ok := errors.AsType[*Error](err); ok {
			all.Merge(Fields{messages: e.Fields})
		}
	}
	return all
}

// With joins what was noted with the outcome of a validation, so that both are
// named at once: err's fields are added where nothing is noted for them yet. When
// something was noted any other fault gives way to it; an error that is no fault
// stays as it is.
func (f *Fields) With(err error) error {
	if len(f.messages) == 0 {
		return err
	}
	var all Fields
	all.Merge(*f)
	if e, ok := errors.AsType[*Error](err); ok {
		for field, messages := range e.Fields {
			if _, noted := f.messages[field]; !noted {
				all.messages[field] = messages
			}
		}
	} else if err != nil {
		return err
	}
	return all.Err()
}

// WebURL reports whether text is an absolute http or https URL with a host, of
// at most max characters.
func WebURL(text string, max int) bool {
	if utf8.RuneCountInString(text) > max {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
