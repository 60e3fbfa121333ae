package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/membership"
)

// Laws hold after every step, whatever the faults:
//
//	invariant     no machine's own Check fails, and each takes back its own state
//	edges         no hub lets a lost member be in traffic again without Reconciling
//	epochs        the epoch of a workload never goes back, and a new set of members
//	              has a new epoch; so each epoch has one set
//	placement     an assignment keeps the rules of its Placement
//	old-order     an order with an epoch below what the member has carried out
//	              changes nothing there, unless a store that was put back repeats it
//	stale-view    a member removes only what some decision, made after it was
//	              landed, took from it, or what was deleted
//	once          an at-most-one workload runs in one member
//	history       the starts and stops of an at-most-one workload are those of one
//	              lock, held by one member at a time under epochs that never go back
//	rest          no machine wants to be called for ever while no time passes
//	withdrawn     a gateway that has heard that a member is withdrawn does not
//	              answer with it
//	needed        an agent lets go of its cluster only when nothing has its place there
//	retain        a member that leaves with what it runs is not told to remove that
//	agreed        a gateway withdraws by the word of hubs that do not lead only what
//	              most of all hubs have just said
var Laws = []string{"invariant", "edges", "epochs", "placement", "old-order", "stale-view", "once", "history", "rest", "withdrawn", "needed", "retain", "agreed"}

// laws watches the world. The first broken law is kept.
type laws struct {
	w      *World
	broken error

	health   map[string]federation.Health // by hub, term and member
	history  map[federation.Key][]decided
	deleted  map[federation.Key]bool // by the user, at any time
	away     map[string]time.Time    // member → when a hub last said that it is lost, or not back yet
	done     map[held]federation.Epoch
	heard    map[string]federation.HubBeat // newest that each gateway heard
	gateways bool                          // one has changed
	turns    history                       // of at-most-one workloads
	opined   map[opined]time.Time
	leaving  map[string]time.Time // since when a member leaves, as the store has it
}

// decided is one committed assignment.
type decided struct {
	epoch   federation.Epoch
	members []string
}

// held is one workload in one member.
type held struct {
	member   string
	workload federation.Key
}

// Broken is a law that did not hold.
type Broken struct {
	Law string
	Err error
}

// Error names the law and says how it was broken.
func (b *Broken) Error() string { return fmt.Sprintf("law %s: %v", b.Law, b.Err) }

func newLaws(w *World) *laws {
	return &laws{
		w: w, health: map[string]federation.Health{}, history: map[federation.Key][]decided{},
		deleted: map[federation.Key]bool{}, done: map[held]federation.Epoch{}, heard: map[string]federation.HubBeat{},
		turns: newHistory(), away: map[string]time.Time{}, opined: map[opined]time.Time{}, leaving: map[string]time.Time{},
	}
}

func (l *laws) fail(law string, err error) {
	if l.broken == nil {
		l.broken = &Broken{Law: law, Err: fmt.Errorf("at t=%.2fs: %w", l.w.Elapsed().Seconds(), err)}
	}
}

func (l *laws) failf(law, format string, args ...any) { l.fail(law, fmt.Errorf(format, args...)) }

// beat follows what one hub says in one term. A change that skips states in
// between is fine; one that skips the return is not.
func (l *laws) beat(hub string, b federation.HubBeat) {
	for _, line := range b.Members {
		at := fmt.Sprintf("%s/%d/%s", hub, b.Term, line.Member)
		old, known := l.health[at]
		l.health[at] = line.Health
		away := old != federation.Healthy && old != federation.Suspect && old != federation.Degraded && old != federation.Joining
		inTraffic := !membership.Withdrawn(federation.HealthRecord{Health: line.Health})
		switch line.Health {
		case federation.Unreachable, federation.Fenced, federation.Returning, federation.Quarantined:
			l.away[line.Member] = l.w.now
		}
		if known && away && old != federation.Reconciling && inTraffic {
			l.failf("edges", "%s: %s went from %v to %v", hub, line.Member, old, line.Health)
		}
	}
}

// written looks at what the store took.
func (l *laws) written(bucket string, old, now entry) {
	switch decision.Source(bucket) {
	case decision.SourceAssignments:
		l.assigned(key(now.Key), old, now)
	case decision.SourceMembers:
		l.membership(old, now)
	case decision.SourceWorkloads:
		if now.Value == nil {
			l.deleted[key(now.Key)] = true
		}
	default:
		if o, ok := now.Value.(federation.Work); ok {
			l.retains(o)
		}
	}
}

func (l *laws) assigned(k federation.Key, old, now entry) {
	a, ok := now.Value.(federation.Assignment)
	if !ok {
		// The workload's life is over: every member has proven that nothing is left.
		delete(l.history, k)
		l.turns.lives[k]++
		maps.DeleteFunc(l.done, func(h held, _ federation.Epoch) bool { return h.workload == k })
		return
	}
	before, had := old.Value.(federation.Assignment)
	set := membersOf(a)
	switch {
	case had && a.Epoch < before.Epoch:
		l.failf("epochs", "%s: epoch %d after %d", k, a.Epoch, before.Epoch)
	case had && a.Epoch == before.Epoch && !slices.Equal(set, membersOf(before)):
		l.failf("epochs", "%s: %v instead of %v under the same epoch %d", k, set, membersOf(before), a.Epoch)
	}
	if had && a.DecidedAt.Equal(before.DecidedAt) {
		return // the same decision, with what was measured since
	}
	l.history[k] = append(l.history[k], decided{epoch: a.Epoch, members: set})
	l.w.say("%s epoch %d: %s (%s)", k, a.Epoch, sharesText(a), a.Reason)
	if err := l.placed(k, a); err != nil {
		l.fail("placement", fmt.Errorf("%s epoch %d: %w", k, a.Epoch, err))
	}
}

func membersOf(a federation.Assignment) []string {
	var out []string
	for _, s := range a.Members {
		out = append(out, s.Member)
	}
	slices.Sort(out)
	return out
}

func sharesText(a federation.Assignment) string {
	var parts []string
	for _, s := range a.Members {
		parts = append(parts, fmt.Sprintf("%s %d", s.Member, s.Replicas))
	}
	if a.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("unmet %d", a.Unmet))
	}
	return strings.Join(parts, ", ")
}

// placed checks the rules of the Placement that the assignment was made for.
func (l *laws) placed(k federation.Key, a federation.Assignment) error {
	spec, ok := l.w.records("workloads")[k.String()].Value.(federation.Workload)
	if !ok || l.w.records("workloads")[k.String()].Revision != a.WorkloadRevision || a.Reason == "deleted" {
		return nil // the user was faster
	}
	p := spec.Placement
	regions := map[string]bool{}
	var total, away int64
	for i, s := range a.Members {
		member, known := l.w.records("members")[s.Member].Value.(federation.MemberSpec)
		switch {
		case !known:
			return fmt.Errorf("%s is no member", s.Member)
		case i > 0 && a.Members[i-1].Member >= s.Member:
			return fmt.Errorf("members are not sorted: %v", a.Members)
		case s.Since == 0 || s.Since > a.Epoch:
			return fmt.Errorf("%s is in the set since epoch %d", s.Member, s.Since)
		case l.lost(s.Member, a.DecidedAt): // its share stays until its dwell has passed, whatever the Placement says now
			away += s.Replicas
			continue
		case slices.Contains(p.Members.Exclude, s.Member):
			return fmt.Errorf("%s is excluded", s.Member)
		case len(p.Members.Names) > 0 && !slices.Contains(p.Members.Names, s.Member):
			return fmt.Errorf("%s is none of %v", s.Member, p.Members.Names)
		}
		regions[member.Place.Region] = true
		total += s.Replicas
	}
	for _, c := range p.Spread {
		if c.By == "region" && c.Max > 0 && int64(len(regions)) > c.Max {
			return fmt.Errorf("%d regions, at most %d are allowed", len(regions), c.Max)
		}
	}
	if want := replicasOf(spec); a.Unmet == 0 && (total+away < want || total > want) {
		return fmt.Errorf("%d replicas are assigned, %d of them away, and %d are wanted", total+away, away, want)
	}
	if p.Failover.Continuity == federation.AtMostOne && len(a.Members) > 1 {
		return fmt.Errorf("%d members for a workload that runs once", len(a.Members))
	}
	return nil
}

// lost reports whether a hub had the member away when something was decided.
func (l *laws) lost(member string, decided time.Time) bool {
	return l.away[member].After(decided.Add(-beatEvery))
}

// executed looks at an order that a cluster carried out.
func (l *laws) executed(member string, k federation.Key, epoch federation.Epoch, what string) {
	h := held{member, k}
	if highest := l.done[h]; epoch < highest {
		l.failf("old-order", "%s %s %s under epoch %d after epoch %d", member, what, k, epoch, highest)
	}
	l.done[h] = epoch
}

// removing looks at a removal when the guard asks for it. l0 is what it has.
func (l *laws) removing(member string, k federation.Key, epoch federation.Epoch, l0 *landed) {
	if l0 == nil || l.deleted[k] {
		return
	}
	for _, d := range l.history[k] {
		if d.epoch > l0.work.Epoch && d.epoch <= epoch && !slices.Contains(d.members, member) {
			return
		}
	}
	l.failf("stale-view", "%s removes %s (landed under epoch %d) under epoch %d, but no decision between took it from it",
		member, k, l0.work.Epoch, epoch)
}

// ordered notes that an agent orders its cluster to start an at-most-one workload.
func (l *laws) ordered(member string, k federation.Key) {
	l.turns.order(l.w.Elapsed(), held{member, k})
}

// pods looks at what runs once, after any of it changed.
func (l *laws) pods() {
	running := map[held]federation.Epoch{}
	for _, name := range l.w.names {
		c := l.w.clusterOf(name)
		if c == nil || !c.up {
			continue
		}
		for k, it := range c.landed {
			if it.runs && it.work.Continuity == federation.AtMostOne {
				running[held{name, k}] = it.work.Epoch
			}
		}
	}
	in := map[federation.Key]string{}
	for _, h := range sortedHeld(running) {
		if other := in[h.workload]; other != "" {
			l.failf("once", "%s runs in %s and in %s", h.workload, other, h.member)
		}
		in[h.workload] = h.member
	}
	if err := l.turns.observe(l.w.Elapsed(), running); err != nil {
		l.fail("history", err)
	}
}

func sortedHeld[V any](of map[held]V) []held {
	return slices.SortedFunc(maps.Keys(of), func(a, b held) int {
		return cmp.Or(a.workload.Compare(b.workload), cmp.Compare(a.member, b.member))
	})
}

// rewound: the store was restored from a backup. A deletion that it does not know
// was not ordered by anybody any more; and a work that it has counts as new where
// nothing is left of the workload, since nobody remembers what was proven gone.
func (l *laws) rewound(records map[string]entry) {
	for _, e := range records {
		switch v := e.Value.(type) {
		case federation.Workload:
			delete(l.deleted, v.Key)
		case federation.Work:
			if l.w.members[v.Member].cluster.landed[v.Workload] == nil {
				delete(l.done, held{v.Member, v.Workload})
			}
		}
	}
}

// forgetMember forgets what a member carried out whose name another cluster takes.
func (l *laws) forgetMember(name string) {
	maps.DeleteFunc(l.done, func(h held, _ federation.Epoch) bool { return h.member == name })
}

func (l *laws) gatewayHeard(gateway string, b federation.HubBeat) {
	old := l.heard[gateway]
	if b.Term > old.Term || b.Term == old.Term && b.Sequence > old.Sequence {
		l.heard[gateway] = b
		l.gateways = true
	}
}

// after looks at what has to hold when a step is over.
func (l *laws) after() {
	if !l.gateways {
		return
	}
	l.gateways = false
	for _, name := range l.w.names {
		g, ok := l.w.nodes[name].part.(*gateway)
		if !ok {
			continue
		}
		answers := g.answers()
		for _, line := range l.heard[name].Members {
			if line.Withdrawn && slices.Contains(answers, line.Member) {
				l.failf("withdrawn", "%s answers with %s, which is withdrawn since term %d, beat %d", name, line.Member, l.heard[name].Term, l.heard[name].Sequence)
			}
		}
	}
}
