package httpapi

import (
	"net/http"
	"time"

	"ampra/core/credential"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
)

// WebhookSecretDto is a new webhook secret.
type WebhookSecretDto struct {
	WebhookSecret string `json:"webhookSecret"`
}

// MQTTKeyDto is a new MQTT key.
type MQTTKeyDto struct {
	MQTTAPIKey string `json:"mqttApiKey"`
}

// CredentialStatusDto is what an owner may see of a source's credential besides
// itself.
type CredentialStatusDto struct {
	Kind       string                       `json:"kind" enum:"MQTT,Webhook"`
	CreatedAt  instant                      `json:"createdAt"`
	LastUsedAt *instant                     `json:"lastUsedAt"`
	Connected  int                          `json:"connected" minimum:"0" description:"How many sessions the source's devices have now"`
	Previous   *PreviousCredentialStatusDto `json:"previous"`
}

// PreviousCredentialStatusDto is a replaced credential that a grace keeps valid.
type PreviousCredentialStatusDto struct {
	ValidUntil instant  `json:"validUntil"`
	LastUsedAt *instant `json:"lastUsedAt"`
}

const maxGraceSeconds = int(credential.MaxGrace / time.Second)

func (c *call) rotateSecret() error {
	secret, err := c.rotate(sunsource.Webhook)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, WebhookSecretDto{WebhookSecret: secret.Reveal()})
}

func (c *call) regenerateMQTTKey() error {
	key, err := c.rotate(sunsource.MQTT)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, MQTTKeyDto{MQTTAPIKey: key.Reveal()})
}

func (c *call) rotate(kind sunsource.ConnectionType) (credential.Secret, error) {
	id, err := c.id()
	if err != nil {
		return credential.Secret{}, err
	}
	grace := c.number("graceSeconds", 0, 0, maxGraceSeconds, "must be between 0 and 604800 (7 days)")
	if err := c.wrong.Err(); err != nil {
		return credential.Secret{}, err
	}
	c.secret()
	return c.s.d.Credentials.Rotate(c.ctx, c.who(), id, kind, time.Duration(grace)*time.Second)
}

func (c *call) getCredentials() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	status, err := c.s.d.Credentials.Status(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, credentialStatusDto(status))
}

func credentialStatusDto(s credentials.Status) CredentialStatusDto {
	dto := CredentialStatusDto{
		Kind: string(s.Kind), CreatedAt: instant(s.CreatedAt), LastUsedAt: at(s.LastUsedAt), Connected: s.Connected,
	}
	if p := s.Previous; p != nil {
		dto.Previous = &PreviousCredentialStatusDto{ValidUntil: instant(p.ValidUntil), LastUsedAt: at(p.LastUsedAt)}
	}
	return dto
}
