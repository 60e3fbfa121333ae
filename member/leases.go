package member

import (
	"encoding/json"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

// keptLeases are the leases that the agent holds, and whom it asks to go on with them. Their
// times are of the clock that a machine counts from its boot by, which goes on over a
// restart of the agent and means nothing after one of the machine, or on another.
type keptLeases struct {
	Boot   string           `json:"boot"` // names the boot of the machine
	Leases []keptLease      `json:"leases"`
	Peers  federation.Peers `json:"peers"`
}

type keptLease struct {
	Workload federation.Key   `json:"workload"`
	Epoch    federation.Epoch `json:"epoch"`
	TTL      time.Duration    `json:"ttl"`
	Stop     time.Duration    `json:"stop"` // since the boot
}

// keepLeases lets the next life of the agent go on with what this one may run.
func (a *Agent) keepLeases(held guard.Held) error {
	boot, sinceBoot := bootClock()
	if boot == "" {
		return nil // nobody could read it
	}
	now := time.Now()
	out := keptLeases{Boot: boot, Leases: []keptLease{}, Peers: held.Peers}
	for _, l := range held.Leases {
		out.Leases = append(out.Leases, keptLease{Workload: l.Workload, Epoch: l.Epoch, TTL: l.TTL, Stop: sinceBoot + l.Stop.Sub(now)})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic("encode leases: " + err.Error()) // every field is plain data
	}
	if err := a.state.note(leasesFile, b); err != nil {
		a.log.Warn("a restart of this agent would stop what it may run once", "reason", err)
		return a.state.forget(leasesFile) // what it says may be over
	}
	return nil
}

// readLeases returns what the last life held, unless its clock has ended. What cannot be
// read, since the machine ended while it was written, is none.
func (a *Agent) readLeases() (held guard.Held, err error) {
	b, err := a.state.read(leasesFile)
	if err != nil || b == nil {
		return held, err
	}
	boot, sinceBoot := bootClock()
	now := time.Now()
	var kept keptLeases
	if json.Unmarshal(b, &kept) != nil || boot == "" || kept.Boot != boot {
		return held, nil
	}
	held.Peers = kept.Peers
	for _, l := range kept.Leases {
		held.Leases = append(held.Leases, guard.Lease{Workload: l.Workload, Epoch: l.Epoch, TTL: l.TTL, Stop: now.Add(l.Stop - sinceBoot - uptimeStep)})
	}
	return held, nil
}
