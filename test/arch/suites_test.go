package arch

// suites names, for each port of the core, the function in test/contract that
// says in code what the port promises. One suite may serve several ports that
// only make sense together.
var suites = map[string]string{
	"audit.Log":                    "AuditLog",
	"change.Feed":                  "Feed",
	"change.Outbox":                "Outbox",
	"credential.AccessRecords":     "AccessRecords",
	"credential.Presence":          "Presence",
	"credential.Repository":        "Credentials",
	"credential.Sealer":            "Sealer",
	"device.Book":                  "DeviceStates",
	"device.Fleet":                 "DeviceStates",
	"device.Statuses":              "DeviceStates",
	"device.Watch":                 "DeviceStates",
	"idempotency.Store":            "Idempotency",
	"identity.Attempts":            "Attempts",
	"identity.Hasher":              "Hasher",
	"identity.Sessions":            "Sessions",
	"identity.SetupTokens":         "SetupTokens",
	"identity.Tokens":              "Tokens",
	"identity.Users":               "Users",
	"job.Repository":               "Jobs",
	"live.Bus":                     "LiveBus",
	"live.Tail":                    "LiveTail",
	"powergroup.Repository":        "PowerGroups",
	"rollup.Days":                  "Rollups",
	"rollup.Keeping":               "Rollups",
	"rollup.Marks":                 "Rollups",
	"rollup.Store":                 "Rollups",
	"sunsource.Erasures":           "Erasures",
	"sunsource.Repository":         "SunSources",
	"sunsource.SettingsRepository": "Settings",
	"sunsource.Zones":              "Zones",
	"tariff.Repository":            "Tariffs",
	"telemetry.Archive":            "Archive",
	"telemetry.DeadLetters":        "DeadLetters",
	"telemetry.Explanations":       "Explanations",
	"telemetry.Journal":            "Journal",
	"telemetry.LetterLog":          "LetterLog",
	"telemetry.LetterStore":        "LetterStore",
	"telemetry.Log":                "Journal",
	"transaction.Runner":           "Transactions",
}

// withoutSuite are the ports that need none, with the reason.
var withoutSuite = map[string]string{
	"live.Publisher": "it neither answers nor fails: what is told is tried where it is heard",
	"clock.Clock":    "one method that returns a time: there is nothing to keep but its type",
}
