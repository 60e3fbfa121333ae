package net

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkCut cuts the member of the at-most-one workload off in both directions, until
// everything runs elsewhere, and heals it.
func checkCut(t *testing.T, f *federation) {
	home := f.watch.home()
	before := f.holds(t, home)
	r := row{fault: "member cut off, both directions", begin: time.Now()}
	f.drop(t, all(home)...)
	f.awaitLoss(t, home, &r)
	kept := rest(before)
	moved := await(t, patience, func() string {
		for _, line := range kept {
			if now := f.holds(t, home); !slices.Contains(now, line) {
				t.Fatalf("%s deleted %s while it was cut off", home, line)
			}
		}
		if now := f.watch.home(); now == "" || now == home {
			return fmt.Sprintf("%s runs in %q", single, now)
		}
		return ""
	})
	r.note = fmt.Sprintf("at-most-one runs elsewhere after %s; ", since(r.begin, moved))
	f.heal(t)
	f.awaitReturn(t, home, &r)
}

// awaitLoss waits for the verdict, the withdrawal and the replacement of web.
func (f *federation) awaitLoss(t *testing.T, member string, r *row) {
	t.Helper()
	r.proofs = f.said("Reconciling")
	await(t, patience, func() string {
		if serving, err := f.serving(); r.withdrawn.IsZero() && err == nil && serving[member] == 0 {
			r.withdrawn = time.Now()
		}
		if r.verdict.IsZero() && f.is(member, "Unreachable") == "" {
			r.verdict = time.Now()
		}
		if r.replaced.IsZero() && f.wanted(t, member) == webReplicas {
			r.replaced = time.Now()
		}
		if r.verdict.IsZero() || r.withdrawn.IsZero() || r.replaced.IsZero() {
			return fmt.Sprintf("%s is lost: %+v", member, *r)
		}
		return ""
	})
}

// awaitReturn waits until a lost member is back, and looks at the way that it took.
func (f *federation) awaitReturn(t *testing.T, member string, r *row) {
	t.Helper()
	r.healed = time.Now()
	r.restored = f.awaitSteady(t)
	if f.said("Reconciling") == r.proofs { // which needs the proof
		t.Errorf("%s came back without proof that what it may not run has stopped", member)
	}
	r.note += f.states()
	*f.rows = append(*f.rows, *r)
}

// checkOneWay cuts one direction between the hub and the member of the at-most-one
// workload. Others still reach it, so it is not lost, and nothing that may run in
// several members moves. The lease cannot be renewed, so the at-most-one workload
// stops, and may be started elsewhere; the watch sees that it never runs twice.
func checkOneWay(t *testing.T, f *federation, toHub bool) {
	home := f.watch.home()
	from, to := hub, home
	if toHub {
		from, to = home, hub
	}
	before := rest(f.holds(t, home))
	var stopped time.Time
	r := row{fault: "hub → member cut", begin: time.Now()}
	if toHub {
		r.fault = "member → hub cut"
	}
	f.drop(t, fromTo(from, to))
	throughout(t, 20*time.Second, func() string {
		now := f.holds(t, home)
		for _, line := range before {
			if !slices.Contains(now, line) {
				return home + " lost " + line
			}
		}
		if stopped.IsZero() && f.watch.runsIn(home) == 0 {
			stopped = time.Now()
		}
		return f.noVerdict()
	})
	r.note = f.verdict(home) + "; at-most-one stops after " + since(r.begin, stopped) + "; "
	f.heal(t)
	r.healed = time.Now()
	r.restored = f.awaitSteady(t)
	if wrong := f.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	r.note += f.states()
	if now := f.watch.home(); now != home {
		r.note += "; at-most-one went to " + now
	}
	*f.rows = append(*f.rows, r)
}

// verdict is the row of the truth table that the hub has for a member.
func (f *federation) verdict(member string) string {
	members, err := f.members()
	if err != nil {
		return err.Error()
	}
	return members[member].Status.Verdict
}

// told is the verdict, whose reason has to say what is said of the member's agent.
func (f *federation) told(t *testing.T, member, ofAgent string) string {
	t.Helper()
	members, err := f.members()
	if err != nil {
		t.Error(err)
	}
	if reason := members[member].Status.Reason; !strings.Contains(reason, ofAgent) {
		t.Errorf("%s is what it is since %q, which does not say that %q", member, reason, ofAgent)
	}
	return members[member].Status.Verdict
}

// checkBlackHole loses what one member and the bus say to each other, without any
// reset; everybody else reaches it.
func checkBlackHole(t *testing.T, f *federation) {
	victim := f.other()
	port := strings.TrimPrefix(busPort, ":")
	f.still(t, row{fault: "bus connection black-holed"}, 12*time.Second, trouble{
		breaks: func() {
			f.drop(t, "iifname p-"+victim+" ip protocol tcp tcp dport "+port, "oifname p-"+victim+" ip protocol tcp tcp sport "+port)
		},
		heals: func() { f.heal(t) },
		look:  func() string { return f.told(t, victim, "its agent answers hub") },
	})
}

// other is a member that does not have the at-most-one workload.
func (f *federation) other() string {
	if f.watch.home() == "frankfurt" {
		return "virginia"
	}
	return "frankfurt"
}

func checkLoss(t *testing.T, f *federation) {
	f.still(t, row{fault: "5 % loss and 100 ms delay, each way"}, 30*time.Second, trouble{
		breaks: func() { f.wire.spoil(5, 100*time.Millisecond) },
		heals:  func() { f.wire.spoil(0, 0) },
		look:   func() string { return fmt.Sprintf("%d frames lost", f.wire.lost.Load()) },
	})
}

func checkBlip(t *testing.T, f *federation) {
	victim := f.watch.home()
	f.still(t, row{fault: "cut off for 1 s"}, time.Second, trouble{
		breaks: func() { f.drop(t, all(victim)...) },
		heals:  func() { f.heal(t) },
		look:   func() string { return f.verdict(victim) },
	})
}
