package decision

import "github.com/hansa-io/hansa/federation"

// Reports keeps what agents report in order: a late or repeated report must not
// overwrite a newer one. The zero value has heard nothing. The order is that of the
// agent's own counters; when another agent, or one that lost its disk, joins under
// the name they begin anew, and Joined says so.
type Reports struct{ members map[string]*reporter }

type reporter struct {
	spec   federation.MemberSpec
	leaves bool
	newest map[string]Order // by record
}

// Order is the place of a report in its agent's history.
type Order struct {
	Incarnation federation.Incarnation
	Sequence    uint64
}

// after reports whether o is newer than p.
func (o Order) after(p Order) bool {
	return o.Incarnation > p.Incarnation || o.Incarnation == p.Incarnation && o.Sequence > p.Sequence
}

// Joined notes the record of a member.
func (r *Reports) Joined(spec federation.MemberSpec) {
	known := r.of(spec.Name)
	if sameLife(known.spec, spec) {
		return
	}
	r.members[spec.Name] = &reporter{spec: spec, newest: map[string]Order{}}
}

// Leaves notes that a member is being removed, or, after all, is not. Nothing that it
// reports may be stored meanwhile: it would be left for the next one under its name.
func (r *Reports) Leaves(member string, leaves bool) { r.of(member).leaves = leaves }

// Refuses reports whether it is no member, or is being removed.
func (r *Reports) Refuses(member string) bool {
	known := r.members[member]
	return known == nil || known.spec.Name == "" || known.leaves
}

// Left forgets a member.
func (r *Reports) Left(member string) { delete(r.members, member) }

// Admit reports whether the member's report is newer than every earlier one of the
// record, and remembers it then.
func (r *Reports) Admit(member, record string, o Order) bool {
	newest := r.of(member).newest
	if last, known := newest[record]; known && !o.after(last) {
		return false
	}
	newest[record] = o
	return true
}

// Retract takes back the admission of a report that was not stored after all, so that
// it is admitted when it comes again; unless a newer one has come since.
func (r *Reports) Retract(member, record string, o Order) {
	if newest := r.of(member).newest; newest[record] == o {
		delete(newest, record)
	}
}

func (r *Reports) of(member string) *reporter {
	if r.members == nil {
		r.members = map[string]*reporter{}
	}
	if r.members[member] == nil {
		r.members[member] = &reporter{newest: map[string]Order{}}
	}
	return r.members[member]
}

// sameLife says that two records of a name are of one agent, whose counters go on.
func sameLife(a, b federation.MemberSpec) bool {
	return a.ClusterID == b.ClusterID && a.JoinedAt.Equal(b.JoinedAt)
}
