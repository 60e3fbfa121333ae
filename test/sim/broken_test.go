package sim

import (
	"errors"
	"slices"
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

// TestBrokenMachines breaks one machine for each law and each promise, and the
// simulated world has to see it. The law "invariant" is that of the machines'
// own Check, whose cases are in their packages.
func TestBrokenMachines(t *testing.T) {
	for _, c := range []struct {
		sees   string // the law or promise
		script []string
		hooks  Hooks
	}{
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
		{"once", append(slices.Clone(calm), "cut m1 h1", "cut m1 store", "cut m1 m2", "cut m1 m3", "advance 90s"), Hooks{GuardEffect: func(e guard.Effect) []guard.Effect {
			if _, stop := e.(guard.Stop); stop {
				return nil
			}
			return []guard.Effect{e}
		}}},
		{"withdrawn", lossAndReturn, Hooks{GatewayBeat: func(b federation.HubBeat) federation.HubBeat {
			b.Members = slices.Clone(b.Members)
			for i := range b.Members {
				b.Members[i].Withdrawn = false
			}
			return b
		}}},

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
	} {
		t.Run(c.sees, func(t *testing.T) {
			_, err := Play(c.script, 1, c.hooks)
			var law *Broken
			var promise *Unkept
			switch {
			case errors.As(err, &law) && law.Law == c.sees, errors.As(err, &promise) && promise.Promise == c.sees:
			default:
				t.Errorf("the world sees %v", err)
			}
		})
	}
	if _, err := Play(append(slices.Clone(lossAndReturn), "promises"), 1, Hooks{}); err != nil {
		t.Errorf("with whole machines: %v", err)
	}
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
