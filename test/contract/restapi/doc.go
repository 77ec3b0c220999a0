// Package restapi says in code what the REST API and the webhook route promise,
// over HTTP alone: it runs on a server made of fakes as on the true binary. Every
// answer that it sees is held against the server's own OpenAPI document, every
// error against the one shape of problems, and the log against every secret.
package restapi
