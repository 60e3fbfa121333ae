package net

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// checkPausedMember stops the process of a member, cluster and agent, and lets it go
// on: it is lost meanwhile, and comes back as any other.
func checkPausedMember(t *testing.T, f *federation) {
	victim := "frankfurt" // one whose agent is in the same process
	if f.watch.home() == victim {
		victim = "tokyo"
	}
	p := f.processes[victim]
	r := row{fault: "member paused (cluster and agent)", begin: time.Now()}
	p.signal(t, syscall.SIGSTOP)
	f.awaitLoss(t, victim, &r)
	p.signal(t, syscall.SIGCONT)
	f.awaitReturn(t, victim, &r)
}

// checkPausedAgent stops an agent beside a cluster that goes on.
func checkPausedAgent(t *testing.T, f *federation) {
	p := f.processes[agent]
	f.still(t, row{fault: "agent alone paused for 8 s"}, 8*time.Second, trouble{
		breaks: func() { p.signal(t, syscall.SIGSTOP) },
		heals:  func() { p.signal(t, syscall.SIGCONT) },
		look:   func() string { return f.told(t, "virginia", "its agent does not answer hub") }, leaseEnds: true,
	})
}

// checkPausedHub stops the hub, and with it the bus, for longer than any lease lasts: what
// runs once goes on by the word of its peers.
func checkPausedHub(t *testing.T, f *federation) {
	p := f.processes[hub]
	f.still(t, row{fault: "hub paused for 20 s"}, 20*time.Second, trouble{
		breaks: func() { p.signal(t, syscall.SIGSTOP) },
		heals:  func() { p.signal(t, syscall.SIGCONT) },
	})
}

// checkKilledMember kills a member, cluster and agent, and starts it again: what
// was written meanwhile is kept.
func checkKilledMember(t *testing.T, f *federation) {
	victim := "frankfurt"
	if f.watch.home() == victim {
		victim = "tokyo"
	}
	p := f.processes[victim]
	r := row{fault: "member kill -9", begin: time.Now()}
	p.kill()
	f.awaitLoss(t, victim, &r)
	var acknowledged []string
	for i := range 5 {
		name := fmt.Sprintf("meanwhile-%d", i)
		if err := f.apply(t, note(name)); err != nil {
			t.Error(err)
		}
		acknowledged = append(acknowledged, name)
	}
	p.start(t)
	f.awaitReturn(t, victim, &r)
	f.checkKnown(t, acknowledged)
}

// checkKilledHub kills the hub in the middle of writes and starts it again: what was
// acknowledged is there afterwards, in every member, and nothing moved.
func checkKilledHub(t *testing.T, f *federation) {
	before := f.picture(t)
	p := f.processes[hub]
	r := row{fault: "hub kill -9 while it is written to"}
	var acknowledged []string
	for i := range 60 {
		name := fmt.Sprintf("note-%d", i)
		if i == 20 {
			r.begin = time.Now()
			go p.kill()
		}
		if err := f.apply(t, note(name)); err != nil {
			r.note = fmt.Sprintf("%d writes acknowledged before the kill; ", len(acknowledged))
			break
		}
		acknowledged = append(acknowledged, name)
	}
	p.kill()
	p.start(t)
	r.healed = time.Now()
	f.awaitGateway(t)
	for i := range 5 {
		name := fmt.Sprintf("later-%d", i)
		if err := f.apply(t, note(name)); err != nil {
			t.Errorf("after the start: %v", err)
		}
		acknowledged = append(acknowledged, name)
	}
	f.awaitNotes(t, acknowledged)
	r.restored = f.awaitSteady(t)
	if wrong := f.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	f.checkUnmoved(t, before, true)
	r.note += f.states()
	*f.rows = append(*f.rows, r)
}

// checkKnown: what was acknowledged is there.
func (f *federation) checkKnown(t *testing.T, names []string) {
	t.Helper()
	list := f.hansa(t, "get", "workloads", "-n", namespace, "-o", "json")
	for _, name := range names {
		if !strings.Contains(list, `"`+name+`"`) {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
}

// awaitNotes waits until every acknowledged note is known and landed. One that a new
// hub placed before it had heard of every member may lack some: a known fault.
func (f *federation) awaitNotes(t *testing.T, names []string) {
	t.Helper()
	f.checkKnown(t, names)
	await(t, patience, func() string {
		var there []string
		for _, member := range memberNames {
			list, err := f.clusters[member].configMaps()
			if err != nil {
				return err.Error()
			}
			there = append(there, list...)
		}
		for _, name := range names {
			if !slices.Contains(there, name) {
				return name + " is in no member"
			}
		}
		return ""
	})
}
