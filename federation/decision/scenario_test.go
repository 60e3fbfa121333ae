package decision

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/hansa-io/hansa/federation"
)

// TestScenarios runs the files of testdata against one hub with members that
// obey. Lines are commands:
//
//	members NAME=REGION...           join; each has 40 cores
//	workload NS/NAME replicas=N [dwell=D] [mode=M] [rto=D] [once] [duplicated] [own=MEMBER:N] [aggregated] [spread] [in=A,B]
//	    [cpu=MILLI] [tolerate=KEY:SECONDS] [score=NAME:WEIGHT] [tier=N] [preempts] [secret] [gold=IMAGE] [many=IMAGE]
//	delete NS/NAME
//	kill NAME   start NAME   mute NAME   unmute NAME   slow NAME D
//	advance D   restart      gateway
//	fault BUCKET conflict|lost|unknown     what happens to the next write there
//	drill SCOPE LEVEL [hold=D]   op VERB SCOPE   abort   approve   freeze   unfreeze
//	member NAME ACTION [ARGUMENT]   cordon, uncordon, drain, undrain, confirm, leave, taint, untaint, label, unlabel
//	stuck NAME NS/NAME N         so many replicas find no node there
//	rebalance [NS/NAME] [dry] [budget=N]   replay NS/NAME   readiness   diff NS/NAME
//	busy NAME MILLI              the member reports that so much CPU is taken
//	feed NAME age=D MEMBER=V...  a score from outside
//	nodes NAME N                 the member reports that it has so many
//	rule NAME [KIND READY]       a status rule; without a kind it is removed
//	renew NAME NS/NAME EPOCH [held]   describe NAME
//	spoil NS/NAME                its record cannot be read any more
//	seal NAME KEY                an agent offers a key; rejoin NAME KEY: one that lost its state
//	using NAME KEY [AGE]         an agent is on the bus with that user
//	rotate NAME KEY NEWKEY [offbus] [skew=D] [cluster=ID]   it asks for another
//	reluctant NAME TEXT...       when it is to let go of its cluster, that holds it up; willing NAME: no more
//	ingress NAME up|down         where its users come in; seen NAME: what others see of that
//	show [assignments] [health] [operations] [report] [keys] [users] [strays]
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		r := newRig(t)
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string { return r.play(d) })
	})
}

// play runs the lines of one test and returns what happened.
func (r *rig) play(d *datadriven.TestData) string {
	r.lines = nil
	for _, line := range append([]string{d.Cmd + argText(d)}, strings.Split(d.Input, "\n")...) {
		if f := strings.Fields(line); len(f) > 0 {
			r.command(f[0], f[1:])
		}
	}
	if len(r.lines) == 0 {
		return "ok\n"
	}
	return r.nameIDs(strings.Join(r.lines, "\n")) + "\n"
}

func argText(d *datadriven.TestData) string {
	var b strings.Builder
	for _, a := range d.CmdArgs {
		b.WriteString(" " + a.String())
	}
	return b.String()
}

var hexID = regexp.MustCompile(`\b[0-9a-f]{8}\b`)

// nameIDs replaces the IDs of operations by op1, op2, … in the order in which
// they were started.
func (r *rig) nameIDs(s string) string {
	return hexID.ReplaceAllStringFunc(s, func(id string) string {
		n := 1
		mine := r.m.operations[id]
		if mine == nil {
			return id
		}
		for _, o := range r.m.operations {
			if o.value().CreatedAt.Before(mine.value().CreatedAt) {
				n++
			}
		}
		return fmt.Sprintf("op%d", n)
	})
}

func (r *rig) command(cmd string, args []string) {
	commands := map[string]func([]string){
		"members": r.cmdMembers, "workload": r.cmdWorkload, "delete": r.cmdDelete, "advance": r.cmdAdvance,
		"kill": r.cmdKill, "start": r.cmdStart, "mute": r.cmdMute, "unmute": r.cmdUnmute, "slow": r.cmdSlow,
		"restart": r.cmdRestart, "gateway": r.cmdGateway, "fault": r.cmdFault, "drill": r.cmdDrill, "op": r.cmdOp,
		"abort": r.cmdAbort, "approve": r.cmdApprove, "freeze": r.cmdFreeze, "unfreeze": r.cmdUnfreeze,
		"member": r.cmdMember, "renew": r.cmdRenew, "show": r.cmdShow, "hello": r.cmdHello,
		"sick": r.cmdSick, "stuck": r.cmdStuck, "rebalance": r.cmdRebalance, "replay": r.cmdReplay, "readiness": r.cmdReadiness, "feed": r.cmdFeed, "diff": r.cmdDiff, "busy": r.cmdBusy,
		"way": r.cmdWay, "ways": r.cmdWays, "queries": r.cmdQueries, "safety": r.cmdSafety, "seal": r.cmdSeal, "rejoin": r.cmdRejoin, "spoil": r.cmdSpoil,
		"rotate": r.cmdRotate, "using": r.cmdUsing, "rule": r.cmdRule, "reluctant": r.cmdReluctant, "willing": r.cmdReluctant, "describe": r.cmdDescribe, "nodes": r.cmdNodes,
		"ingress": r.cmdIngress, "seen": r.cmdSeen,
	}
	run, ok := commands[cmd]
	if !ok {
		r.t.Fatalf("no command %q", cmd)
	}
	run(args)
}

func (r *rig) ok(err error) {
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	r.ok(err)
	return d
}

func (r *rig) cmdMembers(args []string) {
	for _, a := range args {
		name, region, _ := strings.Cut(a, "=")
		m := &actor{
			name: name, region: region, alive: true, inc: 1, ready: 2 * time.Second,
			runs: map[federation.Key]*run{}, inbox: map[federation.Key]federation.Work{}, nodeless: map[federation.Key]int64{}, sick: map[federation.Key]int64{},
		}
		r.members[name] = m
		spec := federation.MemberSpec{
			Name: name, Place: federation.Place{Region: region}, Account: "A" + name, ClusterID: "id-" + name,
			ProbeURL: "https://" + name,
		}
		r.step(MemberChanged{spec, r.put("members:"+name, spec)})
		room := federation.Resources{MilliCPU: 40000, MemoryBytes: 64 << 30, Pods: 200}
		facts := federation.MemberFacts{
			Member: name, Incarnation: 1, Sequence: 0, Nodes: 1, NodesReady: 1, Allocatable: room, Free: room, Kinds: []string{"apps/v1/Deployment", "v1/Secret", "v1/Service"},
			Classes: []federation.NodeClass{{Nodes: 1, Allocatable: room, Room: room, Free: []federation.Resources{room}}},
		}
		r.put("facts:"+name, facts)
		r.step(FactsChanged{facts})
	}
	r.advance(4 * time.Second)
	r.lines = nil
}

func (r *rig) cmdWorkload(args []string) {
	key, err := federation.ParseKey(args[0])
	r.ok(err)
	w := federation.Workload{Key: key}
	replicas, cpu := "1", "100"
	w.Placement.Failover.Dwell = "5s"
	for _, a := range args[1:] {
		name, v, _ := strings.Cut(a, "=")
		switch name {
		case "replicas":
			replicas = v
		case "cpu":
			cpu = v
		case "dwell":
			w.Placement.Failover.Dwell = v
		case "mode":
			w.Placement.Failover.Mode = v
		case "rto":
			w.Placement.Failover.Objective.RTO = federation.Duration(r.duration(v))
		case "once":
			w.Placement.Failover.Continuity, w.Placement.Failover.Lease = federation.AtMostOne, v
		case "after":
			w.Placement.Failover.After = []string{v}
		case "spread":
			w.Placement.Spread = []federation.SpreadConstraint{{By: "region", MaxSkew: 1}}
		case "tolerate":
			w.Placement.Members.Tolerations = append(w.Placement.Members.Tolerations, r.toleration(v))
		case "score":
			name, weight, _ := strings.Cut(v, ":")
			n, err := strconv.ParseFloat(weight, 64)
			r.ok(err)
			w.Placement.Scores = map[string]float64{name: n}
		case "tier":
			n, err := strconv.Atoi(v)
			r.ok(err)
			w.Placement.Failover.Tier = n
		case "preempts":
			w.Placement.Preemption = "LowerTiers"
		case "demand":
			w.Placement.Replicas.By = "Demand"
			w.Objects = append(w.Objects, serviceOf(key))
		case "users":
			w.Placement.Geo.Users = append(w.Placement.Geo.Users, federation.UserShare{At: v, Share: 1})
		case "farthest":
			w.Placement.Geo.MaxLatency = federation.Duration(r.duration(v))
		case "aggregated":
			w.Placement.Replicas.By = "Aggregated"
		case "gold", "many":
			w.Placement.Overrides = append(w.Placement.Overrides, overriding(name, v))
		case "duplicated":
			w.Placement.Replicas.Mode = "Duplicated"
		case "own":
			w.Placement.Overrides = append(w.Placement.Overrides, r.own(v))
		case "service":
			w.Objects = append(w.Objects, serviceOf(key))
		case "secret":
			w.Objects = append(w.Objects, secretFor(key))
		case "in":
			w.Placement.Members.Names = strings.Split(v, ",")
		default:
			r.t.Fatalf("workload: no option %q", name)
		}
	}
	raw := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":%q,"name":%q},"spec":{"replicas":%s,
		"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"%sm","memory":"1Mi"}}}]}}}}`,
		key.Namespace, key.Name, replicas, cpu)
	w.Objects = append(w.Objects, federation.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: key.Namespace, Name: key.Name, Raw: json.RawMessage(raw)})
	w.Revision = r.put("workloads:"+key.String(), w)
	r.step(WorkloadChanged{w})
}

// own reads MEMBER:N.
func (r *rig) own(text string) federation.Override {
	member, number, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	r.ok(err)
	return federation.Override{
		Members:  federation.LabelSelector{MatchExpressions: []federation.Requirement{{Key: "name", Operator: "In", Values: []string{member}}}},
		Replicas: n,
	}
}

func serviceOf(k federation.Key) federation.Object {
	raw := fmt.Sprintf(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":%q,"name":%q}}`, k.Namespace, k.Name)
	return federation.Object{APIVersion: "v1", Kind: "Service", Namespace: k.Namespace, Name: k.Name, Raw: json.RawMessage(raw)}
}

// cmdSafety sets the limits of the next hub.
func (r *rig) cmdSafety(args []string) {
	for _, a := range args {
		name, v, _ := strings.Cut(a, "=")
		n, err := strconv.ParseFloat(v, 64)
		r.ok(err)
		switch name {
		case "headroom":
			r.brake.Headroom = n
		case "places":
			r.brake.Places = int(n)
		}
	}
}

func (r *rig) cmdDelete(args []string) {
	key, err := federation.ParseKey(args[0])
	r.ok(err)
	delete(r.store, "workloads:"+args[0])
	r.step(WorkloadDeleted{key})
}

func (r *rig) cmdAdvance(args []string) { r.advance(r.duration(args[0])) }

func (r *rig) cmdKill(args []string) {
	for _, n := range args {
		r.members[n].alive = false
	}
}

func (r *rig) cmdStart(args []string) {
	for _, n := range args {
		a := r.members[n]
		a.alive, a.helloA = true, time.Time{}
		a.inc++
		a.seq = 0
	}
}

func (r *rig) cmdMute(args []string)   { r.members[args[0]].mute = true }
func (r *rig) cmdUnmute(args []string) { r.members[args[0]].mute = false }
func (r *rig) cmdSlow(args []string)   { r.members[args[0]].ready = r.duration(args[1]) }
func (r *rig) cmdRestart([]string)     { r.boot() }
func (r *rig) cmdGateway([]string)     { r.gateway = true }

func (r *rig) cmdFault(args []string) {
	r.faults = append(r.faults, fault{args[0], args[1]})
}

func (r *rig) cmdDrill(args []string) {
	r.operation("drill", args[0], args[1], args[2:])
}

func (r *rig) cmdOp(args []string) { r.operation(args[0], args[1], "", args[2:]) }

func (r *rig) operation(verb, scope, level string, opts []string) {
	s, err := federation.ParseScope(scope)
	r.ok(err)
	req := federation.OperationRequest{Verb: verb, Scope: s, Level: level, Initiator: "ann"}
	for _, o := range opts {
		if v, ok := strings.CutPrefix(o, "hold="); ok {
			req.Hold = r.duration(v)
		}
		if v, ok := strings.CutPrefix(o, "budget="); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			r.ok(err)
			req.Budget = n
		}
		if v, ok := strings.CutPrefix(o, "to="); ok {
			req.To, err = federation.ParseScope(v)
			r.ok(err)
		}
		if o == "dry" {
			req.Mode = federation.DryRun
		}
	}
	r.asked++
	r.step(OperationRequested{r.asked, req})
}

// current is the operation that runs now.
func (r *rig) current() string {
	for _, o := range r.m.runningOperations() {
		return o.id
	}
	return "none"
}

func (r *rig) cmdAbort([]string) {
	r.asked++
	r.step(AbortRequested{r.asked, federation.AbortRequest{ID: r.current(), Who: "ann"}})
}

func (r *rig) cmdApprove([]string) {
	r.asked++
	r.step(ApproveRequested{r.asked, r.current(), "ann"})
}

func (r *rig) cmdFreeze([]string) {
	r.asked++
	r.step(FreezeRequested{Request: r.asked, Frozen: true, Reason: "incident", Who: "ann"})
}

func (r *rig) cmdUnfreeze([]string) {
	r.asked++
	r.step(FreezeRequested{Request: r.asked, Who: "ann"})
}

func (r *rig) cmdMember(args []string) {
	r.asked++
	change := federation.MemberChange{Member: args[0], Action: args[1], Argument: strings.Join(args[2:], " "), Who: "ann"}
	r.step(MemberCommand{r.asked, change})
}

func (r *rig) cmdRenew(args []string) {
	key, err := federation.ParseKey(args[1])
	r.ok(err)
	epoch, err := strconv.ParseUint(args[2], 10, 64)
	r.ok(err)
	r.asked++
	r.step(RenewArrived{r.asked, federation.RenewRequest{Member: args[0], Workload: key, Epoch: federation.Epoch(epoch), Held: len(args) > 3}})
}

func (r *rig) cmdHello(args []string) { r.hello(r.members[args[0]]) }

func (r *rig) cmdShow(args []string) {
	for _, what := range args {
		switch what {
		case "assignments":
			for _, a := range r.m.Assignments() {
				r.logf("%s epoch %d: %s unmet %d (%s)", a.Workload, a.Epoch, shares(a), a.Unmet, a.Reason)
			}
		case "health":
			for _, b := range r.beat.Members {
				r.logf("%s %s withdrawn=%v masked=%v", b.Member, b.Health, b.Withdrawn, b.Masked)
			}
		case "operations":
			for _, o := range r.m.Operations() {
				r.logf("%s %s %s: %s %s %s", o.Request.Verb, o.ID, o.Request.Scope, o.State, o.Verdict, o.Reason)
			}
		case "report":
			r.showReports()
		case "keys":
			r.showKeys()
		case "users":
			r.showUsers()
		case "strays":
			r.showStrays()
		}
	}
}

func (r *rig) showReports() {
	for _, o := range r.m.Operations() {
		var marks []string
		for i := range 12 {
			if at, ok := o.Marks[federation.Mark(fmt.Sprintf("T%d", i))]; ok {
				marks = append(marks, fmt.Sprintf("T%d=%s", i, at.Sub(o.Marks[federation.T0Fault])))
			}
		}
		r.logf("%s %s: %s rto=%s downtime=%s detect=%s", o.ID, o.Verdict, strings.Join(marks, " "), o.Achieved.RTO, o.Achieved.Downtime, o.Achieved.Detect)
		for _, w := range o.Workloads {
			r.logf("  %s %s rto=%s downtime=%s from %v to %v %s", w.Workload, w.Verdict, w.Achieved.RTO, w.Achieved.Downtime, w.From, w.To, w.Reason)
		}
	}
}
