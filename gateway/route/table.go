package route

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Export is what one member exports of one service, with when it arrived here.
type Export struct {
	federation.Export
	ArrivedAt time.Time
}

// Member is what the table knows about a member.
type Member struct {
	Spec   federation.MemberSpec
	Facts  federation.MemberFacts
	Record federation.HealthRecord
	Beat   federation.MemberBeat // its line in the last hub beat
	// Agreed is set while no hub leads and most of them agree that the member is
	// unreachable.
	Agreed bool
	// Revision of the record in bucket "members".
	Revision federation.Revision
}

// Health is the latest that is known: what the hubs agree on while none leads is newer
// than the last beat of the one that led, and that is newer than its record.
func (m Member) Health() federation.Health {
	if m.Agreed {
		return federation.Unreachable
	}
	if m.Beat.Member != "" {
		return m.Beat.Health
	}
	return m.Record.Health
}

// Withdrawn reports whether the member's endpoints must not be in answers.
func (m Member) Withdrawn() bool { return m.Beat.Withdrawn || m.Agreed }

// Table is one immutable picture.
type Table struct {
	Revision uint64 // grows by one with each table
	Synced   bool
	Members  map[string]Member
	// BeatAt is when the last hub beat arrived; zero before the first.
	BeatAt time.Time
	Term   uint64
	// Sequence of the last hub beat within Term.
	Sequence  uint64
	Frozen    string
	Full      string   // why no desired state is taken; empty when it is
	Withdrawn []string // members whose endpoints are in no answer, sorted
	// Lacks says in which buckets the hub has more than this table, by name.
	Lacks []Lack

	services map[federation.Key]map[string]Export // by service, then member

	Workloads   map[federation.Key]federation.Workload
	Assignments map[federation.Key]federation.Assignment // without what they explain of members
	Operations  map[string]federation.Operation          // by id
	Scores      map[string]federation.Feed               // from outside, by name
	StatusRules map[string]federation.StatusRule
	Events      []federation.Event // oldest first, at most MaxEvents
	statuses    map[federation.Key]map[string]*federation.WorkStatus
	decided     map[federation.Key][]byte // as in Decided
}

// MaxEvents bounds the history that a gateway holds.
const MaxEvents = 1000

// Services lists the exported services, sorted.
func (t *Table) Services() []federation.Key {
	return slices.SortedFunc(maps.Keys(t.services), federation.Key.Compare)
}

// Exports lists the exports of a service, sorted by member.
func (t *Table) Exports(service federation.Key) []Export {
	exports := slices.Collect(maps.Values(t.services[service]))
	slices.SortFunc(exports, func(a, b Export) int { return cmp.Compare(a.Member, b.Member) })
	return exports
}

// HeardAge is how long ago the hub heard the member's last beat, as far as this
// table knows at now; −1 when it never did.
func (t *Table) HeardAge(member string, now time.Time) time.Duration {
	m, ok := t.Members[member]
	if !ok || t.BeatAt.IsZero() || m.Beat.Member == "" || m.Beat.HeardAge < 0 {
		return -1
	}
	return m.Beat.HeardAge + now.Sub(t.BeatAt)
}

// Builder makes tables from changing records.
type Builder struct {
	next     Table
	touched  map[federation.Key]bool // services whose map is no longer shared
	reported map[federation.Key]bool // workloads whose statuses are no longer shared
	shared   shared                  // the maps of next that belong to the last table
	copied   int                     // entries of shared maps, since the last table
	read     map[string]*progress    // by bucket
	council  council
}

// NewBuilder returns a builder of an empty world.
func NewBuilder() *Builder {
	return &Builder{
		next: Table{
			Members: map[string]Member{}, services: map[federation.Key]map[string]Export{},
			Workloads: map[federation.Key]federation.Workload{}, Assignments: map[federation.Key]federation.Assignment{},
			Operations: map[string]federation.Operation{}, Scores: map[string]federation.Feed{}, StatusRules: map[string]federation.StatusRule{},
			statuses: map[federation.Key]map[string]*federation.WorkStatus{}, decided: map[federation.Key][]byte{},
		},
		touched: map[federation.Key]bool{}, reported: map[federation.Key]bool{},
		read: map[string]*progress{},
	}
}

// Table returns the present picture; it is never changed afterwards.
func (b *Builder) Table() *Table {
	b.next.Revision++
	b.next.Withdrawn = b.withdrawn()
	b.next.Lacks = b.lacks()
	t := b.next
	b.shared = shared{true, true, true, true, true, true, true, true, true}
	clear(b.touched)
	clear(b.reported)
	b.copied = 0
	return &t
}

// Copied is how many entries of maps that tables share were copied since the last table:
// what the next one costs.
func (b *Builder) Copied() int { return b.copied }

func (b *Builder) withdrawn() []string {
	var out []string
	for name, m := range b.next.Members {
		if m.Withdrawn() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// shared says of each map of a table whether the last table has it too.
type shared struct {
	members, services, workloads, assignments, operations, scores, rules, statuses, decided bool
}

// own returns a map to change: a copy if the last table has it too.
func own[K comparable, V any](b *Builder, m *map[K]V, shared *bool) map[K]V {
	if *shared {
		b.copied += len(*m)
		*m, *shared = maps.Clone(*m), false
	}
	return *m
}

// SetSynced says that the snapshots of all buckets are complete.
func (b *Builder) SetSynced(synced bool) { b.next.Synced = synced }

func (b *Builder) member(name string, change func(*Member)) {
	members := own(b, &b.next.Members, &b.shared.members)
	m := members[name]
	change(&m)
	members[name] = m
}

// SetMember takes a record of bucket "members".
func (b *Builder) SetMember(spec federation.MemberSpec, revision federation.Revision) {
	b.member(spec.Name, func(m *Member) { m.Spec, m.Revision = spec, revision })
}

// RemoveMember forgets a member that left, and what it exported.
func (b *Builder) RemoveMember(name string) {
	delete(own(b, &b.next.Members, &b.shared.members), name)
	for service, exports := range b.next.services {
		if _, ok := exports[name]; ok {
			b.RemoveExport(name, service)
		}
	}
}

// SetFacts takes a record of bucket "facts".
func (b *Builder) SetFacts(f federation.MemberFacts) {
	b.member(f.Member, func(m *Member) { m.Facts = f })
}

// SetHealth takes a record of bucket "health".
func (b *Builder) SetHealth(r federation.HealthRecord) {
	b.member(r.Member, func(m *Member) { m.Record = r })
}

// SetBeat takes a hub beat, unless it is older than the last one. It reports
// whether the answers may have changed: a health, a withdrawal or a mask.
func (b *Builder) SetBeat(beat federation.HubBeat, now time.Time) bool {
	if beat.Term < b.next.Term || beat.Term == b.next.Term && beat.Sequence <= b.next.Sequence && !b.next.BeatAt.IsZero() {
		return false
	}
	b.led(beat, now)
	changed := beat.Term != b.next.Term || beat.Frozen != b.next.Frozen || beat.Full != b.next.Full
	b.next.Term, b.next.Sequence, b.next.Frozen, b.next.Full, b.next.BeatAt = beat.Term, beat.Sequence, beat.Frozen, beat.Full, now
	b.compare(beat.Heads, now)
	for _, line := range beat.Members {
		old := b.next.Members[line.Member].Beat
		changed = changed || old.Health != line.Health || old.Withdrawn != line.Withdrawn || old.Masked != line.Masked
		b.member(line.Member, func(m *Member) { m.Beat, m.Agreed = line, m.Agreed && b.undecided(line, now) })
	}
	return changed
}

// SetExport takes a record of bucket "exports".
func (b *Builder) SetExport(e federation.Export, now time.Time) {
	b.exports(e.Service)[e.Member] = Export{Export: e, ArrivedAt: now}
}

// RemoveExport forgets what a member exported.
func (b *Builder) RemoveExport(member string, service federation.Key) {
	exports := b.exports(service)
	delete(exports, member)
	if len(exports) == 0 {
		delete(b.next.services, service)
	}
}

// exports returns the service's own map, copied if the last table shares it.
func (b *Builder) exports(service federation.Key) map[string]Export {
	services := own(b, &b.next.services, &b.shared.services)
	if !b.touched[service] || services[service] == nil {
		copied := maps.Clone(services[service])
		b.copied += len(copied)
		if copied == nil {
			copied = map[string]Export{}
		}
		services[service] = copied
		b.touched[service] = true
	}
	return services[service]
}
