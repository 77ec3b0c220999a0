package httpapi

import (
	"net/http"

	users "ampra/modules/identity"
)

func sessionHeader() map[string]string {
	return map[string]string{"Set-Cookie": "The session."}
}

func docRegister() operation {
	var token *string
	return operation{
		id: "register", summary: "Register",
		about:    "Makes an account and signs in. The first account of an installation is its Overseer; it is made on the machine itself or with the setupToken.",
		body:     registerFields(&users.Registration{}, &token),
		answers:  []answer{{status: http.StatusCreated, dto: UserDto{}, headers: sessionHeader()}},
		refusals: map[int]string{403: "Registration is closed, or sent by a page of another origin.", 409: "The e-mail is taken."},
	}
}

func docLogin() operation {
	return operation{
		id: "login", summary: "Sign in", body: loginFields(&signInForm{}),
		answers:  []answer{{status: http.StatusOK, dto: UserDto{}, headers: sessionHeader()}},
		refusals: map[int]string{401: "The e-mail or the password is wrong.", 429: "Too many failures in a row; Retry-After says how long to wait."},
	}
}

func docLogout() operation {
	return operation{
		id: "logout", summary: "Sign out", about: "Ends the session, if there is one.", answers: []answer{{status: http.StatusNoContent}},
	}
}

func docMe() operation {
	return operation{id: "getMe", summary: "Get one's own account", answers: ok(UserDto{})}
}

func docChangePassword() operation {
	return operation{
		id: "changePassword", summary: "Change the password", about: "Ends all other sessions.",
		body: passwordFields(&passwordForm{}), answers: []answer{{status: http.StatusNoContent}},
		refusals: map[int]string{429: "Too many failures in a row; Retry-After says how long to wait."},
	}
}

func docListTokens() operation {
	return operation{id: "listTokens", summary: "List API tokens", answers: ok([]TokenDto{})}
}

func docCreateToken() operation {
	return operation{
		id: "createToken", summary: "Create an API token", about: "The token is shown in this answer only.",
		body: createTokenFields(&users.NewToken{}), answers: []answer{{status: http.StatusCreated, dto: CreatedTokenDto{}}},
		refusals: map[int]string{409: "There are too many tokens, or the first request with the Idempotency-Key is still under way."},
	}
}

func docRevokeToken() operation {
	return operation{id: "revokeToken", summary: "Revoke an API token", answers: []answer{{status: http.StatusNoContent}}}
}

func docCreateUser() operation {
	return operation{
		id: "createUser", summary: "Create an account for somebody else", body: createUserFields(&users.NewUser{}),
		answers: []answer{{status: http.StatusCreated, dto: UserDto{}}}, refusals: map[int]string{409: "The e-mail is taken."},
	}
}

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

func docOpenAPI() operation {
	return operation{
		id: "getOpenApi", summary: "Get this document", answers: []answer{{status: http.StatusOK, media: "application/json", about: "The OpenAPI 3.1 document."}},
	}
}

func docDocsPage() operation {
	return operation{
		id: "getDocs", summary: "Try the API in a browser", answers: []answer{{status: http.StatusOK, media: "text/html", about: "The page."}},
	}
}

func docDocsFile() operation {
	return operation{
		id: "getDocsFile", summary: "Get a file of the page", answers: []answer{{status: http.StatusOK, media: "application/octet-stream", about: "The file."}},
	}
}

func docHealthz() operation {
	return operation{id: "getHealth", summary: "Is the process alive", answers: ok(HealthDto{})}
}

func docReadyz() operation {
	return operation{
		id: "getReadiness", summary: "Can requests be served", answers: ok(ReadyDto{}),
		refusals: map[int]string{503: "A part that requests need is away; checks says which, and why in a few words."},
	}
}

func docMetrics() operation {
	return operation{
		id: "getMetrics", summary: "Get metrics for Prometheus", answers: []answer{{status: http.StatusOK, media: "text/plain", about: "The metrics."}},
	}
}
