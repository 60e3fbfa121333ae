package guard

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// version of the persisted state; a newer one is refused.
const version = 1

// saved is the persisted state.
type saved struct {
	Version   int      `json:"version"`
	Member    string   `json:"member"`
	ClusterID string   `json:"clusterID,omitempty"`
	Works     []memory `json:"works"` // sorted by workload
}

// phase is what the member does with a workload.
type phase string

const (
	holding  phase = "holding"  // it may run
	removing phase = "removing" // it has to go
	removed  phase = "removed"  // proven gone
)

// memory is what a restart must know about one workload.
type memory struct {
	Workload federation.Key   `json:"workload"`
	Epoch    federation.Epoch `json:"epoch"` // the highest one obeyed
	Phase    phase            `json:"phase"`
	// Revision of the record that was obeyed last; orders of one epoch are
	// obeyed in its order.
	Revision federation.Revision `json:"revision,omitempty"`
	// Life is the workload's own revision at the last order: what is older than
	// a removal belongs to the life that was removed.
	Life      federation.Revision `json:"life,omitempty"`
	AtMostOne bool                `json:"atMostOne,omitempty"`
	// Endless: it runs under a Manual lease, which a restart does not end.
	Endless bool                   `json:"endless,omitempty"`
	Landing federation.LandingSpec `json:"landing,omitzero"`
}

func (m *Machine) encode() []byte {
	s := saved{Version: version, Member: m.opts.Member, ClusterID: m.opts.ClusterID, Works: []memory{}}
	for _, k := range m.sorted {
		if it := m.items[k]; it.Phase != "" {
			s.Works = append(s.Works, it.memory)
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic("encode guard state: " + err.Error()) // every field is plain data
	}
	return b
}

// Restore returns a machine that goes on from what the last Persist wrote. The
// error says that the state is damaged, of another member, or of a newer
// version; it must not be thrown away then, since what runs would be forgotten. What
// is missing in opts.Store is not: the hub sends it again.
func Restore(opts Options, state []byte) (*Machine, error) {
	var s saved
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, fmt.Errorf("read guard state: %w", err)
	}
	switch {
	case s.Version > version:
		return nil, fmt.Errorf("read guard state: version %d is newer than %d, which this agent knows; use a newer agent", s.Version, version)
	case s.Version < 1:
		return nil, fmt.Errorf("read guard state: version %d is not known", s.Version)
	case s.Member != opts.Member:
		return nil, fmt.Errorf("read guard state: it is of member %q, not of %q; use its own state directory", s.Member, opts.Member)
	}
	m := empty(opts)
	for _, v := range s.Works {
		it := m.item(v.Workload)
		it.memory = v
		it.resumeLease(opts.Held.Leases)
	}
	m.hold(opts.Store)
	return m, nil
}

// item returns what is known of a workload, and begins with it when that is nothing.
func (m *Machine) item(k federation.Key) *item {
	it := m.items[k]
	if it == nil {
		it = &item{memory: memory{Workload: k}}
		m.items[k] = it
		at, _ := slices.BinarySearchFunc(m.sorted, k, federation.Key.Compare)
		m.sorted = slices.Insert(m.sorted, at, k)
	}
	return it
}

func (m *Machine) forget(k federation.Key) {
	it := m.items[k]
	for _, r := range slices.Clone(it.kept) {
		m.discard(it, r)
	}
	delete(m.items, k)
	if at, known := slices.BinarySearchFunc(m.sorted, k, federation.Key.Compare); known {
		m.sorted = slices.Delete(m.sorted, at, at+1)
	}
}
