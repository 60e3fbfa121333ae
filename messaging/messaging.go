package messaging

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Message is one core message. Reply is empty when no answer is expected.
type Message struct {
	Subject string
	Reply   string
	Data    []byte
}

// Publisher sends core messages.
type Publisher interface {
	// Publish sends data on subject. It does not wait for receivers and, while
	// the bus is away, returns ErrDisconnected instead of buffering.
	Publish(subject string, data []byte) error
}

// Subscriber receives core messages.
type Subscriber interface {
	// Subscribe calls handle for each message on subject (wildcards "*" and ">"
	// allowed), one at a time and in order of arrival, until ctx ends or the
	// returned function is called. handle must not block for long: what comes
	// while too much waits for a slow handler is dropped.
	Subscribe(ctx context.Context, subject string, handle func(Message)) (stop func(), err error)
}

// Requester asks and waits for one answer.
type Requester interface {
	// Request returns the answer's data, ErrNoResponder, ErrTimeout when ctx
	// ends first, or the *RemoteError that the responder returned. An answer that is
	// too large comes as a *RemoteError.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)
}

// Responder answers requests.
type Responder interface {
	// Respond calls answer for each request on subject, several at a time, until
	// ctx ends. An error of answer reaches the requester as a *RemoteError.
	Respond(ctx context.Context, subject string, answer func(context.Context, Message) ([]byte, error)) error
}

// Admitter answers requests, but not all.
type Admitter interface {
	// RespondAdmitted is Respond for the requests that admit lets in. admit is called
	// for each, one at a time and in order of arrival, before the request waits for its
	// turn; its error is the answer to one that is not let in. It must not block.
	RespondAdmitted(ctx context.Context, subject string, admit func(Message) error, answer func(context.Context, Message) ([]byte, error)) error
}

// Entry is one version of one record.
type Entry struct {
	Key      string
	Value    []byte
	Revision federation.Revision
	// Deleted is set on a deletion marker; Value is nil then.
	Deleted bool
	// Trace is the trace context of the write (package messaging/trace); empty without
	// one.
	Trace string
}

// KV reads and writes the records of one bucket. Keys are one or more tokens
// separated by dots, as package subject builds them.
type KV interface {
	// Get returns the latest version, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes value if the record's revision is expected: 0 means it must not
	// exist (or be deleted), AnyRevision means any. It returns the new revision.
	Put(ctx context.Context, key string, value []byte, expected federation.Revision) (federation.Revision, error)
	// Delete leaves a deletion marker under the same rule. Deleting what does
	// not exist returns ErrNotFound.
	Delete(ctx context.Context, key string, expected federation.Revision) error
}

// AnyRevision as the expected revision of a Put or Delete means no condition.
const AnyRevision = ^federation.Revision(0)

// Write is one write of an atomic batch. Delete leaves a deletion marker.
type Write struct {
	Key      string
	Value    []byte
	Expected federation.Revision // as in KV.Put
	Delete   bool
	Trace    string // as in Entry; Put takes it from its context
}

// Batcher writes several records of one bucket, all or none.
type Batcher interface {
	// WriteAll returns the revisions of the writes in order, or ErrConflict when
	// any expected revision does not hold, and then nothing was written. At most
	// 1,000 writes.
	WriteAll(ctx context.Context, writes []Write) ([]federation.Revision, error)
}

// Change is what a follower sees: an Entry, or one of two marks.
type Change struct {
	Entry
	// Synced marks the end of the snapshot. Of Entry only Revision is set: everything
	// up to it that matches was told.
	Synced bool
	// Reset marks that the bucket was made anew or a gap cannot be closed: forget
	// what was read; a snapshot follows. Entry is empty.
	Reset bool
}

// Follower follows the records of one bucket.
type Follower interface {
	// Follow calls handle for the latest version of each key that matches filter
	// ("" or ">" for all), then for Change{Synced: true}, then for each later
	// change. It blocks until ctx ends or handle returns an error, and returns
	// that. Before Synced a deletion marker comes only for a key that was told
	// already and has been deleted since.
	// Of several changes of one record a slow reader may see only the last.
	// Values are shared with other readers: handle must not change them.
	Follow(ctx context.Context, filter string, handle func(Change) error) error
}

// Orders are the works of one member as its agent reads them.
type Orders interface {
	// Follow calls handle with the changes that wait, in order, as many as there are
	// and at most 256; it blocks until ctx ends or handle returns an error, and returns
	// that. All of them are acknowledged when handle returned nil, and what was not is
	// delivered again, perhaps after what is newer. Synced means that nothing older waits.
	Follow(ctx context.Context, handle func([]Change) error) error
}

// Bucket is everything that can be done with one bucket.
type Bucket interface {
	KV
	Batcher
	Follower
}

// Buckets opens buckets by name; those of package subject exist once the hub
// has started.
type Buckets interface {
	Bucket(ctx context.Context, name string) (Bucket, error)
}

// Leaser keeps leases: records of one bucket that end by themselves unless they
// are renewed. The holder counts from when it sent the last renewed request.
type Leaser interface {
	// Acquire writes value under key with a lifetime if the record's revision is
	// expected (0: nobody holds it), and returns the new revision. Renewing is
	// acquiring with the revision of the last one.
	Acquire(ctx context.Context, key string, value []byte, lifetime time.Duration, expected federation.Revision) (federation.Revision, error)
	// Release ends a lease that still has the revision.
	Release(ctx context.Context, key string, held federation.Revision) error
}

// RemoteError is an error that a responder returned.
type RemoteError struct {
	// Kind is one of the closed set below; it crosses the wire.
	Kind Kind
	// Text is one line for people: what was wrong, where, what to do about it.
	Text string
}

// Error returns the text.
func (e *RemoteError) Error() string { return e.Text }

// Kind classifies errors across the wire. Each front end maps it to its own
// codes in exactly one table.
type Kind string

// The kinds of errors.
const (
	Invalid      Kind = "Invalid"     // the request is wrong; do not repeat it
	NotFound     Kind = "NotFound"    // no such thing
	Exists       Kind = "Exists"      // the name is taken
	Conflict     Kind = "Conflict"    // somebody else was first; read and retry
	Refused      Kind = "Refused"     // a rule forbids it now; the text has the rule and its numbers
	Denied       Kind = "Denied"      // the identity may not
	Unavailable  Kind = "Unavailable" // not now; retry later
	InternalKind Kind = "Internal"    // our fault
)

// Errorf builds a RemoteError; responders return it to choose the Kind.
func Errorf(kind Kind, format string, args ...any) *RemoteError {
	return &RemoteError{Kind: kind, Text: fmt.Sprintf(format, args...)}
}
