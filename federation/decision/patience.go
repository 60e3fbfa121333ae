package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

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

// passOver lets nothing that leaves a lost member go where the traffic does not, as long
// as there is room elsewhere: it would serve nobody, and the failover would not end.
func (m *Machine) passOver(w *workload, req *placement.Request) {
	if len(w.released) == 0 || !w.current() {
		return
	}
	for _, name := range sortedNames(m.members) {
		why := m.shifted(name)
		switch _, has := w.record.stored.Replicas(name); {
		case why == "":
		case !has:
			exclude(req, name, why)
		case req.Keep[name] == "" && w.released[name] == "":
			req.Keep[name] = why
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
		for name, s := range w.stuck {
			m.tellSick(w, name, s)
			switch {
			case s.replicas > 0 && s.dueAt.After(m.now):
				m.patienceAt = earlier(m.patienceAt, s.dueAt)
			case s.replicas > 0:
				m.patienceAt = earlier(m.patienceAt, m.now.Add(stuckRetry))
			}
		}
		m.consider(k)
	}
}
