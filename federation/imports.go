package federation

// ImportsRequest is an agent's question what the members of the clusterset export.
type ImportsRequest struct {
	// Term of the hub that told what the agent knows, and Since the revision that it
	// knows; 0 for nothing.
	Term  uint64
	Since uint64
}

// ImportsReply is what changed since then, or its first part.
type ImportsReply struct {
	Term uint64
	// Revision within the term that the agent knows with this.
	Revision uint64
	// Anew is set when nothing that the agent knew counts any more.
	Anew bool
	// More is set while there is more after Revision.
	More bool
	// Exports are those that changed, oldest change first, each as federation/v1 encodes
	// one; incarnation, sequence and time of observation are left out, and what is gone
	// is Removed.
	Exports [][]byte
	// Sources has every member, sorted by name.
	Sources []ImportSource
}

// ImportSource is how one member is, to those who import from it.
type ImportSource struct {
	Member string
	State  SourceState
}

// SourceState is what the health of a member means to those who import from it. It is
// coarser, so that a member that is only suspected changes nothing.
type SourceState string

// The states of a source.
const (
	SourceCurrent   SourceState = "current"   // what it reports is so
	SourceWithdrawn SourceState = "withdrawn" // lost, or on its way back: its endpoints do not serve
	SourceUnheard   SourceState = "unheard"   // the hub has not heard it yet
)

// SourceStateOf is the state of a source whose health is h.
func SourceStateOf(h Health) SourceState {
	switch {
	case h.Known():
		return SourceCurrent
	case h == Joining:
		return SourceUnheard
	}
	return SourceWithdrawn
}
