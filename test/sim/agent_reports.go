package sim

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
)

// observe notes that the pods of a workload changed.
func (a *agent) observe(k federation.Key) {
	a.correct(k)
	r := a.reports[k]
	if r == nil {
		r = &report{}
		if a.on.cluster.landed[k] == nil {
			return
		}
		a.reports[k] = r
	}
	r.dirty = true
	a.factsDue = true
	a.send(k)
}

// report takes what the guard says of a workload, or, empty, lets the cluster
// speak again.
func (a *agent) report(k federation.Key, v report) {
	r := a.reports[k]
	if r == nil {
		r = &report{}
		a.reports[k] = r
	}
	r.said, r.epoch, r.rev, r.dirty = v.said, v.epoch, v.rev, true
	a.send(k)
}

// send reports one workload, the newest state only, until the hub has stored it.
func (a *agent) send(k federation.Key) {
	r := a.reports[k]
	if r.busy || !r.dirty {
		return
	}
	r.busy, r.dirty = true, false
	failed := func() {
		a.w.After(a.name, reportRetry, func() {
			r.busy, r.dirty = false, true
			a.send(k)
		})
	}
	hub := a.w.leading()
	a.w.Call(Link{a.name, hub}, status{a.status(k, r)}, askTimeout, func(answer any, ok bool) {
		if _, done := answer.(stored); !ok || !done {
			failed()
			return
		}
		a.w.Call(Link{a.name, hub}, export{a.export(k)}, askTimeout, func(answer any, ok bool) {
			if _, done := answer.(stored); !ok || !done {
				failed()
				return
			}
			r.busy = false
			a.send(k)
		})
	})
}

func (a *agent) status(k federation.Key, r *report) federation.WorkStatus {
	a.reported++
	s := federation.WorkStatus{
		Workload: k, Member: a.name, Incarnation: a.on.incarnation, Sequence: a.reported,
		Epoch: r.epoch, WorkloadRevision: r.rev, State: r.said, ObservedAt: a.wall(),
	}
	l := a.on.cluster.landed[k]
	switch {
	case l != nil && r.said == "":
		s.Epoch, s.WorkloadRevision, s.Replicas, s.Ready = l.work.Epoch, l.work.WorkloadRevision, l.work.Replicas, l.ready
		s.State = federation.WorkProgressing
		if l.runs && l.ready >= l.work.Replicas {
			s.State = federation.WorkReady
		}
	case l != nil:
		s.Replicas, s.Ready = l.work.Replicas, l.ready
	case r.said == "":
		s.State = federation.WorkPending
	}
	return s
}

// export is the member's share of the service that every workload has.
func (a *agent) export(k federation.Key) federation.Export {
	a.reported++
	e := federation.Export{
		Member: a.name, Incarnation: a.on.incarnation, Sequence: a.reported, Service: k, Type: "ClusterSetIP",
		Ports: []federation.Port{{Name: "http", Protocol: "TCP", Port: 80, Target: 8080}}, ObservedAt: a.wall(),
	}
	l := a.on.cluster.landed[k]
	if l == nil {
		e.Removed = true
		return e
	}
	for i := range l.ready {
		e.Endpoints = append(e.Endpoints, federation.Endpoint{Address: fmt.Sprintf("%s-%d", a.name, i), Ready: true, Serving: true})
	}
	return e
}

// sendFacts reports the member's capacity, the newest only.
func (a *agent) sendFacts() {
	if !a.factsDue || a.asking || !a.on.cluster.serves() {
		return
	}
	a.factsDue, a.asking = false, true
	a.w.Call(Link{a.name, a.w.leading()}, facts{a.facts()}, askTimeout, func(answer any, ok bool) {
		a.asking = false
		if _, done := answer.(stored); !ok || !done {
			a.factsDue = true
		}
	})
}

func (a *agent) facts() federation.MemberFacts {
	a.reported++
	n := a.on.nodes
	all := federation.Resources{MilliCPU: 8000 * n, MemoryBytes: n << 34, Pods: 110 * n}
	free := all
	for _, k := range a.on.cluster.keys() {
		l := a.on.cluster.landed[k]
		free.MilliCPU -= l.work.Replicas * perReplica
		free.Pods -= l.work.Replicas
	}
	return federation.MemberFacts{
		Member: a.name, Incarnation: a.on.incarnation, Sequence: a.reported, KubernetesVersion: "v1.37.0",
		Nodes: n, NodesReady: n, NodeKind: "simulated", Allocatable: all, Free: free, ObservedAt: a.wall(),
	}
}
