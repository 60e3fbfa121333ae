package decision

import "github.com/hansa-io/hansa/federation"

// record is one record of the store as the machine knows it, and the write or
// read that is under way. At most one is, so an expected revision is never a
// guess.
type record[T any] struct {
	stored   T
	revision federation.Revision // 0: there is none
	attempt  T                   // what the write under way wrote
	expected federation.Revision // by the write under way; once there is another, it is in vain
	write    uint64              // ID of the write under way; 0: none
	reading  bool                // the outcome of a write is not known: reading it back
	rejected string              // why the store will never take the attempt
}

// busy says that what the store holds is not known for certain now.
func (r *record[T]) busy() bool { return r.write != 0 || r.reading }

// begin notes that v is being written under id.
func (r *record[T]) begin(id uint64, v T) {
	r.attempt, r.expected, r.write, r.rejected = v, r.revision, id, ""
}

// done notes the outcome of the write under way, and says whether the record has
// to be read now.
func (r *record[T]) done(ev WriteDone) (read bool) {
	r.write = 0
	switch ev.Outcome {
	case Written:
		r.stored, r.revision = r.attempt, ev.Revision
	case Conflicted, Lost:
		r.reading = true
	case Rejected:
		r.rejected = ev.Detail
	}
	return r.reading
}

// load notes what the store holds, and says whether that is news. A version
// older than the known one is late and ignored; that there is no record counts
// only as an answer to a read, or at the start.
func (r *record[T]) load(v T, revision federation.Revision) (news bool) {
	if revision == 0 && !r.reading && r.revision != 0 {
		return false
	}
	if revision != 0 && revision < r.revision {
		return false
	}
	news = r.reading || revision != r.revision
	r.stored, r.revision, r.reading = v, revision, false
	return news
}

// writing says which record a write belongs to.
type writing struct {
	source Source
	name   string         // member, or operation
	key    federation.Key // workload
	gone   bool           // the write deletes the record
}

// sourceWorks stands for the works of members among the writings.
const sourceWorks Source = "works"
