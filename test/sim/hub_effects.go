package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/placement"
)

// execute carries out one effect of the machine, as the hub's shell does.
func (h *hub) execute(e decision.Effect) {
	switch e := e.(type) {
	case decision.PutAssignment:
		h.put(e.ID, put{Bucket: string(decision.SourceAssignments), Key: e.Assignment.Workload.String(), Value: e.Assignment, Expected: e.Expected})
	case decision.DeleteAssignment:
		h.put(e.ID, put{Bucket: string(decision.SourceAssignments), Key: e.Key.String(), Expected: e.Expected})
	case decision.PutHealth:
		h.put(e.ID, put{Bucket: string(decision.SourceHealth), Key: e.Record.Member, Value: e.Record, Expected: e.Expected})
	case decision.PutOperation:
		h.put(e.ID, put{Bucket: string(decision.SourceOperations), Key: e.Operation.ID, Value: e.Operation, Expected: e.Expected})
	case decision.PutMember:
		h.put(e.ID, put{Bucket: string(decision.SourceMembers), Key: e.Spec.Name, Value: e.Spec, Expected: e.Expected})
	case decision.DeleteMember:
		h.deleteMember(e)
	case decision.PutWork:
		h.put(e.ID, put{Bucket: worksOf(e.Account), Key: e.Work.Workload.String(), Value: e.Work, Any: true})
	case decision.DropWork:
		h.w.Send(h.name, storeName, put{Bucket: string(decision.SourceStatus), Key: e.Key.String() + "@" + e.Member, Any: true})
		h.put(e.ID, put{Bucket: worksOf(e.Account), Key: e.Key.String(), Any: true})
	case decision.OrderLeave:
		h.w.Send(h.name, e.Order.Member, letGo{e.Order})
	case decision.ReadRecord:
		h.read(h.m, e)
	case decision.Outranked:
		h.w.After(h.name, 0, func() { h.lead(lease.TermHeard{Term: e.Term}) })
	case decision.SendHubBeat:
		h.beat(e)
	case decision.AskProbe:
		h.probe(e.Vantages, e.Request, func(r federation.ProbeReply) {
			h.step(decision.ProbeResult{Vantage: "hub", Reply: r})
		})
	case decision.Survey:
		h.w.Send(h.name, e.Vantage, federation.ProbeRequest{Member: e.Member, Timeout: e.Timeout, Survey: true})
	case decision.Audit:
		h.audit(e)
	case decision.Reply:
		h.reply(e)
	}
}

// reportsOf are the deletions of what a member that leaves has reported.
func (h *hub) reportsOf(member string) []put {
	var gone []put
	for _, s := range []decision.Source{decision.SourceHealth, decision.SourceFacts} {
		gone = append(gone, put{Bucket: string(s), Key: member, Any: true})
	}
	for _, bucket := range []string{string(decision.SourceStatus), exports} {
		for _, key := range slices.Sorted(maps.Keys(h.w.records(bucket))) {
			if strings.HasSuffix(key, "@"+member) {
				gone = append(gone, put{Bucket: bucket, Key: key, Any: true})
			}
		}
	}
	return gone
}

// deleteMember removes what a member has reported, then its record. It asks the store
// something first, so that every report under way has come by then.
func (h *hub) deleteMember(e decision.DeleteMember) {
	h.reports.Leaves(e.Member, true)
	m := h.m
	h.w.Call(Link{h.name, storeName}, get{Bucket: string(decision.SourceMembers), Key: e.Member}, writeTimeout, func(_ any, ok bool) {
		switch {
		case h.m != m:
		case ok:
			h.putAll(e, append(h.reportsOf(e.Member), put{Bucket: string(decision.SourceMembers), Key: e.Member, Expected: e.Expected}))
		default:
			h.stays(e, decision.Lost)
		}
	})
}

// stays: the member could not be removed, as far as is known.
func (h *hub) stays(e decision.DeleteMember, outcome decision.Outcome) {
	h.reports.Leaves(e.Member, false)
	h.step(decision.WriteDone{ID: e.ID, Outcome: outcome, Detail: "no answer of the store, or another revision"})
}

// putAll writes one after the other, and tells the machine the outcome of the last, or
// of the first that was not answered.
func (h *hub) putAll(e decision.DeleteMember, all []put) {
	m := h.m
	h.w.Call(Link{h.name, storeName}, all[0], writeTimeout, func(answer any, ok bool) {
		done, written := answer.(putDone)
		switch {
		case h.m != m:
		case !ok || !written:
			h.stays(e, decision.Lost)
		case done.Conflict:
			h.stays(e, decision.Conflicted)
		case len(all) > 1:
			h.putAll(e, all[1:])
		default:
			h.step(decision.WriteDone{ID: e.ID, Outcome: decision.Written, Revision: done.Revision})
		}
	})
}

// auditTime is how long an audit takes beside the machine.
const auditTime = 50 * time.Millisecond

// audit computes the readiness, as the hub's shell does in a goroutine.
func (h *hub) audit(e decision.Audit) {
	m, report := h.m, placement.Readiness(e.Snapshot, e.Requests)
	h.w.After(h.name, auditTime, func() {
		if h.m == m {
			h.step(decision.Audited{Report: report})
		}
	})
}

// put writes, and tells the machine the outcome while it is still this one.
func (h *hub) put(id uint64, p put) {
	m := h.m
	h.w.Call(Link{h.name, storeName}, p, writeTimeout, func(answer any, ok bool) {
		done, written := answer.(putDone)
		ev := decision.WriteDone{ID: id, Outcome: decision.Written, Revision: done.Revision}
		switch {
		case h.m != m:
			return
		case !ok || !written:
			ev.Outcome, ev.Detail = decision.Lost, "no answer of the store"
		case done.Conflict:
			ev.Outcome, ev.Detail = decision.Conflicted, "another revision"
		}
		h.step(ev)
	})
}

func (h *hub) read(m *decision.Machine, e decision.ReadRecord) {
	h.w.Call(Link{h.name, storeName}, get{Bucket: string(e.Source), Key: e.Name}, writeTimeout, func(answer any, ok bool) {
		found, read := answer.(entry)
		switch {
		case h.m != m:
		case !ok || !read:
			h.w.After(h.name, 200*time.Millisecond, func() {
				if h.m == m {
					h.read(m, e)
				}
			})
		default:
			h.record(string(e.Source), found)
		}
	})
}

// beat goes to everybody, and says what changed in it.
func (h *hub) beat(e decision.SendHubBeat) {
	b := e.Beat
	h.w.laws.beat(h.name, b)
	for _, line := range b.Members {
		h.sayOnce(line.Member, h.healthText(line))
	}
	for _, op := range h.m.Operations() {
		h.sayOnce(op.ID, operationText(op))
	}
	h.sayOnce("frozen", frozenText(b.Frozen))
	for _, name := range h.w.names {
		switch h.w.nodes[name].part.(type) {
		case *gateway, *hub:
			if name != h.name {
				h.w.Beat(h.name, name, b)
			}
		case *agent:
			if !e.Early && slices.Contains(e.To, name) {
				h.w.Beat(h.name, name, e.For(name))
			}
		}
	}
}

func frozenText(reason string) string {
	if reason == "" {
		return ""
	}
	return "frozen: " + reason
}

func (h *hub) healthText(line federation.MemberBeat) string {
	r := h.m.HealthOf(line.Member)
	text := fmt.Sprintf("%s is %v", line.Member, line.Health)
	if r.Verdict != "" && r.Verdict != line.Health.String() {
		text += " [" + r.Verdict + "]"
	}
	if line.Withdrawn {
		text += ", withdrawn"
	}
	if line.Masked {
		text += ", masked"
	}
	return text
}

func operationText(op federation.Operation) string {
	text := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s: %s", op.Request.Verb, op.Request.Level, op.Request.Scope, op.State)), " ")
	if op.Verdict != "" {
		text += " " + string(op.Verdict)
	}
	if op.Reason != "" {
		text += " (" + op.Reason + ")"
	}
	return strings.ReplaceAll(text, op.ID, "ID")
}

// sayOnce says a line if it is not the last one about the subject.
func (h *hub) sayOnce(subject, line string) {
	if h.said[subject] == line {
		return
	}
	h.said[subject] = line
	if line != "" {
		h.w.say("%s: %s", h.name, line)
	}
}

// probe has every vantage look; own is called with what was seen from the hub itself, and
// what members see comes as messages.
func (h *hub) probe(vantages []string, r federation.ProbeRequest, own func(federation.ProbeReply)) {
	for _, v := range vantages {
		if v != "hub" {
			h.w.Send(h.name, v, r)
			continue
		}
		look(h.w, h.name, r, own)
	}
}

func (h *hub) reply(e decision.Reply) {
	m, ok := h.requests[e.Request]
	if !ok {
		return
	}
	delete(h.requests, e.Request)
	if e.Refusal != nil {
		h.w.Answer(m, *e.Refusal)
		return
	}
	h.w.Answer(m, e.Answer)
}
