package decision

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/placement"
)

var epochStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rig is a machine with a store and members that obey at once and become ready
// after a while. Time is virtual; one step is 50 ms.
type rig struct {
	brake   recovery.BrakeLimits
	clock   *stopwatch // nil: every step is checked
	t       testing.TB
	now     time.Time
	term    uint64
	m       *Machine
	store   map[string]stored // bucket/name
	rev     federation.Revision
	members map[string]*actor
	faults  []fault
	asked   uint64
	greeter *actor // who said hello last
	later   []later
	lines   []string
	quiet   map[string]bool
	gateway bool
	batched bool                     // reports that come at once are stepped together
	ways    map[string]time.Duration // "tokyo-virginia" → round trip
	beat    federation.HubBeat
	looks   map[string][]federation.Look
	probed  federation.ProbeRequest // the last
}

type stored struct {
	value    any
	revision federation.Revision
}

type later struct {
	at time.Time
	ev Event
}

// fault is what happens to the next write into a bucket.
type fault struct{ bucket, how string }

// actor is one member: what it runs, and whether it is alive.
type actor struct {
	name   string
	region string
	alive  bool
	mute   bool
	inc    federation.Incarnation
	seq    uint64
	ready  time.Duration
	runs   map[federation.Key]*run
	inbox  map[federation.Key]federation.Work
	helloA time.Time
	// reports counts statuses and facts; busy is CPU that others took.
	reports uint64
	busy    int64
	// nodeless are replicas that the member's scheduler finds no node for.
	nodeless map[federation.Key]int64
	sick     map[federation.Key]int64 // replicas that are not ready
	leaving  farewells
	ingress  federation.Signal // what others see of it; Absent: it has none
}

type run struct {
	work    federation.Work
	readyAt time.Time
	told    string
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, now: epochStart, store: map[string]stored{}, members: map[string]*actor{}, quiet: map[string]bool{"Join": true}, ways: map[string]time.Duration{}}
	r.boot()
	return r
}

// boot starts a hub on what the store has.
func (r *rig) boot() {
	r.term++
	r.later = nil
	r.m = New(Options{Term: r.term, Brake: r.brake})
	keys := make([]string, 0, len(r.store))
	for k := range r.store {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		r.step(r.loaded(k))
	}
	for _, s := range Sources() {
		r.step(Synced{s})
	}
}

func (r *rig) loaded(k string) Event {
	s := r.store[k]
	bucket, name, _ := strings.Cut(k, ":")
	switch v := s.value.(type) {
	case unreadable:
		key, _ := federation.ParseKey(name)
		return WorkloadUnreadable{Key: key, Reason: string(v)}
	case federation.Workload:
		v.Revision = s.revision
		return WorkloadChanged{v}
	case federation.MemberSpec:
		return MemberChanged{v, s.revision}
	case federation.Assignment:
		return AssignmentLoaded{v.Workload, v, s.revision}
	case federation.HealthRecord:
		return HealthLoaded{v.Member, v, s.revision}
	case federation.Operation:
		return OperationLoaded{v.ID, v, s.revision}
	case federation.MemberFacts:
		return FactsChanged{v}
	case federation.WorkStatus:
		return StatusChanged{v}
	case federation.StatusRule:
		return RuleChanged{v}
	}
	switch bucket {
	case "assignments":
		key, _ := federation.ParseKey(name)
		return AssignmentLoaded{Key: key}
	case "health":
		return HealthLoaded{Member: name}
	case "members":
		return MemberRemoved{Member: name}
	}
	return OperationLoaded{ID: name}
}

func (r *rig) put(k string, v any) federation.Revision {
	r.rev++
	r.store[k] = stored{v, r.rev}
	return r.rev
}

// step feeds one event and carries out what comes of it.
func (r *rig) step(evs ...Event) {
	out := r.timed(evs)
	for _, e := range out {
		r.execute(e)
	}
}

// timed steps the machine and checks it, or, when it is measured, only looks at the
// clock.
func (r *rig) timed(evs []Event) []Effect {
	if r.clock == nil {
		out := r.m.Step(r.now, evs...)
		if err := r.m.Check(); err != nil {
			r.t.Fatalf("after %T: %v", evs, err)
		}
		return out
	}
	begin := time.Now()
	out := r.m.Step(r.now, evs...)
	took := time.Since(begin)
	r.clock.all += took
	r.clock.longest = max(r.clock.longest, took)
	r.clock.steps++
	return out
}

func (r *rig) logf(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf("t=%s ", r.now.Sub(epochStart))+fmt.Sprintf(format, args...))
}

func (r *rig) execute(e Effect) {
	switch e := e.(type) {
	case PutAssignment:
		r.write("assignments:"+e.Assignment.Workload.String(), e.Assignment, e.Expected, e.ID)
	case DeleteAssignment:
		r.logf("delete assignment %s", e.Key)
		r.write("assignments:"+e.Key.String(), nil, e.Expected, e.ID)
	case PutHealth:
		r.write("health:"+e.Record.Member, e.Record, e.Expected, e.ID)
	case PutOperation:
		r.write("operations:"+e.Operation.ID, e.Operation, e.Expected, e.ID)
	case PutMember:
		r.write("members:"+e.Spec.Name, e.Spec, e.Expected, e.ID)
	case DeleteMember:
		r.write("members:"+e.Member, nil, e.Expected, e.ID)
	case PutWork:
		r.putWork(e)
	case DropWork:
		r.dropWork(e)
	case EndUser:
		r.endUser(e)
	case OrderRotation:
		r.logf("order %s to replace %s", e.Order.Member, e.Order.Key)
	case OrderLeave:
		r.orderLeave(e)
	case ReadRecord:
		r.logf("read %s %s", e.Source, e.Name)
		r.soon(r.loaded(string(e.Source) + ":" + e.Name))
	case SendHubBeat:
		r.hubBeat(e)
	case AskProbe:
		r.probe(e)
	case Survey:
		r.survey(e)
	case Audit:
		report := placement.Readiness(e.Snapshot, e.Requests)
		r.later = append(r.later, later{r.now.Add(100 * time.Millisecond), Audited{report}})
	case PutEvent:
		if !r.quiet[e.Event.Type] {
			r.logf("%s: %s", e.Event.Type, e.Event.Text)
		}
	case Reply:
		r.replied(e)
	}
}

func (r *rig) soon(ev Event) { r.later = append(r.later, later{r.now, ev}) }

func (r *rig) write(k string, v any, expected federation.Revision, id uint64) {
	bucket, _, _ := strings.Cut(k, ":")
	how := r.takeFault(bucket)
	if r.store[k].revision != expected {
		how = "conflict"
	}
	switch how {
	case "conflict":
		r.logf("write %s conflicts", k)
		r.soon(WriteDone{ID: id, Outcome: Conflicted})
		return
	case "lost":
		r.logf("write %s lost", k)
		r.soon(WriteDone{ID: id, Outcome: Lost})
		return
	}
	rev := federation.Revision(0)
	if v == nil {
		delete(r.store, k)
	} else {
		rev = r.put(k, v)
	}
	if how == "unknown" {
		r.logf("write %s has no known outcome", k)
		r.soon(WriteDone{ID: id, Outcome: Lost})
		return
	}
	r.soon(WriteDone{ID: id, Revision: rev})
}

func (r *rig) takeFault(bucket string) string {
	for i, f := range r.faults {
		if f.bucket == bucket {
			r.faults = slices.Delete(r.faults, i, i+1)
			return f.how
		}
	}
	return ""
}

func (r *rig) putWork(e PutWork) {
	what := fmt.Sprintf("%d replicas", e.Work.Replicas)
	if e.Work.Removed {
		what = "removed"
	}
	if how := r.takeFault("works"); how != "" {
		r.logf("work %s to %s epoch %d is %s", e.Work.Workload, e.Work.Member, e.Work.Epoch, how)
		r.soon(WriteDone{ID: e.ID, Outcome: Lost})
		return
	}
	r.logf("work %s to %s epoch %d: %s%s", e.Work.Workload, e.Work.Member, e.Work.Epoch, what, sealedTo(e)+withRules(e)+withImage(e))
	r.members[e.Work.Member].inbox[e.Work.Workload] = e.Work
	r.soon(WriteDone{ID: e.ID})
}

func (r *rig) dropWork(e DropWork) {
	r.logf("drop %s in %s", e.Key, e.Member)
	delete(r.store, "status:"+e.Member+"/"+e.Key.String())
	r.soon(WriteDone{ID: e.ID})
}

func (r *rig) probe(e AskProbe) {
	target := r.members[e.Request.Member]
	r.probed = e.Request
	for _, v := range e.Vantages {
		if a := r.members[v]; v != "hub" && !a.alive {
			continue
		}
		reply := federation.ProbeReply{Member: e.Request.Member, Signal: federation.Green, Detail: "HTTP 200"}
		if !target.alive {
			reply = federation.ProbeReply{Member: e.Request.Member, Signal: federation.Red, Detail: "connection refused"}
		}
		reply.Ingress = target.ingress
		r.later = append(r.later, later{r.now.Add(20 * time.Millisecond), ProbeResult{v, reply}})
	}
}

func (r *rig) replied(e Reply) {
	if e.Refusal != nil {
		r.logf("refused (%s): %s", e.Refusal.Kind, e.Refusal.Text)
		return
	}
	switch a := e.Answer.(type) {
	case federation.HelloReply:
		r.logf("hello answered: %s keep %s stop %s %s", a.Health, holdings(a.Keep), holdings(a.Stop), a.Reason)
		for _, h := range a.Stop {
			r.stop(h)
		}
	case federation.Operation:
		r.logf("operation %s: %s", a.ID, a.State)
	case federation.Grant:
		r.logf("grant %s %s", a.TTL, a.Denied)
	case federation.Readiness:
		r.showReadiness(a)
	case federation.Replay:
		r.logf("replay %s: same %v: %s", a.Workload, a.Same, hexHash.ReplaceAllString(a.Detail, "HASH"))
	case federation.Simulation:
		b, _ := json.Marshal(a.Moves)
		r.logf("fits %v moves %s", a.Fits, b)
	case federation.MemberSpec:
		if a.User.Key != "" {
			r.logf("written")
		}
	case []federation.Evidence:
		r.showFarewell(a)
	case federation.SealReply:
		r.logf("seal settled %v", a.Settled)
	}
}

func holdings(list []federation.Holding) string {
	var out []string
	for _, h := range list {
		out = append(out, fmt.Sprintf("%s@%d", h.Workload, h.Epoch))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// stop removes what the hub's answer took from whoever said hello last.
func (r *rig) stop(h federation.Holding) {
	a := r.greeter
	if run := a.runs[h.Workload]; run != nil && run.work.Epoch <= h.Epoch {
		delete(a.runs, h.Workload)
		r.report(a, h.Workload, h.Epoch, federation.WorkRemoved, nil)
	}
}

// advance lets d pass: beats, works, probes, writes and deadlines in their order.
func (r *rig) advance(d time.Duration) {
	const tick = 50 * time.Millisecond
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(tick)
		r.deliver()
		for _, name := range sortedNames(r.members) {
			r.live(r.members[name])
		}
		r.deliver()
	}
}

func (r *rig) deliver() {
	for ticks := 0; ; {
		if i := slices.IndexFunc(r.later, func(l later) bool { return !l.at.After(r.now) }); i >= 0 {
			r.step(r.due(i)...)
			continue
		}
		at, ok := r.m.Deadline()
		if !ok || at.After(r.now) {
			return
		}
		if ticks++; ticks > 1000 {
			r.t.Fatal("the machine does not settle")
		}
		r.step(Tick{})
	}
}
