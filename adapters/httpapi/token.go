package httpapi

import (
	"net/http"

	"github.com/google/uuid"

	"ampra/core/identity"
	users "ampra/modules/identity"
)

// TokenDto is an API token in answers, without its text.
type TokenDto struct {
	ID         uuid.UUID        `json:"id" format:"uuid"`
	Name       string           `json:"name"`
	Scopes     []identity.Scope `json:"scopes" items.enum:"read,write"`
	CreatedAt  instant          `json:"createdAt"`
	ExpiresAt  instant          `json:"expiresAt"`
	LastUsedAt *instant         `json:"lastUsedAt"`
}

// CreatedTokenDto is a new API token with its text, which is shown only here.
type CreatedTokenDto struct {
	TokenDto
	Token string `json:"token"`
}

func tokenDto(t identity.Token) TokenDto {
	return TokenDto{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes,
		CreatedAt: instant(t.CreatedAt), ExpiresAt: instant(t.ExpiresAt), LastUsedAt: at(t.LastUsedAt),
	}
}

func (c *call) listTokens() error {
	tokens, err := c.s.d.Identity.Tokens(c.ctx, c.who())
	if err != nil {
		return err
	}
	list := make([]TokenDto, len(tokens))
	for i, t := range tokens {
		list[i] = tokenDto(t)
	}
	c.secret()
	return c.answer(http.StatusOK, list)
}

func createTokenFields(n *users.NewToken) []field {
	return []field{
		need("name", &n.Name, text().length(1, identity.MaxName).like("nightly export"), "What the token is for"),
		need("scopes", &n.Scopes, scopes(), "What the token allows; write includes read"),
		need("expiresAt", &n.ExpiresAt, moment().like("2027-01-01T00:00:00Z"), "When the token ends"),
	}
}

func (c *call) createToken() error {
	var n users.NewToken
	if err := c.body(createTokenFields(&n)...); err != nil {
		return err
	}
	n.Unreadable = c.wrong
	token, text, err := c.s.d.Identity.CreateToken(c.ctx, c.who(), n)
	if err != nil {
		return err
	}
	c.secret()
	return c.answer(http.StatusCreated, CreatedTokenDto{TokenDto: tokenDto(token), Token: text})
}

func (c *call) revokeToken() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.s.d.Identity.RevokeToken(c.ctx, c.who(), id); err != nil {
		return err
	}
	return c.nothing()
}
