package mongodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"ampra/core/fault"
)

// retryAfter is when it makes sense to try again: an election takes a few
// seconds.
const retryAfter = 2 * time.Second

// translate makes a fault of a driver's error, to be wrapped with the act. What
// may pass is Unavailable; an ended context stays in its chain.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case passing(err):
		return unavailable(err)
	default:
		return err
	}
}

func unavailable(cause error) error {
	return &fault.Error{
		Code: fault.Unavailable, Message: "The archive does not answer.", RetryAfter: retryAfter, Cause: cause,
	}
}

// passing reports whether the same call may succeed later.
func passing(err error) bool {
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) ||
		errors.Is(err, mongo.ErrClientDisconnected) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if answer, ok := errors.AsType[mongo.ServerError](err); ok {
		return answer.HasErrorLabel("RetryableWriteError") || slices.ContainsFunc(passingCodes(), answer.HasErrorCode)
	}
	// Not an answer of the server: it could not be reached.
	return true
}

// passingCodes are the server's errors that are not the request's fault: it is
// starting, stopping, electing, overloaded, out of space.
func passingCodes() []int {
	return []int{
		6,     // HostUnreachable
		7,     // HostNotFound
		24,    // LockTimeout
		50,    // MaxTimeMSExpired
		43,    // CursorNotFound
		63,    // StaleShardVersion
		64,    // WriteConcernFailed
		79,    // UnknownReplWriteConcern
		89,    // NetworkTimeout
		91,    // ShutdownInProgress
		100,   // UnsatisfiableWriteConcern
		112,   // WriteConflict
		133,   // FailedToSatisfyReadPreference
		134,   // ReadConcernMajorityNotAvailableYet
		175,   // QueryPlanKilled: the collection was renamed or dropped
		189,   // PrimarySteppedDown
		202,   // NetworkInterfaceExceededTimeLimit
		262,   // ExceededTimeLimit
		365,   // TemporarilyUnavailable: the cache is full of what is not written yet
		462,   // IngressRequestRateLimitExceeded
		9001,  // SocketException
		10058, // an old primary's "not master"
		10107, // NotWritablePrimary
		11600, // InterruptedAtShutdown
		11601, // Interrupted
		11602, // InterruptedDueToReplStateChange
		13388, // StaleConfig
		13435, // NotPrimaryNoSecondaryOk
		13436, // NotPrimaryOrSecondary
		14031, // OutOfDiskSpace
	}
}

// documentCodes are the server's errors that a document itself causes.
func documentCodes() []int {
	return []int{
		2,     // BadValue
		9,     // FailedToParse
		14,    // TypeMismatch
		15,    // Overflow
		22,    // InvalidBSON
		52,    // DollarPrefixedFieldName
		55,    // InvalidDBRef
		56,    // EmptyFieldName
		57,    // DottedFieldName
		121,   // DocumentValidationFailure
		10334, // BSONObjectTooLarge
		17280, // KeyTooLong
	}
}

// ofDocument reports whether the server refuses what it was sent, and would again.
func ofDocument(err error) bool {
	answer, ok := errors.AsType[mongo.ServerError](err)
	return ok && slices.ContainsFunc(documentCodes(), answer.HasErrorCode)
}

func hasCode(err error, code int) bool {
	answer, ok := errors.AsType[mongo.ServerError](err)
	return ok && answer.HasErrorCode(code)
}
