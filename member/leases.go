package member

import (
	"encoding/json"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

// keptLeases are the leases that the agent holds. Their times are of the clock that a
// machine counts from its boot by, which goes on over a restart of the agent and means
// nothing after one of the machine, or on another.
type keptLeases struct {
	Boot   string      `json:"boot"` // names the boot of the machine
	Leases []keptLease `json:"leases"`
}

type keptLease struct {
	Workload federation.Key   `json:"workload"`
	Epoch    federation.Epoch `json:"epoch"`
	Sent     time.Duration    `json:"sent"` // since the boot
	TTL      time.Duration    `json:"ttl"`
}

// keepLeases lets the next life of the agent go on with what this one may run.
func (a *Agent) keepLeases(held []guard.Lease) error {
	boot, sinceBoot := bootClock()
	if boot == "" {
		return nil // nobody could read it
	}
	now := time.Now()
	out := keptLeases{Boot: boot, Leases: []keptLease{}}
	for _, l := range held {
		out.Leases = append(out.Leases, keptLease{Workload: l.Workload, Epoch: l.Epoch, Sent: sinceBoot - now.Sub(l.Sent), TTL: l.TTL})
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
func (a *Agent) readLeases() ([]guard.Lease, error) {
	b, err := a.state.read(leasesFile)
	if err != nil || b == nil {
		return nil, err
	}
	boot, sinceBoot := bootClock()
	now := time.Now()
	var kept keptLeases
	if json.Unmarshal(b, &kept) != nil || boot == "" || kept.Boot != boot {
		return nil, nil
	}
	var out []guard.Lease
	for _, l := range kept.Leases {
		out = append(out, guard.Lease{Workload: l.Workload, Epoch: l.Epoch, Sent: now.Add(l.Sent - sinceBoot), TTL: l.TTL})
	}
	return out, nil
}
