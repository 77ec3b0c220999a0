// Package fake has in-memory implementations of the core's ports for tests of
// what calls them. Each keeps the port's contract (it runs the suite of
// test/contract) and fails on demand. They are no stores: nothing outlives them.
package fake
