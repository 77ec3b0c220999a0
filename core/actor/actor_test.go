package actor_test

import (
	"testing"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
)

func TestTheZeroActorSeesNothing(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]actor.Actor{
		"nobody": {}, "a user without a role": {UserID: uuid.UUID{1}}, "a role without a user": {Role: actor.Overseer},
		"a role that there is not": {UserID: uuid.UUID{1}, Role: "Root"}, "a role in other letters": {UserID: uuid.UUID{1}, Role: "admin"},
	} {
		if a.Known() {
			t.Errorf("%s is known", name)
		}
		for _, role := range []actor.Role{"", actor.User, actor.Admin, actor.Overseer} {
			if err := a.Need(role); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s needs %q: got %v", name, role, err)
			}
		}
	}
}

func TestARoleMayDoWhatTheOnesBeforeItMay(t *testing.T) {
	t.Parallel()
	roles := []actor.Role{actor.User, actor.Admin, actor.Overseer}
	for i, has := range roles {
		if has.Rank() != i+1 || !has.Valid() {
			t.Errorf("%s has the rank %d, valid: %t", has, has.Rank(), has.Valid())
		}
		a := actor.Actor{UserID: uuid.UUID{1}, Role: has}
		for j, needs := range roles {
			err := a.Need(needs)
			if j <= i && err != nil || j > i && !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s for what needs %s: got %v", has, needs, err)
			}
		}
	}
	for _, role := range []actor.Role{"", "user", "OVERSEER", "Root"} {
		if role.Rank() != 0 || role.Valid() {
			t.Errorf("%q is a role", role)
		}
	}
}
