package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// WorkloadState is a workload's status over all members.
type WorkloadState struct {
	Replicas int64 // assigned and unmet together
	Ready    int64 // in members whose word still counts
	Unmet    int64
	State    federation.WorkState
	Message  string // one line about what keeps it from Ready
	Members  []MemberState
}

// MemberState is one member's part of it.
type MemberState struct {
	Member     string
	Replicas   int64
	Ready      int64
	State      federation.WorkState
	Message    string
	Health     federation.Health
	ObservedAt time.Time
	Stale      bool // the member is silent: what it last said is not repeated
	Epoch      federation.Epoch
	Revision   federation.Revision
}

// Reported is what is known of a workload's members.
type Reported struct {
	Statuses map[string]*federation.WorkStatus // of the workload, by member
	Health   func(member string) federation.HealthRecord
}

// Aggregate says how a workload is, from its assignment and what its members
// report. A member that is silent reads Unknown, never what it said last. The
// state is Ready only when every member is ready with the user's last version
// and no demand is unmet; else it is the most serious of the members' states:
// Unknown, Failed, Held, Removing, Progressing, Pending.
func Aggregate(w federation.Workload, a federation.Assignment, r Reported) WorkloadState {
	out := WorkloadState{State: federation.WorkReady, Unmet: a.Unmet, Replicas: a.Unmet, Members: make([]MemberState, 0, len(a.Members))}
	reported := 0
	for _, share := range a.Members {
		st := r.Statuses[share.Member]
		if st != nil {
			reported++
		}
		v := memberState(share, st, r.Health(share.Member))
		if v.State == federation.WorkReady && st.WorkloadRevision < w.Revision {
			v.State, v.Message = federation.WorkProgressing, "still runs the version before"
		}
		out.add(v)
	}
	if reported < len(r.Statuses) {
		out.Members = append(out.Members, r.leaving(a)...)
	}
	slices.SortFunc(out.Members, func(x, y MemberState) int { return cmp.Compare(x.Member, y.Member) })
	out.conclude(w, a)
	return out
}

// leaving lists the members that run the workload but are not assigned to.
func (r Reported) leaving(a federation.Assignment) []MemberState {
	assigned := map[string]bool{}
	for _, share := range a.Members {
		assigned[share.Member] = true
	}
	var out []MemberState
	for name, st := range r.Statuses {
		if !assigned[name] && running(*st) {
			out = append(out, leaving(*st, r.Health(name)))
		}
	}
	return out
}

// add counts an assigned member.
func (s *WorkloadState) add(v MemberState) {
	s.Members = append(s.Members, v)
	s.Replicas += v.Replicas
	s.Ready += v.Ready
	if graver(v.State, s.State) {
		s.State = v.State
		s.Message = v.Member + ": " + cmp.Or(v.Message, string(v.State))
	}
}

// conclude adds what no member can report.
func (s *WorkloadState) conclude(w federation.Workload, a federation.Assignment) {
	switch {
	case a.WorkloadRevision != w.Revision:
		if s.State == federation.WorkReady || s.State == "" {
			s.State, s.Message = federation.WorkPending, "not decided yet"
		}
	case a.Unmet > 0 && !graver(s.State, federation.WorkPending):
		s.State = federation.WorkPending
		s.Message = fmt.Sprintf("%d of %d replicas have no place: %s", a.Unmet, s.Replicas, a.Explanation.Summary)
	case s.State == federation.WorkReady:
		s.Message = ""
	}
}

// memberState is the line of a member that is assigned to; st is nil when it has said nothing.
func memberState(share federation.AssignedMember, st *federation.WorkStatus, h federation.HealthRecord) MemberState {
	v := MemberState{Member: share.Member, Replicas: share.Replicas, Health: h.Health, State: federation.WorkPending}
	if st != nil {
		v.ObservedAt, v.Epoch, v.Revision = st.ObservedAt, st.Epoch, st.WorkloadRevision
	}
	switch {
	case !h.Health.Known() || h.Masked != "" && h.Health == federation.Unreachable:
		v.State, v.Stale = federation.WorkUnknown, true
		v.Message = fmt.Sprintf("%s is %s", share.Member, h.Health)
	case st == nil || st.Epoch < share.Since || !running(*st):
		v.Message = "not landed yet"
	default:
		v.State, v.Ready, v.Message = st.State, st.Ready, st.Message
	}
	return v
}

// leaving is the line of a member that runs the workload but is not assigned to.
func leaving(st federation.WorkStatus, h federation.HealthRecord) MemberState {
	v := MemberState{
		Member: st.Member, Health: h.Health, State: federation.WorkRemoving, Message: "is being removed here",
		ObservedAt: st.ObservedAt, Epoch: st.Epoch, Revision: st.WorkloadRevision,
	}
	if !h.Health.Known() {
		v.State, v.Stale, v.Message = federation.WorkUnknown, true, fmt.Sprintf("%s is %s", st.Member, h.Health)
	}
	return v
}

// gravity orders states; the highest one of its members is that of a workload.
var gravity = map[federation.WorkState]int{
	federation.WorkReady: 0, federation.WorkPending: 1, federation.WorkProgressing: 2, federation.WorkRemoved: 3,
	federation.WorkRemoving: 3, federation.WorkHeld: 4, federation.WorkFailed: 5, federation.WorkUnknown: 6,
}

func graver(a, b federation.WorkState) bool { return gravity[a] > gravity[b] }
