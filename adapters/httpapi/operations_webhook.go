package httpapi

import (
	"net/http"
)

// WebhookReceiptDto describes what became of a webhook's readings.
type WebhookReceiptDto struct {
	Accepted int                   `json:"accepted" minimum:"0" description:"how many readings are stored durably"`
	Rejected []WebhookRejectionDto `json:"rejected"`
	Warnings []WebhookWarningDto   `json:"warnings"`
}

// WebhookRejectionDto describes a reading that was refused.
type WebhookRejectionDto struct {
	Index  int    `json:"index" minimum:"0"`
	Reason string `json:"reason"`
}

// WebhookWarningDto describes a field that was left out.
type WebhookWarningDto struct {
	Index  int    `json:"index" minimum:"0"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func docWebhook() operation {
	reading := schema{
		"type": "object", "description": "A reading in canonical names; every field may be missing.",
		"examples": []any{schema{"timestamp": "2026-06-21T12:00:00Z", "acPowerWatts": 3120.5, "energyTotalKwh": 18231.4}},
	}
	return operation{
		id: "postWebhook", summary: "Send readings as a webhook device",
		about: "One reading, or a list of at most 10,000. The request is signed with the source's webhook secret over the raw body: by Standard Webhooks " +
			"(webhook-id, webhook-timestamp, webhook-signature) or by X-Webhook-Signature: sha256=<hex HMAC-SHA256 of the body>.",
		params: []param{
			inHeader("webhook-id", "Standard Webhooks: the message's id."),
			inHeader("webhook-timestamp", "Standard Webhooks: when it was signed, in unix seconds; within 5 minutes of now."),
			inHeader("webhook-signature", "Standard Webhooks: v1,<base64>, over id.timestamp.body."),
			inHeader("X-Webhook-Signature", "For small devices: sha256=<hex>, over the body."),
			inHeader("X-Webhook-Secret", "Another name of X-Webhook-Signature. The secret itself is never accepted."),
		},
		rawBody: map[string]schema{"application/json": {"oneOf": []any{reading, schema{"type": "array", "maxItems": 10_000, "items": reading}}}},
		answers: []answer{{status: http.StatusAccepted, about: "The accepted readings are durable.", dto: WebhookReceiptDto{}}},
		refusals: map[int]string{
			400: "Nothing in it can be read; rejected and warnings say why.",
			401: "Not signed, wrongly signed, or no active Webhook source has this id.",
			413: "More than 1 MiB or more than 10,000 readings.",
			415: "The body has a Content-Encoding.",
			429: "Too many requests of this source; Retry-After says how long to wait.",
			503: "The readings can't be stored now: send them again after Retry-After.",
		},
	}
}
