package decision

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// farewells is what an actor knows of its departure.
type farewells struct {
	ordered bool
	waits   string // what holds it up
	toldAt  time.Time
}

// cmdReluctant: something holds the agent up, or does no more.
func (r *rig) cmdReluctant(args []string) {
	r.members[args[0]].leaving.waits = strings.Join(args[1:], " ")
}

// cmdDescribe tells what is said of a member that leaves.
func (r *rig) cmdDescribe(args []string) {
	r.asked++
	r.step(DescribeRequested{r.asked, args[0]})
}

func (r *rig) showFarewell(all []federation.Evidence) {
	for _, e := range all {
		if e.What == "leave" {
			r.logf("it leaves: %s", e.Detail)
		}
	}
}

// orderLeave reaches an agent that lives; the first order counts.
func (r *rig) orderLeave(e OrderLeave) {
	a := r.members[e.Order.Member]
	r.logf("order %s to let go: %s", e.Order.Member, e.Order.Remains)
	if !a.alive || a.leaving.ordered {
		return
	}
	a.leaving.ordered = true
	if e.Order.Remains == federation.Delete {
		a.runs = map[federation.Key]*run{}
	}
}

// letGo is 50 ms of an agent that lets go of its cluster: it tells the hub once a second
// how far it has come, and ends when that is known.
func (r *rig) letGo(a *actor) {
	spec, there := r.store["members:"+a.name].value.(federation.MemberSpec)
	switch {
	case !there || spec.Leaving.Done:
		a.alive = false
		r.logf("%s ends", a.name)
	case r.now.Sub(a.leaving.toldAt) >= time.Second:
		a.leaving.toldAt = r.now
		r.asked++
		r.step(LeaveReported{r.asked, federation.LeaveReport{Member: a.name, ClusterID: "id-" + a.name, Done: a.leaving.waits == "", Waits: a.leaving.waits}})
	}
}

// showStrays tells whom the records name as strays.
func (r *rig) showStrays() {
	for _, k := range slices.Sorted(maps.Keys(r.store)) {
		if a, ok := r.store[k].value.(federation.Assignment); ok {
			r.logf("%s epoch %d: strays %v", a.Workload, a.Epoch, a.Strays)
		}
	}
}
