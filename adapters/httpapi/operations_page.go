package httpapi

import (
	"net/http"
)

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
