package httpapi

import (
	"net/http"

	"ampra/modules/devices"
)

func paramInclude() param {
	return inQuery("include", schema{"type": "string", "enum": []string{"state"}}, "state adds the state of the source's device, since when it is in it, and when it was last heard.")
}

func paramsSearch() []param {
	return []param{
		inQuery("q", schema{"type": "string", "maxLength": maxSearch}, "Words that must all be found in the name or description, whatever their case and marks, or begin the MQTT client id or the id."),
		inQuery("state", schema{"type": "string"}, "Only devices in this state, or in one of several that are separated by commas: offline, late, unknown, asleep, online."),
		inQuery("sort", schema{"type": "string", "default": "createdAt"}, "name, createdAt, lastSeenAt, state (offline, late, unknown, asleep, online) or capacity; with a minus before it the other way round."),
		paramInclude(),
	}
}

func docGetDeviceStatus() operation {
	moment := schema{"type": "string", "format": "date-time"}
	return operation{
		id: "getDeviceStatus", summary: "Get the state of a source's device",
		about: "online: heard in its own rhythm. late: its rhythm was missed. offline: silent for longer than its rhythm explains. asleep: the sun is down there, or it always is silent at this hour. unknown: never heard. The history holds 1,000 changes or 400 days.",
		params: []param{
			inQuery("from", moment, "States that ended before it are left out."),
			inQuery("to", moment, "The end, not included."),
			inQuery("limit", schema{"type": "integer", "minimum": 1, "maximum": devices.MaxLimit, "default": devices.DefaultLimit}, "How many changes at the most."),
			inQuery("cursor", schema{"type": "string"}, "The nextCursor of the page before."),
		},
		answers: ok(DeviceStatusDto{}),
	}
}

func docListAttempts() operation {
	return operation{
		id: "listAttempts", summary: "List refused attempts of a source's device",
		about:   "The last 20 times that it knocked and was refused, or sent what could not be read, and why. They are kept in memory and gone after a restart.",
		answers: ok(AttemptsDto{}),
	}
}

func docGetOverview() operation {
	return operation{
		id: "getOverview", summary: "Get an overview of all one's sources",
		about: "What they do now and did today, how many are in each state, and those that are silent. The powers are at most half a minute old.",
		params: []param{
			inQuery("timeZone", schema{"type": "string"}, "The IANA zone of today. The one that all sources share when absent, else UTC."),
		},
		answers: []answer{{status: http.StatusOK, dto: OverviewDto{}}},
	}
}
