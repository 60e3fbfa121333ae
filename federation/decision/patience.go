package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// Times of replicas that the scheduler of their member finds no node for.
const (
	stuckPatience = time.Minute      // until they are placed elsewhere
	stuckRetry    = time.Minute      // until it is tried again when nobody else has room
	stuckAway     = 10 * time.Minute // in which the member gets no new ones of the workload
)

// stuck are replicas of one workload that find no node in one member, although
// its facts said that they fit: a rule of the pods that only its scheduler knows.
type stuck struct {
	since    time.Time
	replicas int64
	dueAt    time.Time // when they are placed elsewhere
	awayTill time.Time // they were; zero before
}

// noteStuck follows what a member says of its own scheduler.
func (m *Machine) noteStuck(w *workload, s federation.WorkStatus) {
	k := w.stuck[s.Member]
	n := s.Unschedulable
	if s.Epoch != w.record.stored.Epoch || s.State == federation.WorkRemoved {
		n = 0
	}
	switch {
	case n == 0 && k == nil:
	case n == 0:
		k.replicas, k.dueAt = 0, time.Time{}
		if !m.now.Before(k.awayTill) {
			delete(w.stuck, s.Member)
		}
	case k == nil || k.replicas == 0:
		if k == nil {
			k = &stuck{}
			w.stuck[s.Member] = k
		}
		k.since, k.replicas, k.dueAt = m.now, n, m.now.Add(stuckPatience)
		m.patienceAt = earlier(m.patienceAt, k.dueAt)
	default:
		k.replicas = n
	}
}

// stuckIn says why the workload gives replicas in the member away, or "".
func (m *Machine) stuckIn(w *workload, member string) string {
	k := w.stuck[member]
	if k == nil || k.replicas == 0 || m.now.Before(k.dueAt) || w.spec == nil || w.spec.Placement.Replicas.Mode == "Duplicated" {
		return ""
	}
	return fmt.Sprintf("%d replicas found no node in %s for %s", k.replicas, member, m.now.Sub(k.since).Round(time.Second))
}

// dueStuck says that replicas are to leave a member that has no node for them.
func (m *Machine) dueStuck(w *workload) bool {
	for name := range w.stuck {
		if m.stuckIn(w, name) != "" {
			return true
		}
	}
	return false
}

// unstick takes replicas that find no node out of the request's view of what runs,
// so that they are placed elsewhere, and closes their member for new ones.
func (m *Machine) unstick(w *workload, req *placement.Request) {
	for i := range req.Current {
		s := &req.Current[i]
		k := w.stuck[s.Member]
		if k == nil {
			continue
		}
		if why := m.stuckIn(w, s.Member); why != "" {
			s.Replicas = max(0, s.Replicas-k.replicas)
			req.Keep[s.Member] = why
		} else if m.now.Before(k.awayTill) && req.Keep[s.Member] == "" {
			req.Keep[s.Member] = fmt.Sprintf("%s had no node for replicas of it", s.Member)
		}
	}
	for name, k := range w.stuck {
		if m.now.Before(k.awayTill) && replicasIn(req.Current, name) == 0 {
			exclude(req, name, fmt.Sprintf("%s had no node for replicas of it", name))
		}
	}
}

// waitStuck lets replicas wait on where they are, since nobody else has room.
func (m *Machine) waitStuck(w *workload) {
	for name, k := range w.stuck {
		if m.stuckIn(w, name) != "" {
			k.dueAt = m.now.Add(stuckRetry)
			m.patienceAt = earlier(m.patienceAt, k.dueAt)
		}
	}
}

// unstuck notes that the stored assignment has taken the replicas away.
func (m *Machine) unstuck(w *workload) {
	for name, k := range w.stuck {
		if m.stuckIn(w, name) != "" {
			k.replicas, k.dueAt, k.awayTill = 0, time.Time{}, m.now.Add(stuckAway)
		}
	}
}

// exclude adds the members whose NoExecute taints the workload has tolerated for
// as long as it wanted to.
func (m *Machine) exclude(w *workload, req *placement.Request) {
	if len(req.Placement.Members.Tolerations) == 0 {
		return
	}
	for name := range m.members {
		if why := m.intolerableIn(w, name); why != "" {
			exclude(req, name, why)
		}
	}
}

func exclude(req *placement.Request, member, why string) {
	if req.Excluded == nil {
		req.Excluded = map[string]string{}
	}
	req.Excluded[member] = why
}

func (m *Machine) intolerableIn(w *workload, member string) string {
	mem := m.members[member]
	if mem == nil || w.spec == nil {
		return ""
	}
	for _, taint := range mem.spec.stored.Taints {
		since, executes := mem.tainted[taint]
		if !executes {
			continue
		}
		seconds, ok := patience(w.spec.Placement.Members.Tolerations, taint)
		if !ok {
			continue
		}
		if ends := since.Add(seconds); m.now.Before(ends) {
			m.patienceAt = earlier(m.patienceAt, ends)
			continue
		}
		return fmt.Sprintf("taint %s was tolerated for %s", taint.Key, seconds)
	}
	return ""
}

// patience is for how long the tolerations cover the taint; false when they do not
// at all, or for ever: placement knows that itself.
func patience(tolerations []federation.Toleration, taint federation.Taint) (time.Duration, bool) {
	longest, bounded := time.Duration(0), false
	for _, t := range tolerations {
		if !placement.Tolerates(t, taint) {
			continue
		}
		if t.Seconds == nil {
			return 0, false
		}
		longest, bounded = max(longest, time.Duration(*t.Seconds)*time.Second), true
	}
	return longest, bounded
}

// noteTaints remembers since when the member has each of its NoExecute taints.
func (m *Machine) noteTaints(mem *member) {
	now := map[federation.Taint]time.Time{}
	for _, t := range mem.spec.stored.Taints {
		if t.Effect != federation.NoExecute {
			continue
		}
		since, had := mem.tainted[t]
		if !had {
			since = m.now
		}
		now[t] = since
	}
	mem.tainted = now
}

// stepPatience lets every workload be looked at when some patience has ended.
func (m *Machine) stepPatience() {
	if m.patienceAt.IsZero() || m.now.Before(m.patienceAt) {
		return
	}
	m.patienceAt = time.Time{}
	for k, w := range m.workloads {
		for _, s := range w.stuck {
			if s.replicas > 0 {
				m.patienceAt = earlierAfter(m.patienceAt, s.dueAt, m.now)
			}
		}
		m.dirty[k] = true
	}
}

// earlierAfter is earlier of at and the time t, which counts only after now.
func earlierAfter(at, t, now time.Time) time.Time {
	if t.After(now) {
		return earlier(at, t)
	}
	return at
}
