package sim

import (
	"fmt"
	"strconv"

	"github.com/hansa-io/hansa/federation"
)

// blackhole lets nothing pass to or from a node, and tells nobody so.
func blackhole(w *World, a words) error {
	if w.nodes[a.at(0)] == nil {
		return fmt.Errorf("no node %q", a.at(0))
	}
	for _, other := range w.names {
		for _, l := range []Link{{a.at(0), other}, {other, a.at(0)}} {
			f := w.links[l]
			f.Cut = true
			w.links[l] = f
		}
	}
	return nil
}

// heal ends what is wrong with every link. What was kept back comes now, in order.
func (w *World) heal() {
	clear(w.links)
	kept := w.kept
	w.kept = nil
	for _, e := range kept {
		w.transmit(e)
	}
}

// sick keeps some replicas of a workload in a member from being ready.
func sick(w *World, a words) error {
	k, err := federation.ParseKey(a.at(1))
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(a.at(2), 10, 64)
	if err != nil {
		return err
	}
	return w.onProcess(a, func(name string) {
		c := w.members[name].cluster
		c.sick[k] = n
		c.feel(k)
	}, nil)
}

// vanish lets somebody delete a workload in the cluster of a member.
func vanish(w *World, a words) error {
	k, err := federation.ParseKey(a.at(1))
	if err != nil {
		return err
	}
	return w.onProcess(a, func(name string) { w.members[name].cluster.vanish(k) }, nil)
}

// Remake lets another cluster join under the name of a member that has left; one
// whose name is still taken is refused, and nothing changes. The one before ends, or goes
// on beside it, cut off.
func (w *World) Remake(name string, beside bool) {
	if w.records("members")[name].Value != nil {
		w.say("remake %s: refused: another cluster has joined under this name", name)
		return
	}
	old := w.members[name]
	if beside {
		w.exile(name)
	} else {
		w.KillMember(name)
	}
	w.laws.forgetMember(name)
	w.join(name, another(old))
}

// disconnected is what the bus tells the hubs when it loses a connection of a member.
type disconnected struct{ member string }

// disconnect has the bus tell it, whether or not it is so.
func (w *World) disconnect(member string) {
	for _, hub := range w.hubNames {
		w.Send(storeName, hub, disconnected{member})
	}
}
