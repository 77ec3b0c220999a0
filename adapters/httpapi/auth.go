package httpapi

import (
	"net/http"

	"github.com/google/uuid"

	"ampra/core/identity"
	users "ampra/modules/identity"
)

// UserDto is an account in answers.
type UserDto struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Email     string    `json:"email"`
	FirstName *string   `json:"firstName"`
	LastName  *string   `json:"lastName"`
	Role      string    `json:"role" enum:"User,Admin,Overseer"`
	CreatedAt instant   `json:"createdAt"`
}

func userDto(u identity.User) UserDto {
	return UserDto{
		ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Role: string(u.Role), CreatedAt: instant(u.CreatedAt),
	}
}

const passwordRule = "8 to 256 characters with an upper-case letter, a lower-case letter and a digit" //nolint:gosec // a rule, no password

func email() kind[string] {
	return text().with(schema{"format": "email", "maxLength": identity.MaxEmail})
}

func newPassword() kind[string] {
	return text().length(identity.MinPassword, identity.MaxPassword).with(schema{"format": "password"})
}

func registerFields(r *users.Registration, setupToken **string) []field {
	return []field{
		need("email", &r.Email, email(), "E-mail address, by which one signs in"),
		need("password", &r.Password, newPassword(), passwordRule),
		opt("firstName", &r.FirstName, text().length(0, identity.MaxName), "First name"),
		opt("lastName", &r.LastName, text().length(0, identity.MaxName), "Last name"),
		opt("setupToken", setupToken, text(), "For the first account from elsewhere than the machine itself: the token that the server's log shows at start"),
	}
}

func (c *call) register() error {
	registration := users.Registration{Loopback: c.loopback()}
	var setupToken *string
	if err := c.body(registerFields(&registration, &setupToken)...); err != nil {
		return err
	}
	if setupToken != nil {
		registration.SetupToken = *setupToken
	}
	registration.Unreadable = c.wrong
	signed, err := c.s.d.Identity.Register(c.ctx, registration)
	if err != nil {
		return err
	}
	return c.answerSignedIn(http.StatusCreated, signed)
}

type signInForm struct{ email, password string }

func loginFields(f *signInForm) []field {
	return []field{
		need("email", &f.email, email(), "E-mail address"),
		need("password", &f.password, text().with(schema{"format": "password"}), "Password"),
	}
}

func (c *call) login() error {
	var form signInForm
	if err := c.body(loginFields(&form)...); err != nil {
		return err
	}
	if err := c.wrong.Err(); err != nil {
		return err
	}
	signed, err := c.s.d.Identity.Login(c.ctx, form.email, form.password)
	if err != nil {
		return err
	}
	return c.answerSignedIn(http.StatusOK, signed)
}

func (c *call) answerSignedIn(status int, signed users.SignedIn) error {
	c.keepSession(signed.Session)
	c.secret()
	return c.answer(status, userDto(signed.User))
}

// logout ends the session that the request brings, if any, and takes the cookie
// back in every case.
func (c *call) logout() error {
	if session := c.cookie(); session != "" {
		if err := c.s.d.Identity.Logout(c.ctx, session); err != nil {
			return err
		}
	}
	c.dropSession()
	c.secret()
	return c.nothing()
}

func (c *call) me() error {
	c.secret()
	return c.answer(http.StatusOK, userDto(c.visitor.User))
}

type passwordForm struct{ current, next string }

func passwordFields(f *passwordForm) []field {
	return []field{
		need("currentPassword", &f.current, text().with(schema{"format": "password"}), "The password so far"),
		need("newPassword", &f.next, newPassword(), passwordRule),
	}
}

func (c *call) changePassword() error {
	var form passwordForm
	if err := c.body(passwordFields(&form)...); err != nil {
		return err
	}
	if c.wrong.Err() != nil {
		return c.wrong.With(identity.CheckPassword("newPassword", form.next))
	}
	if err := c.s.d.Identity.ChangePassword(c.ctx, c.who(), c.session, form.current, form.next); err != nil {
		return err
	}
	c.secret()
	return c.nothing()
}

func createUserFields(n *users.NewUser) []field {
	return []field{
		need("email", &n.Email, email(), "E-mail address, by which one signs in"),
		need("password", &n.Password, newPassword(), passwordRule),
		need("role", &n.Role, role(), "At most one's own"),
	}
}

func (c *call) createUser() error {
	var n users.NewUser
	if err := c.body(createUserFields(&n)...); err != nil {
		return err
	}
	n.Unreadable = c.wrong
	made, err := c.s.d.Identity.CreateUser(c.ctx, c.who(), n)
	if err != nil {
		return err
	}
	c.secret()
	return c.answer(http.StatusCreated, userDto(made))
}
