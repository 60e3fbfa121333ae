package federation

import "time"

// BackupRequest asks the hub for the next part of a backup.
type BackupRequest struct {
	Session string // empty begins a backup; the reply names it
	Chunk   uint64 // counts from 0; the last one may be asked for again
}

// BackupReply is one part of a backup.
type BackupReply struct {
	Session string
	Data    []byte
	Last    bool // nothing follows
}

// RestoreAction is what a RestoreRequest asks for.
type RestoreAction string

// The actions, in the order in which a restore needs them.
const (
	RestoreOpen   RestoreAction = "open"   // begin an upload
	RestoreWrite  RestoreAction = "write"  // Data at Offset
	RestorePlan   RestoreAction = "plan"   // it is whole: check it, and say what it would change
	RestoreCommit RestoreAction = "commit" // the same, and do it
	RestoreWatch  RestoreAction = "watch"  // how the restore of Digest goes
	RestoreDrop   RestoreAction = "drop"   // forget the upload
)

// RestoreRequest is one step of putting a backup in the place of the hub's records.
type RestoreRequest struct {
	Action  RestoreAction
	Session string
	Offset  int64
	Data    []byte
	Digest  string
	Who     string
}

// RestoreState is how far a restore is.
type RestoreState string

// The states of a restore.
const (
	RestoreUnknown RestoreState = ""        // nothing is known of it: it was not begun
	RestoreRunning RestoreState = "Running" // its records are being written
	RestoreWanted  RestoreState = "Wanted"  // it was interrupted, and its file is needed again
	RestoreDone    RestoreState = "Done"
)

// RestoreReply answers a RestoreRequest.
type RestoreReply struct {
	Session string
	Digest  string // of the backup
	State   RestoreState
	Term    uint64  // of the leadership that answers
	Changes Changes // of a plan or a commit
}

// Changes says what a backup has, and what restoring it changes.
type Changes struct {
	At      time.Time // when the backup was made
	Version string    // of the hub that made it
	Term    uint64
	Counts  []BucketCount // sorted by bucket
	// List is sorted by kind and name. It is cut; Unlisted counts the rest.
	List     []Change
	Unlisted int64
}

// BucketCount is the number of records of one bucket.
type BucketCount struct {
	Bucket  string
	Records int64
}

// Change is what a restore does to one workload, member or assignment.
type Change struct {
	Kind string // workload | member | assignment | score
	Name string
	Do   string // added | changed | removed
	Note string // what follows from it, for people; may be empty
}
