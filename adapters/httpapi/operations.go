package httpapi

import (
	"net/http"

	"ampra/modules/powergroups"
	"ampra/modules/sunsources"
)

// Parameters that several routes have.
func paramDetails() param {
	return inQuery("includeConnectionDetails", schema{"type": "boolean", "default": false},
		"true adds what a device needs to connect, secrets included; it leaves an audit entry.")
}

func paramsPage() []param {
	return []param{
		inQuery("limit", schema{"type": "integer", "minimum": 1, "maximum": maxPage}, "How many at the most; all when absent. The header Link names the next page."),
		inQuery("cursor", schema{"type": "string"}, "Where the page begins, from the Link header of the one before."),
	}
}

func paramGrace() param {
	return inQuery("graceSeconds", schema{"type": "integer", "minimum": 0, "maximum": maxGraceSeconds, "default": 0},
		"How long the replaced value stays valid beside the new one.")
}

func linkHeader() map[string]string {
	return map[string]string{"Link": `The next page, as <...>; rel="next", when there is one.`}
}

func location() map[string]string { return map[string]string{"Location": "Where it is."} }

func docListSunSources() operation {
	params := append([]param{inQuery("powerGroupId", schema{"type": "string", "format": "uuid"}, "Only the sources of this group.")}, append(paramsSearch(), paramsPage()...)...)
	return operation{
		id: "listSunSources", summary: "List sun sources", about: "All sources of one's own, without connection details, the oldest first.",
		params: params, answers: []answer{{status: http.StatusOK, dto: []SunSourceStateDto{}, headers: linkHeader()}},
	}
}

func docCreateSunSource() operation {
	return operation{
		id: "createSunSource", summary: "Create a sun source",
		about:  "Makes the credential that the source's device signs in with, and the first entry of the price history when initialKwhPrice is given.",
		params: []param{paramDetails()}, body: createSunSourceFields(&sunsources.Draft{}),
		answers: []answer{{status: http.StatusCreated, dto: SunSourceDto{}, headers: location()}},
	}
}

func docGetSunSource() operation {
	return operation{id: "getSunSource", summary: "Get a sun source", params: []param{paramDetails(), paramInclude()}, answers: ok(SunSourceStateDto{})}
}

func docUpdateSunSource() operation {
	return operation{
		id: "updateSunSource", summary: "Update a sun source",
		about:  "Changes the fields that are sent. null clears a field that can be null.",
		params: []param{paramDetails()}, body: updateSunSourceFields(&sunsources.Update{}), answers: ok(SunSourceDto{}),
		refusals: map[int]string{409: "The connection type would change, or the source has no MQTT key to regenerate."},
	}
}

func docDeleteSunSource() operation {
	return operation{
		id: "deleteSunSource", summary: "Delete a sun source", about: "Removes the source and everything that hangs on it, its telemetry included.",
		answers: []answer{{status: http.StatusNoContent}},
	}
}

func docGetWebhookURL() operation {
	return operation{
		id: "getWebhookUrl", summary: "Get the webhook URL", answers: ok(WebhookURLDto{}),
		refusals: map[int]string{409: "The source connects by MQTT."},
	}
}

const rotationAbout = "The old value ends at once, and devices that are connected with it are cut off, unless graceSeconds keeps it."

func docRotateSecret() operation {
	return operation{
		id: "rotateSecret", summary: "Rotate the webhook secret", about: rotationAbout,
		params: []param{paramGrace()}, answers: ok(WebhookSecretDto{}),
		refusals: map[int]string{409: "The source connects by MQTT, or somebody else rotated at the same moment."},
	}
}

func docRegenerateMQTTKey() operation {
	return operation{
		id: "regenerateMqttKey", summary: "Regenerate the MQTT key", about: rotationAbout,
		params: []param{paramGrace()}, answers: ok(MQTTKeyDto{}),
		refusals: map[int]string{409: "The source connects by webhook, or somebody else rotated at the same moment."},
	}
}

func docGetCredentials() operation {
	return operation{
		id: "getCredentials", summary: "Get the state of the credential", about: "When it was made and last used, and whether a device is connected; never a secret.",
		answers: ok(CredentialStatusDto{}),
	}
}

func docListTelemetry() operation {
	moment := schema{"type": "string", "format": "date-time"}
	return operation{
		id: "listTelemetry", summary: "List readings", about: "Each moment once: readings of one moment are merged.",
		params: []param{
			inQuery("from", moment, "The first moment, included."),
			inQuery("to", moment, "The end, not included."),
			inQuery("limit", schema{"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "How many at the most."),
			inQuery("cursor", schema{"type": "string"}, "The nextCursor of the page before."),
			inQuery("order", schema{"type": "string", "enum": []string{"desc", "asc"}, "default": "desc"}, "desc is newest first."),
		},
		answers: ok(TelemetryPageDto{}),
	}
}

func docLatestTelemetry() operation {
	return operation{
		id: "getLatestTelemetry", summary: "Get the newest reading",
		params: []param{inQuery("explain", schema{"type": "boolean", "default": false},
			"true adds explain: for each field that is known, the rule by which it came.")},
		answers: []answer{{status: http.StatusOK, dto: LatestReadingDto{}}, {status: http.StatusNoContent, about: "There is none yet."}},
	}
}

func docListPowerGroups() operation {
	return operation{
		id: "listPowerGroups", summary: "List power groups", params: paramsPage(),
		answers: []answer{{status: http.StatusOK, dto: []PowerGroupDto{}, headers: linkHeader()}},
	}
}

func docCreatePowerGroup() operation {
	return operation{
		id: "createPowerGroup", summary: "Create a power group", body: createPowerGroupFields(&powergroups.Draft{}),
		answers: []answer{{status: http.StatusCreated, dto: PowerGroupDto{}, headers: location()}},
	}
}

func docGetPowerGroup() operation {
	return operation{id: "getPowerGroup", summary: "Get a power group", answers: ok(PowerGroupDto{})}
}

func docUpdatePowerGroup() operation {
	return operation{
		id: "updatePowerGroup", summary: "Update a power group", about: "Changes the fields that are sent. null clears a field that can be null.",
		body: updatePowerGroupFields(&powergroups.Update{}), answers: ok(PowerGroupDto{}),
	}
}

func docDeletePowerGroup() operation {
	return operation{
		id: "deletePowerGroup", summary: "Delete a power group", about: "Its sources stay, unassigned.",
		answers: []answer{{status: http.StatusNoContent}},
	}
}
