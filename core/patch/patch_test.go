package patch_test

import (
	"testing"

	"ampra/core/patch"
)

func TestAFieldIsAbsentNullOrSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		field    patch.Field[string]
		nullable *string // what becomes of "old"
		required string
		possible bool
	}{
		"absent":         {patch.Field[string]{}, new("old"), "old", true},
		"null":           {patch.Null[string](), nil, "old", false},
		"set":            {patch.Set("new"), new("new"), "new", true},
		"set to nothing": {patch.Set(""), new(""), "", true},
	} {
		nullable, required := new("old"), "old"
		c.field.Nullable(&nullable)
		if (nullable == nil) != (c.nullable == nil) || nullable != nil && *nullable != *c.nullable {
			t.Errorf("%s: what may be null became %v", name, nullable)
		}
		if possible := c.field.Required(&required); possible != c.possible || required != c.required {
			t.Errorf("%s: what can't be null became %q, %t", name, required, possible)
		}
	}
}
