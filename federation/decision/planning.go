package decision

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// plan is where a workload shall be, without asking placement again.
type plan struct {
	operation string // that made it; empty for a rebalance
	members   []federation.AssignedMember
	reason    string
	// Of a plan that placement made: its explanation and inputs.
	explanation *federation.Explanation
	inputsHash  string
	made        origin
}

// explained is the explanation of an assignment that follows the plan after the
// one that is stored.
func (p *plan) explained(stored federation.Assignment) federation.Explanation {
	if p.explanation != nil {
		e := *p.explanation
		e.Changes = placement.Differences(stored.Explanation.Members, e.Members)
		return e
	}
	e := federation.Explanation{Summary: p.reason, Rules: stored.Explanation.Rules, Members: slices.Clone(stored.Explanation.Members)}
	for i := range e.Members {
		line := &e.Members[i]
		line.Replicas, line.Chosen = 0, false
		for _, s := range p.members {
			if s.Member == line.Member {
				line.Replicas, line.Chosen, line.Filter, line.Reason, line.Remedy = s.Replicas, true, "", p.reason, ""
			}
		}
		if !line.Chosen && line.Filter == "" {
			line.Reason = "not in the plan: " + p.reason
		}
	}
	e.Changes = placement.Differences(stored.Explanation.Members, e.Members)
	return e
}

// permits says that the Placement of the workload, which the user may have changed
// since the plan was made, would let it stay as planned. A member that only an
// operation keeps away counts as healthy.
func (m *Machine) permits(w *workload, shares []federation.AssignedMember) bool {
	away := func(name string) bool { return m.maskOf(name) != "" || m.evacuating(name) != "" }
	snap, err := m.snapshotWith(func(p *placement.Member) {
		if away(p.Spec.Name) {
			p.Masked, p.Health = "", federation.Healthy
		}
	})
	if err != nil {
		return false
	}
	req := m.request(w)
	req.Current, req.Rebalance, req.Whole, req.Explain = shares, false, false, false
	maps.DeleteFunc(req.Keep, func(name, _ string) bool { return away(name) })
	d := placement.Place(req, snap)
	return d.Err == nil && sameShares(d.Members, shares)
}

// rebalance places workloads as if for the first time and plans those that come
// out better placed, the ones that move the fewest replicas first, as far as the
// budget goes. The answer is what moves.
func (m *Machine) rebalance(ev RebalanceRequested) {
	ask := ev.Rebalance
	snap, err := m.snapshot()
	if err != nil {
		m.refuse(ev.Request, "Internal", err.Error())
		return
	}
	candidates, refusal := m.rebalanceable(ask.Workload)
	if refusal != nil {
		m.emit(Reply{Request: ev.Request, Refusal: refusal})
		return
	}
	answer := federation.Simulation{Moves: []federation.Move{}, Unmet: []federation.Unmet{}, Lost: m.lost(), Fits: true, SnapshotHash: snap.Hash()}
	for _, c := range m.better(snap, candidates, rebalancing{budget: ask.Budget}) {
		answer.Moves = append(answer.Moves, c.moves...)
		if ask.DryRun {
			continue
		}
		e := c.decision.Explanation
		c.w.plan = &plan{
			members: c.decision.Members, reason: "rebalance by " + cmp.Or(ask.Who, "somebody"),
			explanation: &e, inputsHash: c.decision.InputsHash, made: c.made,
		}
		m.touch(c.w.key)
	}
	if !ask.DryRun && len(answer.Moves) > 0 {
		m.emit(PutEvent{federation.Event{
			At: m.now.UTC(), Type: "Rebalance", About: "federation", Who: ask.Who, Text: fmt.Sprintf("rebalance moves replicas in %d places", len(answer.Moves)),
		}})
	}
	m.reply(ev.Request, answer)
}

// rebalanceable lists what may move now: the workload of that key, or all that are
// decided and of which no member is lost.
func (m *Machine) rebalanceable(k federation.Key) ([]*workload, *Refusal) {
	if k != (federation.Key{}) {
		w := m.workloads[k]
		switch {
		case w == nil || w.spec == nil:
			return nil, &Refusal{Kind: "NotFound", Text: fmt.Sprintf("no workload %s; see: hansa get workloads", k)}
		case !m.movable(w):
			return nil, &Refusal{Kind: "Unavailable", Text: fmt.Sprintf("workload %s is being moved, or a member of it is lost: try again when it is steady", k)}
		}
		return []*workload{w}, nil
	}
	var out []*workload
	for _, k := range m.workloadKeys() {
		if w := m.workloads[k]; w.spec != nil && m.movable(w) {
			out = append(out, w)
		}
	}
	return out, nil
}

func (m *Machine) movable(w *workload) bool {
	if !w.current() || w.plan != nil || w.fault != "" || len(m.claims[w.key]) > 0 {
		return false
	}
	return !slices.ContainsFunc(w.record.stored.Members, func(s federation.AssignedMember) bool {
		mem := m.members[s.Member]
		return mem == nil || mem.lost() || m.evacuating(s.Member) != ""
	})
}

// victims are the workloads that may have to give room to the batch: none unless
// one of it may preempt.
func (m *Machine) victims(batch []*workload, reqs []placement.Request) []*workload {
	if !slices.ContainsFunc(reqs, func(r placement.Request) bool { return r.Placement.Preemption == "LowerTiers" }) {
		return nil
	}
	var out []*workload
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		if w.current() && w.plan == nil && w.fault == "" && !slices.Contains(batch, w) {
			out = append(out, w)
		}
	}
	return out
}

// move is one workload that would be placed better.
type move struct {
	w        *workload
	decision placement.Decision
	made     origin
	moves    []federation.Move
	replicas int64 // that move
}

// rebalancing bounds what may move.
type rebalancing struct {
	budget int64 // replicas; 0: no bound
	only   func(before, after []federation.AssignedMember) bool
}

// better places the candidates anew and returns those that would move without
// leaving more demand unmet, within the bounds.
func (m *Machine) better(snap *placement.Snapshot, candidates []*workload, bounds rebalancing) []move {
	reqs := make([]placement.Request, len(candidates))
	for i, w := range candidates {
		reqs[i] = m.request(w)
		reqs[i].Rebalance = true
	}
	made := m.keep(snap, reqs, nil)
	var all []move
	for i, d := range made.decide() {
		old := candidates[i].record.stored
		if d.Err != nil || d.Unmet > old.Unmet || bounds.only != nil && !bounds.only(old.Members, d.Members) {
			continue
		}
		c := move{w: candidates[i], decision: d, made: made.at(i), moves: movesBetween(d.Workload, old.Members, d.Members)}
		for _, v := range c.moves {
			c.replicas += max(0, v.To-v.From)
		}
		if len(c.moves) > 0 {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b move) int { return cmp.Compare(a.replicas, b.replicas) })
	var spent int64
	return slices.DeleteFunc(all, func(c move) bool {
		if bounds.budget > 0 && spent+c.replicas > bounds.budget {
			return true
		}
		spent += c.replicas
		return false
	})
}

func movesBetween(k federation.Key, before, after []federation.AssignedMember) []federation.Move {
	var out []federation.Move
	for _, s := range before {
		if now := replicasIn(after, s.Member); now != s.Replicas {
			out = append(out, federation.Move{Workload: k, Member: s.Member, From: s.Replicas, To: now})
		}
	}
	for _, s := range after {
		if s.Replicas > 0 && replicasIn(before, s.Member) == 0 && !slices.ContainsFunc(out, func(v federation.Move) bool { return v.Member == s.Member }) {
			out = append(out, federation.Move{Workload: k, Member: s.Member, To: s.Replicas})
		}
	}
	return out
}

func replicasIn(shares []federation.AssignedMember, member string) int64 {
	for _, s := range shares {
		if s.Member == member {
			return s.Replicas
		}
	}
	return 0
}

// batch is what one run of placement decided on.
type batch struct {
	snap   *placement.Snapshot // nil when it is no longer kept
	reqs   []placement.Request
	others []placement.Request // that may have to give room
}

// decide runs placement; it always comes out the same.
func (b *batch) decide() []placement.Decision {
	return placement.PlaceAllPreempting(b.reqs, b.others, b.snap)
}

// origin is the part of a batch that one decision came from.
type origin struct {
	batch *batch
	at    int
}

func (b *batch) at(i int) origin { return origin{batch: b, at: i} }

// keptBatches bounds the inputs that are kept for replays.
const keptBatches = 64

// keep remembers the inputs of a run, and forgets the oldest ones.
func (m *Machine) keep(snap *placement.Snapshot, reqs, others []placement.Request) *batch {
	b := &batch{snap: snap, reqs: reqs, others: others}
	m.batches = append(m.batches, b)
	if len(m.batches) > keptBatches {
		*m.batches[0] = batch{}
		m.batches = slices.Delete(m.batches, 0, 1)
	}
	return b
}

// replay makes the stored decision again from the inputs that it was made from.
func (m *Machine) replay(ev ReplayRequested) {
	w := m.workloads[ev.Workload]
	if w == nil {
		m.refuse(ev.Request, "NotFound", fmt.Sprintf("no workload %s; see: hansa get workloads", ev.Workload))
		return
	}
	a, placed := w.placed()
	if !placed {
		m.refuse(ev.Request, "Unavailable", fmt.Sprintf("workload %s is not decided yet: try again in a moment", ev.Workload))
		return
	}
	out := federation.Replay{Workload: w.key, Epoch: a.Epoch, InputsHash: a.InputsHash}
	b := w.made.batch
	switch {
	case a.InputsHash == "":
		out.Detail = "it was not decided by placement: " + a.Reason
	case b == nil || b.snap == nil:
		out.Detail = fmt.Sprintf("its inputs are no longer kept: the hub keeps those of its last %d runs of placement since it leads", keptBatches)
	default:
		out.Same, out.Detail = replayed(a, b.decide()[w.made.at])
	}
	m.reply(ev.Request, out)
}

// replayed compares a stored decision with the one that was made again.
func replayed(stored federation.Assignment, again placement.Decision) (same bool, detail string) {
	switch {
	case again.InputsHash != stored.InputsHash:
		return false, "the inputs that are kept are not those of the stored decision: " + again.InputsHash
	case !sameShares(again.Members, stored.Members) || again.Unmet != stored.Unmet:
		return false, fmt.Sprintf("the same inputs now give %s, %d unmet", shares(again.Assignment()), again.Unmet)
	}
	return true, fmt.Sprintf("the same inputs give the same decision: %s, %d unmet", shares(again.Assignment()), again.Unmet)
}
