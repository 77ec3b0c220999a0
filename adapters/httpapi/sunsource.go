package httpapi

import (
	"net/http"

	"github.com/google/uuid"

	"ampra/core/sunsource"
	"ampra/modules/credentials"
	"ampra/modules/sunsources"
)

// SunSourceDto is a sun source in answers. The order of the fields is the
// order in which they are sent.
type SunSourceDto struct {
	ID                     uuid.UUID                      `json:"id" format:"uuid"`
	Name                   string                         `json:"name"`
	Description            *string                        `json:"description"`
	IconURL                *string                        `json:"iconUrl"`
	PowerGroupID           *uuid.UUID                     `json:"powerGroupId" format:"uuid"`
	PowerGroupName         *string                        `json:"powerGroupName"`
	ConnectionType         string                         `json:"connectionType" enum:"MQTT,Webhook"`
	Latitude               *float64                       `json:"latitude"`
	Longitude              *float64                       `json:"longitude"`
	IsActive               bool                           `json:"isActive" description:"false shuts the source's devices out"`
	CreatedAt              instant                        `json:"createdAt"`
	UpdatedAt              instant                        `json:"updatedAt"`
	InstalledCapacityWatts *float64                       `json:"installedCapacityWatts"`
	Currency               string                         `json:"currency"`
	SystemCost             *money                         `json:"systemCost"`
	MaintenanceCostPerYear *money                         `json:"maintenanceCostPerYear"`
	InstallationDate       *instant                       `json:"installationDate"`
	ConnectionDetails      *SunSourceConnectionDetailsDto `json:"connectionDetails"`
}

// SunSourceConnectionDetailsDto is what a source's device needs to connect. The
// fields of the other connection type are null.
type SunSourceConnectionDetailsDto struct {
	MQTTBrokerHost *string `json:"mqttBrokerHost"`
	MQTTBrokerPort *int    `json:"mqttBrokerPort"`
	MQTTClientID   *string `json:"mqttClientId"`
	MQTTAPIKey     *string `json:"mqttApiKey"`
	MQTTTopic      *string `json:"mqttTopic"`
	WebhookURL     *string `json:"webhookUrl"`
	WebhookSecret  *string `json:"webhookSecret"`
}

func sunSourceDto(s sunsource.SunSource) SunSourceDto {
	return SunSourceDto{
		ID: s.ID, Name: s.Name, Description: s.Description, IconURL: s.IconURL,
		PowerGroupID: s.PowerGroupID, PowerGroupName: s.PowerGroupName, ConnectionType: string(s.ConnectionType),
		Latitude: s.Latitude, Longitude: s.Longitude, IsActive: s.IsActive,
		CreatedAt: instant(s.CreatedAt), UpdatedAt: instant(s.UpdatedAt),
		InstalledCapacityWatts: s.InstalledCapacityWatts, Currency: s.Currency,
		SystemCost: cash(s.SystemCost), MaintenanceCostPerYear: cash(s.MaintenanceCostPerYear),
		InstallationDate: at(s.InstallationDate),
	}
}

func (c *call) connectionDetails(r sunsources.Revealed) *SunSourceConnectionDetailsDto {
	secret := r.Secret.Reveal()
	if r.ConnectionType == sunsource.MQTT {
		host, port, clientID, topic := c.s.cfg.MQTTHost, c.s.cfg.MQTTPort, r.ClientID(), sunsource.Topic(r.ID)
		return &SunSourceConnectionDetailsDto{
			MQTTBrokerHost: &host, MQTTBrokerPort: &port, MQTTClientID: &clientID, MQTTAPIKey: &secret, MQTTTopic: &topic,
		}
	}
	url := c.webhookURL(r.ID)
	return &SunSourceConnectionDetailsDto{WebhookURL: &url, WebhookSecret: &secret}
}

func (c *call) webhookURL(id uuid.UUID) string {
	return c.s.cfg.PublicURL + "/api/webhook/sunsource/" + id.String()
}

// answerSunSource sends a source, with its connection details when they were
// asked for.
func (c *call) answerSunSource(status int, r sunsources.Revealed, reveal bool) error {
	dto := sunSourceDto(r.SunSource)
	if reveal {
		c.secret()
		dto.ConnectionDetails = c.connectionDetails(r)
	}
	return c.answer(status, dto)
}

// reveal reads whether the connection details are asked for.
func (c *call) reveal() bool { return c.flag("includeConnectionDetails") }

func (c *call) listSunSources() error {
	if c.searches() {
		return c.searchSunSources()
	}
	filter := sunsource.Filter{PowerGroupID: c.idParam("powerGroupId")}
	limit, after := c.page()
	if err := c.wrong.Err(); err != nil {
		return err
	}
	page := sunsource.Page{After: after}
	if limit > 0 {
		page.Limit = limit + 1 // one more tells whether there is a next page
	}
	found, err := c.s.d.Sources.List(c.ctx, c.who(), filter, page)
	if err != nil {
		return err
	}
	if limit > 0 && len(found) > limit {
		found = found[:limit]
		c.nextPage(found[limit-1].ID.String())
	}
	list := make([]SunSourceDto, len(found))
	for i, s := range found {
		list[i] = sunSourceDto(s)
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) getSunSource() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	reveal, include := c.reveal(), c.include()
	if err := c.wrong.Err(); err != nil {
		return err
	}
	found, err := c.s.d.Sources.Get(c.ctx, c.who(), id, reveal)
	if err != nil {
		return err
	}
	if !include {
		return c.answerSunSource(http.StatusOK, found, reveal)
	}
	status, err := c.s.d.Devices.Of(c.ctx, found.ID)
	if err != nil {
		return err
	}
	dto := sunSourceStateDto(found.SunSource, status)
	if reveal {
		c.secret()
		dto.ConnectionDetails = c.connectionDetails(found)
	}
	return c.answer(http.StatusOK, dto)
}

func createSunSourceFields(d *sunsources.Draft) []field {
	return []field{
		need("name", &d.Name, text().length(1, sunsource.MaxName).like("Roof Array Alpha"), "Display name"),
		opt("description", &d.Description, text().length(0, sunsource.MaxDescription), "Description"),
		opt("iconUrl", &d.IconURL, text().length(0, sunsource.MaxURL), "Icon, an http or https URL"),
		opt("powerGroupId", &d.PowerGroupID, id(), "Power group that the source belongs to"),
		need("connectionType", &d.ConnectionType, connectionType(), "How the source's devices connect; it never changes"),
		opt("latitude", &d.Latitude, number().between(-90, 90).like(45.4642), "Degrees, north positive"),
		opt("longitude", &d.Longitude, number().between(-180, 180).like(9.19), "Degrees, east positive"),
		opt("webhookSecret", &d.WebhookSecret, text().length(16, 256), "A webhook secret of one's own, for Webhook sources; drawn when absent"),
		opt("installedCapacityWatts", &d.InstalledCapacityWatts, number().between(0, sunsource.MaxCapacityWatts).like(5000), "Peak power of the panels in watts"),
		opt("currency", &d.Currency, currency(), "ISO 4217 code; EUR when absent"),
		opt("initialKwhPrice", &d.InitialKwhPrice, amount().like(0.25), "First entry of the price history, per kilowatt-hour"),
		opt("systemCost", &d.SystemCost, amount().like(12500), "What the system cost"),
		opt("maintenanceCostPerYear", &d.MaintenanceCostPerYear, amount().like(250), "What maintenance costs a year"),
		opt("installationDate", &d.InstallationDate, moment().like("2024-06-01T00:00:00Z"), "When the system was installed"),
	}
}

func currency() kind[string] {
	return text().with(schema{"pattern": "^[A-Z]{3}$"}).like(sunsource.DefaultCurrency)
}

func (c *call) createSunSource() error {
	var draft sunsources.Draft
	reveal := c.reveal()
	if err := c.body(createSunSourceFields(&draft)...); err != nil {
		return err
	}
	draft.Unreadable = c.wrong
	made, err := c.s.d.Sources.Create(c.ctx, c.who(), draft, reveal)
	if err != nil {
		return err
	}
	c.created("/api/sunsources/" + made.ID.String())
	return c.answerSunSource(http.StatusCreated, made, reveal)
}

func updateSunSourceFields(u *sunsources.Update) []field {
	return []field{
		change("name", &u.Name, text().length(1, sunsource.MaxName), false, "Display name"),
		change("description", &u.Description, text().length(0, sunsource.MaxDescription), true, "Description"),
		change("iconUrl", &u.IconURL, text().length(0, sunsource.MaxURL), true, "Icon, an http or https URL"),
		change("powerGroupId", &u.PowerGroupID, id(), true, "Power group; null unassigns"),
		change("isActive", &u.IsActive, boolean(), false, "false shuts the source's devices out at once"),
		change("latitude", &u.Latitude, number().between(-90, 90), true, "Degrees, north positive"),
		change("longitude", &u.Longitude, number().between(-180, 180), true, "Degrees, east positive"),
		may("regenerateMqttApiKey", &u.RegenerateMQTTKey, boolean(), "true ends the MQTT key at once and draws a new one"),
		change("installedCapacityWatts", &u.InstalledCapacityWatts, number().between(0, sunsource.MaxCapacityWatts), true, "Peak power of the panels in watts"),
		change("currency", &u.Currency, currency(), false, "ISO 4217 code"),
		change("systemCost", &u.SystemCost, amount(), true, "What the system cost"),
		change("maintenanceCostPerYear", &u.MaintenanceCostPerYear, amount(), true, "What maintenance costs a year"),
		change("installationDate", &u.InstallationDate, moment(), true, "When the system was installed"),
		change("connectionType", &u.ConnectionType, connectionType(), false, "May be sent, but only as it is"),
	}
}

func (c *call) updateSunSource() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var update sunsources.Update
	reveal := c.reveal()
	if err := c.body(updateSunSourceFields(&update)...); err != nil {
		return err
	}
	update.Unreadable = c.wrong
	updated, err := c.s.d.Sources.Update(c.ctx, c.who(), id, update, reveal)
	if err != nil {
		return err
	}
	return c.answerSunSource(http.StatusOK, updated, reveal)
}

func (c *call) deleteSunSource() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.s.d.Sources.Delete(c.ctx, c.who(), id); err != nil {
		return err
	}
	return c.nothing()
}

// WebhookURLDto is where a Webhook source's device posts its readings.
type WebhookURLDto struct {
	WebhookURL string `json:"webhookUrl"`
}

func (c *call) getWebhookURL() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	found, err := c.s.d.Sources.Get(c.ctx, c.who(), id, false)
	if err != nil {
		return err
	}
	if found.ConnectionType != sunsource.Webhook {
		return credentials.WrongKind(found.ConnectionType)
	}
	return c.answer(http.StatusOK, WebhookURLDto{WebhookURL: c.webhookURL(found.ID)})
}
