package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// live is 50 ms in the life of a member: it beats every 250 ms, takes its works,
// tells what became ready, and says hello when it is on its way back.
func (r *rig) live(a *actor) {
	if !a.alive {
		return
	}
	if r.now.Sub(epochStart)%(250*time.Millisecond) == 0 && !a.mute {
		a.seq++
		r.step(BeatArrived{federation.Beat{
			Member: a.name, Incarnation: a.inc, Sequence: a.seq, HubSequence: r.beat.Sequence,
			Layers: federation.Layers{API: federation.Green, Etcd: federation.Green, Nodes: 5, NodesReady: 5}, IngressAt: a.ingressAt(), Peers: r.peers(a),
		}})
	}
	if a.leaving.ordered {
		r.letGo(a)
		return
	}
	line := federation.MemberBeat{}
	for _, b := range r.beat.Members {
		if b.Member == a.name {
			line = b
		}
	}
	back := line.Health == federation.Returning || line.Health == federation.Quarantined || line.Health == federation.Reconciling
	if back && r.now.Sub(a.helloA) >= time.Second {
		a.helloA = r.now
		r.hello(a)
	}
	if !back && line.Health != federation.Unreachable {
		r.take(a)
	}
	for _, k := range runKeys(a) {
		if run := a.runs[k]; run.told == "" && !r.now.Before(run.readyAt) {
			run.told = "ready"
			r.report(a, k, run.work.Epoch, federation.WorkReady, run)
		}
	}
}

func runKeys(a *actor) []federation.Key {
	set := map[federation.Key]bool{}
	for k := range a.runs {
		set[k] = true
	}
	return sortedKeys(set)
}

func (r *rig) hello(a *actor) {
	h := federation.Hello{Member: a.name, Incarnation: a.inc, ClusterID: "id-" + a.name, Synced: true}
	for _, k := range runKeys(a) {
		h.Holdings = append(h.Holdings, federation.Holding{Workload: k, Epoch: a.runs[k].work.Epoch})
	}
	r.asked++
	r.greeter = a
	r.step(HelloArrived{r.asked, h})
}

// take obeys the works in the inbox, unless they are older than what runs.
func (r *rig) take(a *actor) {
	set := map[federation.Key]bool{}
	for k := range a.inbox {
		set[k] = true
	}
	for _, k := range sortedKeys(set) {
		w := a.inbox[k]
		delete(a.inbox, k)
		old := a.runs[k]
		switch {
		case old != nil && w.Epoch < old.work.Epoch:
			r.logf("%s refuses %s epoch %d", a.name, k, w.Epoch)
		case w.Removed:
			delete(a.runs, k)
			r.report(a, k, w.Epoch, federation.WorkRemoved, nil)
		default:
			run := &run{work: w, readyAt: r.now.Add(a.ready)}
			if old != nil && old.work.Replicas >= w.Replicas && old.told != "" {
				run.readyAt = r.now
			}
			a.runs[k] = run
			if run.readyAt.After(r.now) {
				ready := int64(0)
				if old != nil {
					ready = old.work.Replicas
				}
				r.status(a, federation.WorkStatus{State: federation.WorkProgressing, Ready: ready, Replicas: w.Replicas}, w)
			}
		}
	}
}

func (r *rig) report(a *actor, k federation.Key, e federation.Epoch, s federation.WorkState, run *run) {
	st := federation.WorkStatus{State: s}
	w := federation.Work{Workload: k, Epoch: e}
	if run != nil {
		w = run.work
		st.Replicas, st.Ready = w.Replicas, w.Replicas
	}
	r.status(a, st, w)
}

func (r *rig) status(a *actor, st federation.WorkStatus, w federation.Work) {
	a.reports++
	st.Workload, st.Member, st.Incarnation, st.Sequence = w.Workload, a.name, a.inc, a.reports
	st.Epoch, st.WorkloadRevision, st.RulesDigest, st.Variant = w.Epoch, w.WorkloadRevision, federation.RulesDigest(w.StatusRules), w.Variant
	st.Unschedulable = min(a.nodeless[w.Workload], st.Replicas)
	st.Ready = max(0, min(st.Ready, st.Replicas-st.Unschedulable-a.sick[w.Workload]))
	r.put("status:"+a.name+"/"+w.Workload.String(), st)
	if r.batched && r.clock != nil {
		r.soon(StatusChanged{st}) // with the others that come now
		return
	}
	r.step(StatusChanged{st})
	r.facts(a) // newer than the status, so they count its pods
}

// facts reports what is free beside what runs and what others took.
func (r *rig) facts(a *actor) {
	facts, ok := r.store["facts:"+a.name].value.(federation.MemberFacts)
	if !ok {
		return
	}
	a.reports++
	room := facts.Allocatable
	room.MilliCPU -= a.busy
	for k, run := range a.runs {
		if w := r.m.workloads[k]; w != nil {
			room.MilliCPU -= run.work.Replicas * w.demand.PerReplica.MilliCPU
		}
	}
	room.MilliCPU = max(0, room.MilliCPU)
	facts.Incarnation, facts.Sequence, facts.Free = a.inc, a.reports, room
	facts.Classes = []federation.NodeClass{{Nodes: 1, Allocatable: facts.Allocatable, Room: room, Free: []federation.Resources{room}}}
	r.put("facts:"+a.name, facts)
	r.step(FactsChanged{facts})
}
