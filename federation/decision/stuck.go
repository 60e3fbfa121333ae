package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// Times of replicas that do not run although their member is well.
const (
	stuckPatience = time.Minute      // of those that find no node, until they are placed elsewhere
	sickPatience  = 30 * time.Second // the same of those that are no longer ready, unless the dwell is longer
	stuckRetry    = time.Minute      // until it is tried again when nobody else has room
	stuckAway     = 10 * time.Minute // in which the member gets no new ones of the workload
)

// stuck are replicas of one workload that do not run in one member: the member's
// scheduler finds no node for them, although its facts said that they fit, by a rule
// that only it knows; or they were ready and are no more.
type stuck struct {
	since    time.Time
	replicas int64
	sick     bool
	told     bool      // a person was told that it waits for him
	dueAt    time.Time // when they are placed elsewhere
	awayTill time.Time // they were; zero before
}

// trouble is what one status says is wrong.
type trouble struct {
	replicas int64
	sick     bool
	patience time.Duration
}

// noteStuck follows what a member says of its pods.
func (m *Machine) noteStuck(w *workload, s federation.WorkStatus) {
	k, now := w.stuck[s.Member], m.troubleOf(w, s)
	switch {
	case now.replicas == 0 && k == nil:
	case now.replicas == 0:
		k.replicas, k.dueAt = 0, time.Time{}
		if !m.now.Before(k.awayTill) {
			delete(w.stuck, s.Member)
		}
	case k == nil || k.replicas == 0 || k.sick != now.sick:
		if k == nil {
			k = &stuck{}
			w.stuck[s.Member] = k
		}
		k.told = false
		k.since, k.replicas, k.sick, k.dueAt = m.now, now.replicas, now.sick, m.now.Add(now.patience)
		m.patienceAt = earlier(m.patienceAt, k.dueAt)
	default:
		k.replicas = now.replicas
	}
}

func (m *Machine) troubleOf(w *workload, s federation.WorkStatus) trouble {
	if s.Epoch != w.record.stored.Epoch || s.State == federation.WorkRemoved {
		return trouble{}
	}
	if s.Unschedulable > 0 {
		return trouble{replicas: s.Unschedulable, patience: stuckPatience}
	}
	return m.sickness(w, s)
}

// sickness counts the replicas that were ready in the member and are no more. Those
// that never were say nothing about the member: what the user applied last may be at
// fault, and would be everywhere.
func (m *Machine) sickness(w *workload, s federation.WorkStatus) trouble {
	share, assigned := w.record.stored.Replicas(s.Member)
	mem := m.members[s.Member]
	if !assigned || mem == nil || !w.current() || s.WorkloadRevision != w.record.stored.WorkloadRevision {
		return trouble{}
	}
	had := wholeness{s.WorkloadRevision, share}
	switch {
	case s.Ready >= share:
		w.whole[s.Member] = had
		return trouble{}
	case w.whole[s.Member] != had || w.failover().Mode == "Never":
		return trouble{}
	}
	return trouble{replicas: share - s.Ready, sick: true, patience: max(m.dwell(w, mem), sickPatience)}
}

// wholeness is what a member had ready at once.
type wholeness struct {
	revision federation.Revision
	replicas int64
}

// stuckIn says why the workload gives replicas in the member away, or "".
func (m *Machine) stuckIn(w *workload, member string) string {
	k, mem := w.stuck[member], m.members[member]
	switch {
	case k == nil || k.replicas == 0 || m.now.Before(k.dueAt) || w.spec == nil || w.spec.Placement.Replicas.Mode == "Duplicated":
		return ""
	case !k.sick:
		return fmt.Sprintf("%d replicas found no node in %s for %s", k.replicas, member, m.now.Sub(k.since).Round(time.Second))
	case mem == nil || mem.verdict.Health != federation.Healthy || m.frozenBy() != "" || w.failover().Mode != "Automatic":
		return ""
	}
	return fmt.Sprintf("%d replicas were not ready in %s for %s", k.replicas, member, m.now.Sub(k.since).Round(time.Second))
}

// tellSick tells people about a workload that does not run where it is, and that moves
// only when one of them says so.
func (m *Machine) tellSick(w *workload, member string, k *stuck) {
	if !k.sick || k.told || m.now.Before(k.dueAt) || w.failover().Mode != "Approve" {
		return
	}
	k.told = true
	m.note("Approval", "workload/"+w.key.String(), fmt.Sprintf("%s: %d replicas were not ready in %s for %s, and failover.mode is Approve: to move it: hansa relocate workload=%s",
		w.key, k.replicas, member, m.now.Sub(k.since).Round(time.Second), w.key))
}

// dueStuck says that replicas are to leave a member in which they do not run.
func (m *Machine) dueStuck(w *workload) bool {
	for name := range w.stuck {
		if m.stuckIn(w, name) != "" {
			return true
		}
	}
	return false
}

// unstick takes replicas that do not run out of the request's view of what runs, so
// that they are placed elsewhere, and closes their member for new ones.
func (m *Machine) unstick(w *workload, req *placement.Request) {
	for i := range req.Current {
		s := &req.Current[i]
		k := w.stuck[s.Member]
		if k == nil {
			continue
		}
		if why := m.stuckIn(w, s.Member); why != "" {
			if s.Replicas = max(0, s.Replicas-k.replicas); s.Replicas > 0 {
				req.Keep[s.Member] = why
			} else {
				exclude(req, s.Member, why)
			}
		} else if m.now.Before(k.awayTill) && req.Keep[s.Member] == "" {
			req.Keep[s.Member] = k.away(s.Member)
		}
	}
	for name, k := range w.stuck {
		if m.now.Before(k.awayTill) && replicasIn(req.Current, name) == 0 {
			exclude(req, name, k.away(name))
		}
	}
}

// away says why the member gets no new replicas.
func (k *stuck) away(member string) string {
	if k.sick {
		return "replicas of it did not stay ready in " + member
	}
	return member + " had no node for replicas of it"
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
