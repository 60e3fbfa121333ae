package sim

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/federation/standby"
)

const (
	storeName = "store"
	// writeTimeout is how long a hub waits for the store before it takes a write
	// for lost.
	writeTimeout = 2 * time.Second
	// watchAfter is when a hub that has not begun to lead by then begins to listen.
	watchAfter = 100 * time.Millisecond
	// leaseBucket holds the leadership.
	leaseBucket = "leases"
	exports     = "exports"
)

// worksOf is the bucket of the works of the member that has the account.
func worksOf(account string) string { return "works/" + account }

// hub is one hub process: it competes for the leadership and, while it has it,
// runs a decision.Machine.
type hub struct {
	w        *World
	name     string
	leader   *lease.Leader
	m        *decision.Machine // nil while it follows
	idle     *observer         // nil once it has read what it needs to lead
	term     uint64
	requests map[uint64]Message
	last     uint64
	said     map[string]string  // last line about each member and operation
	readers  uint64             // that this life had
	reader   uint64             // of m
	reports  *decision.Reports  // of this term
	synced   map[string]bool    // buckets of which the snapshot was read in this term
	early    map[string][]entry // changes that came before it: the bus gives both in order
}

// What agents, gateways and clients ask of the hub that leads.
type (
	hello   struct{ Hello federation.Hello }
	renew   struct{ Renew federation.RenewRequest }
	status  struct{ Status federation.WorkStatus }
	facts   struct{ Facts federation.MemberFacts }
	export  struct{ Export federation.Export }
	operate struct{ Operation federation.OperationRequest }
	command struct{ Change federation.MemberChange }
	freeze  struct{ Frozen bool }
	abort   struct{ Abort federation.AbortRequest }
	probed  struct {
		Vantage string
		Reply   federation.ProbeReply
	}
	stored struct{}
)

func newHub(w *World, name string) *hub {
	h := &hub{w: w, name: name, leader: lease.NewLeader(lease.LeaderOptions{}), requests: map[uint64]Message{}, said: map[string]string{}}
	w.After(name, watchAfter, func() {
		if h.m == nil {
			h.watch()
		}
	})
	return h
}

func (h *hub) Deadline() (time.Time, bool) {
	due, _ := h.leader.Deadline()
	if h.m != nil {
		if at, ok := h.m.Deadline(); ok && at.Before(due) {
			due = at
		}
	}
	if h.idle != nil {
		if at, ok := h.idle.m.Deadline(); ok && at.Before(due) {
			due = at
		}
	}
	return due, true
}

// Tick lets the machine act before the leader looks at its clock: a hub that wakes
// after a pause still believes.
func (h *hub) Tick() {
	if h.m != nil {
		if due, ok := h.m.Deadline(); ok && !due.After(h.w.now) {
			h.step(decision.Tick{})
		}
	}
	if h.idle != nil {
		if due, ok := h.idle.m.Deadline(); ok && !due.After(h.w.now) {
			h.idle.step(standby.Tick{})
		}
	}
	if due, ok := h.leader.Deadline(); ok && !due.After(h.w.now) {
		h.lead(lease.Tick{})
	}
}

func (h *hub) Check() error {
	if h.idle != nil {
		if err := h.idle.m.Check(); err != nil {
			return err
		}
	}
	if h.m == nil {
		return nil
	}
	return h.m.Check()
}

// lead feeds the leader and carries out what it wants.
func (h *hub) lead(ev lease.Event) {
	for _, e := range h.leader.Step(h.w.now, ev) {
		switch e := e.(type) {
		case lease.Acquire:
			h.acquire(e)
		case lease.Release:
			h.w.Send(h.name, storeName, put{Bucket: leaseBucket, Key: "hub", Expected: e.Expected})
		case lease.Lead:
			h.w.say("%s leads, term %d", h.name, e.Term)
			h.term, h.m = e.Term, decision.New(decision.Options{Term: e.Term, Hub: h.name})
			h.readers++
			h.reader = h.readers
			h.reports, h.synced, h.early = &decision.Reports{}, map[string]bool{}, map[string][]entry{}
			h.load()
		case lease.StepDown:
			h.w.say("%s steps down: %s", h.name, e.Reason)
			h.m = nil
			h.watch()
		}
	}
}

// acquire asks for the lease as the hub's shell does: one that an earlier life of
// this hub holds counts as free, one that an earlier request wrote is renewed, and for
// one that another hub holds nothing is written.
func (h *hub) acquire(e lease.Acquire) {
	conflict := func() { h.lead(lease.Refused{ID: e.ID}) }
	if e.Expected == 0 {
		h.lease(func(held entry, known bool) {
			switch {
			case !known:
				h.lead(lease.Unknown{ID: e.ID})
			case held.Value != nil && held.Value != h.name:
				h.lead(lease.Refused{ID: e.ID, Held: held.Revision})
			case held.Value != nil:
				h.writeLease(lease.Acquire{ID: e.ID, Expected: held.Revision}, conflict)
			default:
				h.writeLease(e, conflict)
			}
		})
		return
	}
	h.writeLease(e, func() {
		h.lease(func(held entry, _ bool) {
			if held.Value != h.name || held.Revision <= e.Expected {
				conflict()
				return
			}
			h.writeLease(lease.Acquire{ID: e.ID, Expected: held.Revision}, conflict)
		})
	})
}

// lease reads the lease.
func (h *hub) lease(then func(held entry, known bool)) {
	h.w.Call(Link{h.name, storeName}, get{Bucket: leaseBucket, Key: "hub"}, writeTimeout, func(answer any, _ bool) {
		held, known := answer.(entry)
		then(held, known)
	})
}

// writeLease writes the lease, or calls conflict.
func (h *hub) writeLease(e lease.Acquire, conflict func()) {
	p := put{Bucket: leaseBucket, Key: "hub", Value: h.name, Expected: e.Expected, Lifetime: 5 * time.Second}
	h.w.Call(Link{h.name, storeName}, p, writeTimeout, func(answer any, ok bool) {
		done, written := answer.(putDone)
		switch {
		case !ok || !written:
			h.lead(lease.Unknown{ID: e.ID})
		case done.Conflict:
			conflict()
		default:
			h.lead(lease.Granted{ID: e.ID, Revision: done.Revision})
		}
	})
}

// load follows every source of this machine.
func (h *hub) load() {
	for _, s := range decision.Sources() {
		h.follow(h.m, s)
	}
}

func (h *hub) follow(m *decision.Machine, s decision.Source) {
	h.w.Call(Link{h.name, storeName}, follow{Bucket: string(s), Reader: h.reader}, writeTimeout, func(answer any, ok bool) {
		all, read := answer.([]entry)
		switch {
		case h.m != m:
		case !ok || !read:
			h.follow(m, s)
		default:
			for _, e := range append(all, h.early[string(s)]...) {
				h.record(string(s), e)
			}
			h.synced[string(s)] = true
			if len(h.synced) == len(decision.Sources()) {
				h.step(decision.Listened{Before: h.relieve()})
			}
			h.step(decision.Synced{Source: s})
		}
	})
}

// record feeds one version of one record.
func (h *hub) record(bucket string, e entry) {
	switch decision.Source(bucket) {
	case decision.SourceWorkloads:
		if v, ok := e.Value.(federation.Workload); ok {
			v.Revision = e.Revision
			h.step(decision.WorkloadChanged{Workload: v})
		} else {
			h.step(decision.WorkloadDeleted{Key: key(e.Key)})
		}
	case decision.SourceMembers:
		if v, ok := e.Value.(federation.MemberSpec); ok {
			h.reports.Joined(v)
			h.step(decision.MemberChanged{Spec: v, Revision: e.Revision})
		} else {
			h.reports.Left(e.Key)
			h.step(decision.MemberRemoved{Member: e.Key})
		}
	case decision.SourceAssignments:
		v, _ := e.Value.(federation.Assignment)
		h.step(decision.AssignmentLoaded{Key: key(e.Key), Assignment: v, Revision: revisionOf(e)})
	case decision.SourceHealth:
		v, _ := e.Value.(federation.HealthRecord)
		h.step(decision.HealthLoaded{Member: e.Key, Record: v, Revision: revisionOf(e)})
	case decision.SourceOperations:
		v, _ := e.Value.(federation.Operation)
		h.step(decision.OperationLoaded{ID: e.Key, Operation: v, Revision: revisionOf(e)})
	case decision.SourceFacts:
		if v, ok := e.Value.(federation.MemberFacts); ok {
			h.step(decision.FactsChanged{Facts: v})
		}
	case decision.SourceStatus:
		if v, ok := e.Value.(federation.WorkStatus); ok {
			h.step(decision.StatusChanged{Status: v})
		}
	}
}

// revisionOf is 0 for a deletion.
func revisionOf(e entry) federation.Revision {
	if e.Value == nil {
		return 0
	}
	return e.Revision
}

func key(s string) federation.Key {
	k, err := federation.ParseKey(s)
	if err != nil {
		panic(fmt.Sprintf("key %q: %v", s, err)) // keys are written by this package
	}
	return k
}

// Receive is what comes from the bus. A hub that does not lead hears members and hubs
// only.
func (h *hub) Receive(m Message) {
	if h.idle != nil {
		h.idle.receive(m)
	}
	if h.m == nil {
		return
	}
	switch b := m.Body.(type) {
	case change:
		if b.Reader != h.reader {
			return // of an earlier term, or of one that listens
		}
		if !h.synced[b.Bucket] {
			h.early[b.Bucket] = append(h.early[b.Bucket], b.Entry)
			return
		}
		h.record(b.Bucket, b.Entry)
	case federation.Beat:
		h.step(decision.BeatArrived{Beat: b})
	case federation.Opinion:
		h.step(decision.OpinionArrived{Opinion: b})
	case disconnected:
		h.step(decision.Disconnected{Member: b.member})
	case federation.GatewayBeat:
		h.step(decision.GatewayBeatArrived{Beat: b})
	case probed:
		if b.Reply.Survey {
			h.step(decision.Measured{Member: b.Reply.Member, Vantage: b.Vantage, RoundTrip: b.Reply.RoundTrip})
			return
		}
		h.step(decision.ProbeResult{Vantage: b.Vantage, Reply: b.Reply})
	case hello:
		if !h.replay(b.Hello) {
			return
		}
		h.step(decision.HelloArrived{Request: h.ask(m), Hello: b.Hello})
	case renew:
		h.step(decision.RenewArrived{Request: h.ask(m), Renew: b.Renew})
	case operate:
		h.step(decision.OperationRequested{Request: h.ask(m), Operation: b.Operation})
	case abort:
		h.step(decision.AbortRequested{Request: h.ask(m), Abort: b.Abort})
	case parting:
		h.step(decision.LeaveReported{Request: h.ask(m), Report: b.Report})
	case freeze:
		h.step(decision.FreezeRequested{Request: h.ask(m), Frozen: b.Frozen, Reason: "asked to", Who: "client"})
	case command:
		h.step(decision.MemberCommand{Request: h.ask(m), Change: b.Change})
	case status:
		k := b.Status.Workload.String() + "@" + b.Status.Member
		h.relay(m, put{Bucket: string(decision.SourceStatus), Key: k, Value: b.Status}, b.Status.Member, decision.Order{Incarnation: b.Status.Incarnation, Sequence: b.Status.Sequence})
	case facts:
		h.relay(m, put{Bucket: string(decision.SourceFacts), Key: b.Facts.Member, Value: b.Facts}, b.Facts.Member, decision.Order{Incarnation: b.Facts.Incarnation, Sequence: b.Facts.Sequence})
	case export:
		k := b.Export.Service.String() + "@" + b.Export.Member
		h.relay(m, put{Bucket: exports, Key: k, Value: b.Export}, b.Export.Member, decision.Order{Incarnation: b.Export.Incarnation, Sequence: b.Export.Sequence})
	}
}

// relay stores what an agent reports, and answers once it is stored. What comes
// after a newer report of the same thing is answered and forgotten.
func (h *hub) relay(m Message, p put, member string, at decision.Order) {
	if h.reports.Refuses(member) || !h.leader.Leading(h.w.now) {
		return
	}
	if !h.reports.Admit(member, p.Bucket+" "+p.Key, at) {
		h.w.Answer(m, stored{})
		return
	}
	p.Any = true
	h.w.Call(Link{h.name, storeName}, p, writeTimeout, func(answer any, ok bool) {
		if _, written := answer.(putDone); ok && written {
			h.w.Answer(m, stored{})
		} else {
			h.reports.Retract(member, p.Bucket+" "+p.Key, at)
		}
	})
}

// replay sends an agent that began a new life what it lost of its works, and reports
// whether that is done.
func (h *hub) replay(v federation.Hello) bool {
	life := decision.Order{Incarnation: v.Incarnation, Sequence: 1}
	on := h.w.members[v.Member]
	if v.Incarnation == 1 || v.Held == federation.AllHeld || on == nil || !h.reports.Admit(v.Member, "replay", life) {
		return true
	}
	if h.w.links[Link{h.name, storeName}].Cut {
		h.reports.Retract(v.Member, "replay", life)
		return false
	}
	h.w.store().replay(worksOf(on.spec.Account), v.Held)
	return true
}

func (h *hub) ask(m Message) uint64 {
	h.last++
	h.requests[h.last] = m
	return h.last
}

func (h *hub) step(ev decision.Event) {
	if h.m == nil {
		return
	}
	if ev = h.w.hooks.hubEvent(ev); ev == nil {
		return
	}
	for _, e := range h.m.Step(h.w.now, ev) {
		h.execute(h.w.hooks.hubEffect(e))
	}
}
