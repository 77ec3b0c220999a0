package httpapi

import (
	"strings"

	"ampra/core/actor"
)

// Scope says whether a route changes anything. API tokens have the same scopes.
type Scope string

// The scopes.
const (
	Read  Scope = "read"
	Write Scope = "write"
)

// Route is one row of the API: what the access matrix and the OpenAPI document
// are made from.
type Route struct {
	// Method and Path, with {name} for what varies.
	Method, Path string
	// Role is the least that may call it, "" for anybody.
	Role  actor.Role
	Scope Scope
	// Session is set where an API token is not enough.
	Session bool

	tag string
	// handle is nil where another adapter brings the handler.
	handle func(*call) error
	doc    func() operation
}

// pattern is the path as Fiber writes it.
func (r Route) pattern() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(r.Path)
}

// Routes returns all routes of the API.
func Routes() []Route { return routes() }

// Shorter names keep a route on a line.
const (
	anybody = actor.Role("")
	user    = actor.User
	admin   = actor.Admin

	withToken   = false
	sessionOnly = true

	get, post, put, del = "GET", "POST", "PUT", "DELETE"

	tagSources   = "Sun Sources"
	tagGroups    = "Power Groups"
	tagTelemetry = "Telemetry"
	tagEnergy    = "Energy"
	tagPrices    = "Prices and return"
	tagAccounts  = "Accounts"
	tagDevices   = "Devices"
	tagDocs      = "Documentation"
	tagHealth    = "Health"
)

func routes() []Route {
	return []Route{
		{get, "/api/sunsources", user, Read, withToken, tagSources, (*call).listSunSources, docListSunSources},
		{post, "/api/sunsources", user, Write, withToken, tagSources, (*call).createSunSource, docCreateSunSource},
		{get, "/api/sunsources/{id}", user, Read, withToken, tagSources, (*call).getSunSource, docGetSunSource},
		{put, "/api/sunsources/{id}", user, Write, withToken, tagSources, (*call).updateSunSource, docUpdateSunSource},
		{del, "/api/sunsources/{id}", user, Write, withToken, tagSources, (*call).deleteSunSource, docDeleteSunSource},
		{get, "/api/sunsources/{id}/webhook-url", user, Read, withToken, tagSources, (*call).getWebhookURL, docGetWebhookURL},
		{post, "/api/sunsources/{id}/rotate-secret", user, Write, withToken, tagSources, (*call).rotateSecret, docRotateSecret},
		{post, "/api/sunsources/{id}/regenerate-mqtt-key", user, Write, withToken, tagSources, (*call).regenerateMQTTKey, docRegenerateMQTTKey},
		{get, "/api/sunsources/{id}/credentials", user, Read, withToken, tagSources, (*call).getCredentials, docGetCredentials},

		{get, "/api/sunsources/{id}/settings", user, Read, withToken, tagSources, (*call).getSettings, docGetSettings},
		{put, "/api/sunsources/{id}/settings", user, Write, withToken, tagSources, (*call).putSettings, docPutSettings},
		{post, "/api/sunsources/{id}/settings/preview", user, Write, withToken, tagSources, (*call).previewSettings, docPreviewSettings},

		{get, "/api/sunsources/{id}/status", user, Read, withToken, tagSources, (*call).getDeviceStatus, docGetDeviceStatus},
		{get, "/api/sunsources/{id}/attempts", user, Read, withToken, tagSources, (*call).listAttempts, docListAttempts},
		{get, "/api/overview", user, Read, withToken, tagSources, (*call).getOverview, docGetOverview},

		{get, "/api/live", user, Read, withToken, tagTelemetry, (*call).live, docLive},
		{get, "/api/sunsources/{id}/live", user, Read, withToken, tagTelemetry, (*call).liveSource, docLiveSource},
		{get, "/api/sunsources/{id}/energy", user, Read, withToken, tagEnergy, (*call).sourceEnergy, docSourceEnergy},
		{get, "/api/sunsources/{id}/summary", user, Read, withToken, tagEnergy, (*call).sourceSummary, docSourceSummary},
		{get, "/api/powergroups/{id}/energy", user, Read, withToken, tagEnergy, (*call).groupEnergy, docGroupEnergy},
		{get, "/api/powergroups/{id}/summary", user, Read, withToken, tagEnergy, (*call).groupSummary, docGroupSummary},
		{get, "/api/energy", user, Read, withToken, tagEnergy, (*call).allEnergy, docAllEnergy},
		{get, "/api/summary", user, Read, withToken, tagEnergy, (*call).allSummary, docAllSummary},

		{get, "/api/sunsources/{id}/telemetry", user, Read, withToken, tagTelemetry, (*call).listTelemetry, docListTelemetry},
		{get, "/api/sunsources/{id}/telemetry/latest", user, Read, withToken, tagTelemetry, (*call).latestTelemetry, docLatestTelemetry},
		{get, "/api/sunsources/{id}/telemetry/series", user, Read, withToken, tagTelemetry, (*call).telemetrySeries, docTelemetrySeries},
		{get, "/api/sunsources/{id}/dead-letters", user, Read, withToken, tagTelemetry, (*call).listDeadLetters, docListDeadLetters},
		{del, "/api/sunsources/{id}/dead-letters", user, Write, withToken, tagTelemetry, (*call).deleteDeadLetters, docDeleteDeadLetters},
		{post, "/api/sunsources/{id}/dead-letters/replay", user, Write, withToken, tagTelemetry, (*call).replayDeadLetters, docReplayDeadLetters},
		{get, "/api/sunsources/{id}/dead-letters/{letterId}", user, Read, withToken, tagTelemetry, (*call).getDeadLetter, docGetDeadLetter},
		{del, "/api/sunsources/{id}/dead-letters/{letterId}", user, Write, withToken, tagTelemetry, (*call).deleteDeadLetter, docDeleteDeadLetter},
		{post, "/api/sunsources/{id}/dead-letters/{letterId}/replay", user, Write, withToken, tagTelemetry, (*call).replayDeadLetter, docReplayDeadLetter},

		{post, importPath, user, Write, withToken, tagTelemetry, (*call).importFile, docImport},
		{get, "/api/sunsources/{id}/export", user, Read, withToken, tagTelemetry, (*call).exportFile, docExport},
		{get, "/api/jobs", user, Read, withToken, tagTelemetry, (*call).listJobs, docListJobs},
		{get, "/api/jobs/{id}", user, Read, withToken, tagTelemetry, (*call).getJob, docGetJob},
		{get, "/api/jobs/{id}/rejected", user, Read, withToken, tagTelemetry, (*call).getRejected, docGetRejected},

		{get, "/api/powergroups", user, Read, withToken, tagGroups, (*call).listPowerGroups, docListPowerGroups},
		{post, "/api/powergroups", user, Write, withToken, tagGroups, (*call).createPowerGroup, docCreatePowerGroup},
		{get, "/api/powergroups/{id}", user, Read, withToken, tagGroups, (*call).getPowerGroup, docGetPowerGroup},
		{put, "/api/powergroups/{id}", user, Write, withToken, tagGroups, (*call).updatePowerGroup, docUpdatePowerGroup},
		{del, "/api/powergroups/{id}", user, Write, withToken, tagGroups, (*call).deletePowerGroup, docDeletePowerGroup},

		{get, "/api/roi/{sourceId}", user, Read, withToken, tagPrices, (*call).getReturn, docGetReturn},
		{get, "/api/roi/{sourceId}/prices", user, Read, withToken, tagPrices, (*call).listPrices, docListPrices},
		{post, "/api/roi/{sourceId}/prices", user, Write, withToken, tagPrices, (*call).createPrice, docCreatePrice},
		{put, "/api/roi/prices/{priceId}", user, Write, withToken, tagPrices, (*call).updatePrice, docUpdatePrice},
		{del, "/api/roi/prices/{priceId}", user, Write, withToken, tagPrices, (*call).deletePrice, docDeletePrice},

		{post, "/api/auth/register", anybody, Write, withToken, tagAccounts, (*call).register, docRegister},
		{post, "/api/auth/login", anybody, Write, withToken, tagAccounts, (*call).login, docLogin},
		{post, "/api/auth/logout", anybody, Write, withToken, tagAccounts, (*call).logout, docLogout},
		{get, "/api/auth/me", user, Read, withToken, tagAccounts, (*call).me, docMe},
		{put, "/api/auth/password", user, Write, sessionOnly, tagAccounts, (*call).changePassword, docChangePassword},
		{get, "/api/auth/tokens", user, Read, withToken, tagAccounts, (*call).listTokens, docListTokens},
		{post, "/api/auth/tokens", user, Write, sessionOnly, tagAccounts, (*call).createToken, docCreateToken},
		{del, "/api/auth/tokens/{id}", user, Write, sessionOnly, tagAccounts, (*call).revokeToken, docRevokeToken},
		{post, "/api/users", admin, Write, withToken, tagAccounts, (*call).createUser, docCreateUser},

		{post, "/api/webhook/sunsource/{id}", anybody, Write, withToken, tagDevices, nil, docWebhook},

		{get, "/", anybody, Read, withToken, tagDocs, (*call).home, docHome},
		{get, "/api/openapi.json", anybody, Read, withToken, tagDocs, (*call).openAPI, docOpenAPI},
		{get, "/api/docs", anybody, Read, withToken, tagDocs, (*call).docsPage, docDocsPage},
		{get, "/api/docs/{file}", anybody, Read, withToken, tagDocs, (*call).docsFile, docDocsFile},

		{get, "/healthz", anybody, Read, withToken, tagHealth, (*call).healthz, docHealthz},
		{get, "/readyz", anybody, Read, withToken, tagHealth, (*call).readyz, docReadyz},
		{get, "/metrics", anybody, Read, withToken, tagHealth, (*call).metrics, docMetrics},
	}
}
