package cli

// asked makes 'ampra help users' of what it stands for, 'ampra users --help'.
func asked(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(append([]string(nil), args[1:]...), "--help")
}

// What 'ampra ... --help' says of a command beyond its line: what it does to the
// installation, and an example.

// Help implements kong.HelpProvider.
func (usersCmd) Help() string {
	return "Accounts are made here, with the records of the settings --data or --postgres-url, whether the server runs or not.\n\n" +
		"Example: ampra users add you@example.org"
}

// Help implements kong.HelpProvider.
func (usersAdd) Help() string {
	return "The password has 8 characters or more, with an upper case letter, a lower case one and a digit.\n\n" +
		"Example: printf '%s\\n' 'A-Passw0rd' | ampra users add you@example.org --role Admin"
}

// Help implements kong.HelpProvider.
func (usersList) Help() string {
	return "Each line has the e-mail address, the role, when it was made, and the id.\n\nExample: ampra users list --data /var/lib/ampra"
}

// Help implements kong.HelpProvider.
func (keysCmd) Help() string {
	return "The key file (--key-file) seals the devices' keys and webhook secrets in the records. Keep a copy of it apart from them.\n\n" +
		"Example: ampra keys generate --key-file /etc/ampra/key"
}

// Help implements kong.HelpProvider.
func (keysGenerate) Help() string {
	return "With --postgres-url the file has to be made before the first start, and every process needs the same one.\n\n" +
		"Example: ampra keys generate --key-file /etc/ampra/key"
}

// Help implements kong.HelpProvider.
func (keysRotate) Help() string {
	return "Servers that run on this file take up the new key by themselves. Old keys stay in it, for old backups. After a failure it is called again.\n\n" +
		"Example: ampra keys rotate --key-file /etc/ampra/key --postgres-url postgres://ampra@db/ampra"
}

// Help implements kong.HelpProvider.
func (migrateCmd) Help() string {
	return "The versions are those of the records and, without MongoDB, of the file of readings.\n\nExample: ampra migrate status"
}

// Help implements kong.HelpProvider.
func (migrateUp) Help() string {
	return "Only one process migrates, others wait. With --mongo-initiate a new MongoDB is prepared as well.\n\n" +
		"Example: ampra migrate up --postgres-url postgres://ampra@db/ampra --mongo-url mongodb://mongo/?replicaSet=rs0 --mongo-initiate mongo:27017"
}

// Help implements kong.HelpProvider.
func (migrateDown) Help() string {
	return "Stop the server before. Each call takes one version back.\n\nExample: ampra migrate down && ampra migrate status"
}

// Help implements kong.HelpProvider.
func (migrateStatus) Help() string {
	return "Nothing is changed.\n\nExample: ampra migrate status --data /var/lib/ampra"
}

// Help implements kong.HelpProvider.
func (rollupRebuild) Help() string {
	return "Without flags it is all that there is. Only days that still have their raw readings change.\n\n" +
		"Example: ampra rollup rebuild --source 6f9619ff-8b86-4d01-b42d-00cf4fc964ff --from 2026-06-01 --to 2026-07-01"
}

// Help implements kong.HelpProvider.
func (configCmd) Help() string {
	return "Passwords in it are hidden. The names are the keys of the YAML file.\n\nExample: AMPRA_LOG_LEVEL=debug ampra config | grep log"
}

// Help implements kong.HelpProvider.
func (simulateCmd) Help() string {
	return "It ends with 1 when a reading was lost or is there twice.\n\n" +
		"Example: ampra simulate --url https://ampra.example.org --token ampra_... --sources 10 --days 1 --speed max"
}
