// Package contract says in code what each port of the core promises. A suite
// takes a function that opens an implementation; every adapter and every fake
// that implements the port runs it. What only one implementation can do is
// tested beside that one.
package contract
