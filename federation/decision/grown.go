package decision

import "github.com/hansa-io/hansa/federation"

// none is what a member had that had no share.
const none = -1

// grown lists the shares of a new assignment that are larger than those of the one in
// force, with what their members had. A share that grew before and has never stood since
// counts from what stood.
func (w *workload) grown(shares []federation.AssignedMember) map[string]int64 {
	out := map[string]int64{}
	a, placed := w.placed()
	before := a.Members
	if !placed {
		before = nil
	}
	for _, s := range shares {
		for len(before) > 0 && before[0].Member < s.Member {
			before = before[1:]
		}
		had := int64(none)
		if len(before) > 0 && before[0].Member == s.Member {
			had = before[0].Replicas
			if stood, grew := a.Grown[s.Member]; grew && !w.stood(before[0]) {
				had = min(had, stood)
			}
		}
		if s.Replicas > had {
			out[s.Member] = had
		}
	}
	return out
}

// stood says that a share of the assignment in force is ready, or was.
func (w *workload) stood(s federation.AssignedMember) bool {
	return w.allReady(s) || w.whole[s.Member] == wholeness{w.record.stored.WorkloadRevision, s.Replicas}
}

// grew says that the member is to run more than stood before.
func (w *workload) grew(s federation.AssignedMember) bool {
	_, grew := w.record.stored.Grown[s.Member]
	return grew
}
