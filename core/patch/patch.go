// Package patch holds the three states of a field in an update: absent, null
// and set.
package patch

// Field is one field of an update. The zero value is absent: the field stays.
type Field[T any] struct {
	// Sent is true when the update names the field.
	Sent bool
	// Value is nil for null.
	Value *T
}

// Set is a field that is set to value.
func Set[T any](value T) Field[T] { return Field[T]{Sent: true, Value: &value} }

// Null is a field that is sent as null.
func Null[T any]() Field[T] { return Field[T]{Sent: true} }

// Nullable writes the field to a place that may be null: absent leaves it, null
// clears it.
func (f Field[T]) Nullable(to **T) {
	if f.Sent {
		*to = f.Value
	}
}

// Required writes the field to a place that can't be null and reports whether
// that was possible: false for null.
func (f Field[T]) Required(to *T) bool {
	if !f.Sent {
		return true
	}
	if f.Value == nil {
		return false
	}
	*to = *f.Value
	return true
}
