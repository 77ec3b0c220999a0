package httpapi

func liveAnswer() []answer {
	return []answer{{status: 200, media: eventStream, dto: "", about: "Events until the connection ends, and a comment every 15 seconds. " +
		"Each has a JSON object as its data: reading (LiveReading), state (LiveState), attempt (LiveAttempt), job (LiveJob), " +
		"and resync, an empty one, when what was missed can't be told any more: fetch anew."}}
}

const liveAbout = "Server-sent events, as a browser's EventSource reads them. Readings are told once they are stored durably. " +
	"A listener that comes back with the id of the last event within 5 minutes misses nothing."

func liveRefusals(more map[int]string) map[int]string {
	more[429] = "Too many streams are open; Retry-After says when to try again."
	return more
}

func docLive() operation {
	return operation{
		id: "listenToAll", summary: "Hear what happens, while it happens", about: liveAbout + " Without a parameter it tells of all one's own sources, also of those made later.",
		params: []param{
			inQuery("sources", schema{"type": "string"}, "The ids of the sources to hear of, separated by commas"),
			inQuery("powerGroupId", schema{"type": "string", "format": "uuid"}, "Only sources of this power group"),
			inQuery(lastEventID, schema{"type": "string"}, "The header Last-Event-ID, for a client that can't set it"),
			inHeader("Last-Event-ID", "The id of the last event that was heard; a browser sends it by itself"),
		},
		answers: liveAnswer(), refusals: liveRefusals(map[int]string{404: "One of the sources is missing, or not yours."}),
	}
}

func docLiveSource() operation {
	return operation{
		id: "listenToSource", summary: "Hear what happens to one source", about: liveAbout,
		params: []param{
			inQuery(lastEventID, schema{"type": "string"}, "The header Last-Event-ID, for a client that can't set it"),
			inHeader("Last-Event-ID", "The id of the last event that was heard; a browser sends it by itself"),
		},
		answers: liveAnswer(), refusals: liveRefusals(map[int]string{}),
	}
}
