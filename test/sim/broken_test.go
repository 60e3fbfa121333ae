package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/member/guard"
)

// calm is a federation in which nothing goes wrong.
var calm = []string{
	"hub h1", "gateway g1",
	"member m1 region=eu-central", "member m2 region=us-east", "member m3 region=ap-northeast",
	"workload shop/web replicas=6 dwell=0s regions=2:3", "workload shop/once replicas=1 dwell=0s once names=m1,m2",
	"settle",
}

// lossAndReturn goes on with the loss of a member, and its return.
var lossAndReturn = append(slices.Clone(calm), "kill m1", "advance 60s", "start m1", "settle")

// isolated is the loss of the member that runs shop/once, which lives on.
var isolated = []string{"cut m1 h1", "cut m1 store", "cut m1 m2", "cut m1 m3", "advance 90s"}

// unheard is the member that runs shop/once without the hub, and with its peers, while the
// workload is to move.
var unheard = []string{"cut m1 h1", "cut m1 store", "advance 3s", "workload shop/once replicas=1 dwell=0s once names=m2", "advance 60s"}

// breakage is a broken machine, or a state of things, and the law or promise that
// sees it.
type breakage struct {
	sees   string
	script []string
	hooks  Hooks
}

// brokenLaws has a broken machine for each law. The first of the law "once" is a
// clock that runs slower than the lease allows for.
func brokenLaws() []breakage {
	return []breakage{
		{"invariant", calm, Hooks{HubEvent: shuffled}},
		{"edges", lossAndReturn, Hooks{HubEffect: beats(func(m *federation.MemberBeat) {
			if m.Health == federation.Quarantined || m.Health == federation.Reconciling || m.Health == federation.Returning {
				m.Health = federation.Healthy
			}
		})}},
		{"epochs", lossAndReturn, Hooks{HubEffect: assignments(func(a *federation.Assignment) { a.Epoch = min(a.Epoch, 2) })}},
		{"placement", calm, Hooks{HubEffect: assignments(func(a *federation.Assignment) {
			if len(a.Members) > 0 {
				a.Members[0].Replicas += 3
			}
		})}},
		{"old-order", lossAndReturn, Hooks{GuardEffect: landings(func(l guard.Land) []guard.Effect {
			if l.Work.Epoch > 2 {
				l.Work.Epoch = 1
			}
			return []guard.Effect{l}
		})}},
		{"stale-view", lossAndReturn, Hooks{GuardEffect: landings(func(l guard.Land) []guard.Effect {
			if l.Work.Epoch == 2 {
				return []guard.Effect{l}
			}
			return []guard.Effect{l, guard.Remove{Workload: l.Work.Workload, Epoch: l.Work.Epoch}}
		})}},
		{"needed", append(slices.Clone(calm), "advance 10s"), Hooks{HubEffect: hurries()}},
		{"retain", departs, Hooks{HubEvent: takes}},
		{"once", slices.Concat(calm, []string{"clock m1 0s drift=-60%", "crash m1 500ms", "settle"}, isolated), Hooks{}},
		{"once", slices.Concat(calm, isolated), Hooks{GuardEffect: func(e guard.Effect) []guard.Effect {
			if _, stop := e.(guard.Stop); stop {
				return nil
			}
			return []guard.Effect{e}
		}}},
		{"once", slices.Concat(calm, unheard), Hooks{GuardEffect: func(e guard.Effect) []guard.Effect {
			if word, ok := e.(guard.Attested); ok { // of a peer that does hear the hub
				for _, no := range word.Reply.Refused {
					word.Reply.Attested = append(word.Reply.Attested, federation.Attestation{Workload: no.Workload, Epoch: 2})
				}
				return []guard.Effect{word}
			}
			return []guard.Effect{e}
		}}},
		{"history", lossAndReturn, Hooks{GuardEffect: landings(func(l guard.Land) []guard.Effect {
			if l.Work.Continuity == federation.AtMostOne && l.Work.Member == "m2" {
				l.Work.Epoch = 1
			}
			return []guard.Effect{l}
		})}},
		{"rest", calm, Hooks{HubEvent: func(ev decision.Event) decision.Event {
			if _, tick := ev.(decision.Tick); tick {
				return nil
			}
			return ev
		}}},
		{"withdrawn", lossAndReturn, Hooks{GatewayBeat: func(b federation.HubBeat) federation.HubBeat {
			b.Members = slices.Clone(b.Members)
			for i := range b.Members {
				b.Members[i].Withdrawn = false
			}
			return b
		}}},
		{"agreed", []string{
			"hub h1", "hub h2", "hub h3", "gateway g1", "member m1 region=eu-central nodes=1", "advance 3s", "kill h1", "advance 3s",
		}, Hooks{Opinion: func(o federation.Opinion) federation.Opinion {
			o.Members = []federation.MemberOpinion{{Member: "m1", Withdrawn: true}}
			return o
		}}},
	}
}

// departs is a member that leaves while its workload is not ready elsewhere, for long.
var departs = append(slices.Clone(calm), "sick m2 shop/web 9", "sick m3 shop/web 9", "leave m1 retain", "advance 15s", "crash h1 1s", "advance 15s",
	"sick m2 shop/web 0", "sick m3 shop/web 0", "advance 20s")

// takes is a hub that reads that a member leaves in another way than it does.
func takes(ev decision.Event) decision.Event {
	if c, ok := ev.(decision.MemberChanged); ok && c.Spec.Leaving.Leaves() {
		c.Spec.Leaving.Remains = federation.Delete
		return c
	}
	return ev
}

// hurries is a hub that has a member let go of its cluster whatever it runs: in the place
// of a beat.
func hurries() func(decision.Effect) decision.Effect {
	beats := 0
	return func(e decision.Effect) decision.Effect {
		if _, ok := e.(decision.SendHubBeat); ok {
			beats++
		}
		if beats != 40 {
			return e
		}
		return decision.OrderLeave{Account: "m1", Order: federation.LeaveOrder{Member: "m1", ClusterID: "cluster-m1", Remains: federation.Retain}}
	}
}

// brokenPromises has one for each promise.
func brokenPromises() []breakage {
	return []breakage{
		{"leader", []string{"member m1 region=eu-central", "promises"}, Hooks{}},
		{"healthy", append(slices.Clone(lossAndReturn), "promises"), Hooks{GuardEffect: func(e guard.Effect) []guard.Effect {
			if hello, ok := e.(guard.SendHello); ok {
				hello.Hello.Synced = false
				return []guard.Effect{hello}
			}
			return []guard.Effect{e}
		}}},
		{"workloads", append(slices.Clone(calm), "promises"), Hooks{GuardEffect: landings(func(guard.Land) []guard.Effect { return nil })}},
		{"members", append(slices.Clone(calm), "delete shop/web", "promises"), Hooks{GuardEffect: func(e guard.Effect) []guard.Effect {
			if _, remove := e.(guard.Remove); remove {
				return nil
			}
			return []guard.Effect{e}
		}}},
		{"gateways", append(slices.Clone(calm), "promises"), Hooks{GatewayBeat: func(b federation.HubBeat) federation.HubBeat {
			b.Members = slices.Clone(b.Members)
			for i := range b.Members {
				b.Members[i].Withdrawn = true
			}
			return b
		}}},
		{"operations", slices.Concat(calm[:1], calm[2:], []string{"shift member=m1", "advance 5s", "promises"}), Hooks{}},
	}
}

// TestBrokenMachines breaks one machine for each law and each promise, and the
// simulated world has to see it. With whole machines it sees nothing.
func TestBrokenMachines(t *testing.T) {
	for _, c := range append(brokenLaws(), brokenPromises()...) {
		t.Run(c.sees, func(t *testing.T) {
			if _, err := Play(c.script, 1, c.hooks); kindOf(err) != c.sees {
				t.Errorf("the world sees %v", err)
			}
		})
	}
	for _, script := range [][]string{append(slices.Clone(lossAndReturn), "promises"), departs} {
		if _, err := Play(script, 1, Hooks{}); err != nil {
			t.Errorf("with whole machines: %v", err)
		}
	}
}

// TestEveryLawIsProven: no law and no promise without a broken machine that it
// sees, and none that the code knows beside the lists.
func TestEveryLawIsProven(t *testing.T) {
	for _, c := range []struct {
		list      []string
		breakages []breakage
		calls     []string // the functions that say, first, which one is broken
	}{
		{Laws, brokenLaws(), []string{"fail", "failf"}},
		{PromiseNames, brokenPromises(), []string{"unkept"}},
	} {
		var proven []string
		for _, b := range c.breakages {
			proven = append(proven, b.sees)
		}
		slices.Sort(proven)
		want := slices.Sorted(slices.Values(c.list))
		if !slices.Equal(slices.Compact(proven), want) {
			t.Errorf("broken machines prove %v; the list is %v", proven, want)
		}
		if known := firstWords(t, c.calls); !slices.Equal(known, want) {
			t.Errorf("the code knows %v; the list is %v", known, want)
		}
	}
}

// firstWords lists the literal first arguments of all calls of the functions in
// this package, tests apart, each once.
func firstWords(t *testing.T, functions []string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if word, ok := firstWord(n, functions); ok {
				found[word] = true
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// firstWord is the first argument of a call of one of the functions.
func firstWord(n ast.Node, functions []string) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	word, literal := call.Args[0].(*ast.BasicLit)
	if !literal || !slices.Contains(functions, name) {
		return "", false
	}
	text, err := strconv.Unquote(word.Value)
	return text, err == nil
}

// shuffled is what a store gives back that mixes up the shares of an assignment.
func shuffled(ev decision.Event) decision.Event {
	if a, ok := ev.(decision.AssignmentLoaded); ok {
		a.Assignment.Members = slices.Clone(a.Assignment.Members)
		slices.Reverse(a.Assignment.Members)
		return a
	}
	return ev
}

// beats changes every line of the hub's beats.
func beats(change func(*federation.MemberBeat)) func(decision.Effect) decision.Effect {
	return func(e decision.Effect) decision.Effect {
		b, ok := e.(decision.SendHubBeat)
		if !ok {
			return e
		}
		b.Beat.Members = slices.Clone(b.Beat.Members)
		for i := range b.Beat.Members {
			change(&b.Beat.Members[i])
		}
		return b
	}
}

// assignments changes every assignment that the hub writes.
func assignments(change func(*federation.Assignment)) func(decision.Effect) decision.Effect {
	return func(e decision.Effect) decision.Effect {
		p, ok := e.(decision.PutAssignment)
		if !ok {
			return e
		}
		p.Assignment.Members = slices.Clone(p.Assignment.Members)
		change(&p.Assignment)
		return p
	}
}

// landings changes every order to land.
func landings(change func(guard.Land) []guard.Effect) func(guard.Effect) []guard.Effect {
	return func(e guard.Effect) []guard.Effect {
		if l, ok := e.(guard.Land); ok {
			return change(l)
		}
		return []guard.Effect{e}
	}
}
