// Package transaction is the port by which a use case makes several writes of
// record one: all of them or none.
package transaction

import "context"

// Runner runs acts in a transaction of the store of records.
type Runner interface {
	// Run calls act with a context that carries a transaction; every repository
	// call made with that context belongs to it. It commits when act returns nil
	// and rolls back otherwise, returning act's error as it is. An error of the
	// commit is returned: then nothing is written. Run inside Run joins the outer
	// transaction: when the inner act fails its own writes are undone, and the outer
	// one decides about the rest. Everything inside uses the ctx that act gets:
	// another one does not see the writes, and may wait for them. act may be called again after a serialisation conflict, so it
	// has no effects but its writes.
	Run(ctx context.Context, act func(ctx context.Context) error) error
}
