package decision

import (
	"fmt"
	"reflect"

	"github.com/hansa-io/hansa/federation"
)

// secretOf names the first Secret of the workload; empty when it has none.
func secretOf(w federation.Workload) string {
	for _, o := range w.Objects {
		if o.IsSecret() {
			return o.ID()
		}
	}
	return ""
}

// keyIn is the key of a member that an order of the workload is sealed to; empty when
// nothing in it is secret.
func (w *workload) keyIn(key string) string {
	if w.secret == "" {
		return ""
	}
	return key
}

// unsealable says why the workload cannot be handed to the member, or "".
func (w *workload) unsealable(mem *member) string {
	if w.secret == "" || mem.spec.stored.SealKey != "" {
		return ""
	}
	return fmt.Sprintf("%s cannot be sealed, since the agent of %s is too old to have a key for it: update the agent", w.secret, mem.name)
}

// sealKeyOffered takes the key that an agent wants secrets sealed to. Its works with
// secrets are sent again then. One that the record has is known, whatever is being written.
func (m *Machine) sealKeyOffered(ev SealKeyOffered) {
	if mem, ok := m.members[ev.Offer.Member]; ok && mem.hasSealKey(ev.Offer.Key) {
		m.reply(ev.Request, federation.SealReply{Settled: mem.spec.stored.SealedTo == ev.Offer.Key})
		return
	}
	if mem := m.steady(ev.Request, ev.Offer.Member, neverJoined(ev.Offer.Member)); mem != nil {
		spec := mem.spec.stored
		spec.SealKey = ev.Offer.Key
		m.putSpec(mem, spec)
		m.note("Join", "member/"+mem.name, mem.name+" has a new seal key: its works with secrets are sealed and sent again")
		m.reply(ev.Request, federation.SealReply{})
	}
}

// hasSealKey reports whether the record has the key, also after what is being written.
func (mem *member) hasSealKey(key string) bool {
	r := &mem.spec
	return r.stored.SealKey == key && !r.reading && (r.write == 0 || r.attempt.SealKey == key)
}

// putSpec writes the record of a member for which no write is under way.
func (m *Machine) putSpec(mem *member, spec federation.MemberSpec) uint64 {
	id := m.newWrite(writing{source: SourceMembers, name: mem.name})
	mem.spec.begin(id, spec)
	m.emit(PutMember{ID: id, Spec: spec, Expected: mem.spec.revision})
	return id
}

// onlyKeys reports whether two records of a member differ in nothing but its keys, in
// what its agent was told, and in where that is.
func onlyKeys(a, b federation.MemberSpec) bool {
	a.SealKey, a.SealedTo = b.SealKey, b.SealedTo
	a.User, a.NextUser, a.EndedUsers, a.RotateBy = b.User, b.NextUser, b.EndedUsers, b.RotateBy
	a.Leaving.Told, a.Peers, a.AgentAt = b.Leaving.Told, b.Peers, b.AgentAt
	return reflect.DeepEqual(a, b)
}

// noteSeals lists the works of the member that are not known to be sealed to its
// present key, and lets them be sent again.
func (m *Machine) noteSeals(mem *member) {
	spec := mem.spec.stored
	mem.unsealed, m.unsaved[mem.name] = nil, true
	if spec.SealKey == "" || spec.SealKey == spec.SealedTo {
		return
	}
	mem.unsealed = map[federation.Key]bool{}
	for k, w := range m.workloads {
		if w.secret == "" || !w.mayLieWith(mem.name) {
			continue
		}
		if wk := w.works[mem.name]; wk == nil || wk.write != 0 || wk.order.key != spec.SealKey {
			mem.unsealed[k] = true
			m.touchWork(w, mem.name)
		}
	}
}

// mayLieWith reports whether the member's bucket may have a work of the workload.
func (w *workload) mayLieWith(member string) bool {
	_, assigned := w.record.stored.Replicas(member)
	wk, handed := w.works[member]
	st, known := w.statuses[member]
	return assigned && !w.deleted() || handed && wk.order != (order{}) || known && running(st)
}

// noteSealed: an order of the workload is in the member's bucket, in place of what was
// there.
func (m *Machine) noteSealed(k federation.Key, member string, key string) {
	mem := m.members[member]
	if mem == nil || mem.unsealed == nil || key != "" && key != mem.spec.stored.SealKey {
		return
	}
	delete(mem.unsealed, k)
	m.unsaved[member] = true
}

// settleSeal writes down that nothing in the member's bucket is sealed to an older key.
func (m *Machine) settleSeal(mem *member) {
	if mem.unsealed == nil || len(mem.unsealed) > 0 || mem.spec.busy() {
		return
	}
	mem.unsealed = nil
	spec := mem.spec.stored
	spec.SealedTo = spec.SealKey
	m.putSpec(mem, spec)
}
