package messaging

import "errors"

// Errors that callers branch on; implementations wrap them with subject or key.
var (
	// ErrConflict: the record's revision is not the expected one.
	ErrConflict = errors.New("revision conflict")
	// ErrNotFound: no such key, or it was deleted.
	ErrNotFound = errors.New("not found")
	// ErrUnknown: the outcome of a write is not known (time-out, lost connection).
	ErrUnknown = errors.New("outcome unknown")
	// ErrTooLarge: the message is above the limit of the bus; the text has both sizes.
	ErrTooLarge = errors.New("message too large")
	// ErrNoResponder: nobody answers requests on that subject.
	ErrNoResponder = errors.New("nobody answers")
	// ErrTimeout: no answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrDisconnected: the bus cannot be reached at present.
	ErrDisconnected = errors.New("bus not reachable")
	// ErrNoRoom: the bus's disk is nearly full; nothing was written. The text says where.
	ErrNoRoom = errors.New("no room on the bus's disk")
	// ErrDenied: the credentials do not permit it.
	ErrDenied = errors.New("permission denied")
)
