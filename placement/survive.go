package placement

import "fmt"

// survival is what failover.survive came to for one request.
//
// The law: the workload survives the loss of any one domain when, for each
// domain that it uses, the eligible members outside hold all of it:
//
//	room(all) − room(domain) ≥ replicas
//
// That does not depend on how the replicas are divided, so it is a filter of
// domains: one whose loss the rest cannot bear is frail and gets nothing new.
// When the workload runs already and would otherwise stay short of replicas the
// law is waived, and the explanation says so: failing over comes first.
type survival struct {
	key    string // topology; empty when nothing must be survived
	all    int64  // room of all eligible members, in replicas
	frail  int    // candidates refused
	waived bool
}

func survivalKey(level string) string {
	switch level {
	case "Member":
		return "member"
	case "Zone":
		return "zone"
	case "Region":
		return "region"
	}
	return ""
}

// applySurvive closes the candidates of frail domains.
func (r *run) applySurvive() {
	if !r.divided() {
		return
	}
	r.survival.key = survivalKey(r.spec.Failover.Survive)
	if r.survival.key == "" {
		return
	}
	rooms := r.survivalRooms()
	for i := range r.cands {
		c := &r.cands[i]
		if c.open && r.survival.all-rooms[r.survivalDomain(c)] < r.want {
			c.open = false
			c.frail = true
			r.survival.frail++
		}
	}
}

// survivalRooms sums the room of the candidates by domain.
func (r *run) survivalRooms() map[int32]int64 {
	rooms := map[int32]int64{}
	for i := range r.cands {
		c := &r.cands[i]
		if c.open || c.frail {
			rooms[r.survivalDomain(c)] += c.cap
			r.survival.all += c.cap
		}
	}
	return rooms
}

// survivalDomain is the candidate's domain; members without a value, of which
// nothing is known, are one domain together.
func (r *run) survivalDomain(c *candidate) int32 {
	return r.p.topology(r.survival.key).of[c.member]
}

// reopen waives the law.
func (r *run) reopen() {
	for i := range r.cands {
		if c := &r.cands[i]; c.frail {
			c.open = true
		}
	}
}

func (r *run) reasonFrail(c *candidate) (string, string) {
	r.survival.all = 0
	outside := -r.survivalRooms()[r.survivalDomain(c)] + r.survival.all
	return fmt.Sprintf("survive %s: if its %s is lost, the others hold %d of %d replicas", r.spec.Failover.Survive, r.survival.key, outside, r.want),
		fmt.Sprintf("add room for %d replicas in another %s", r.want-outside, r.survival.key)
}
