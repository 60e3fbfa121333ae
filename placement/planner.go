package placement

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// Place decides one request against the snapshot. It is deterministic, and safe
// for concurrent use on one snapshot.
func Place(req Request, s *Snapshot) Decision { return NewPlanner(s).Place(req) }

// Planner decides many requests against one snapshot. It reuses its scratch
// memory and remembers the room that reserved decisions take. Methods must not
// be called concurrently; decisions share no memory with the planner.
type Planner struct {
	s    *Snapshot
	gone bitset // members lost in the scenario at hand; nil when none is

	rooms    [][]node // by member, where it is not the snapshot's; empty until something is taken
	versions []uint32 // of the room, by member; never 0
	loads    []load
	free     []float64             // percent, see load.freePercent
	quotas   map[string]quotaTable // where they are not the snapshot's
	touched  []int32               // members whose room is not the snapshot's, for release

	changes    []domainChanges
	fits       map[shape]*fitTable
	topologies map[string]*topology // by label, made on first use
	latencies  map[string][]float64 // place of users → round trip in ms by member
	decided    map[federation.Key][]federation.AssignedMember
	reserved   uint64 // digest of what was reserved so far, in order

	narrowFrom int
	narrowed   int // requests, for tests
	run        run
}

// shape identifies a size of replica; requests of one shape share their fits.
type shape struct {
	cpu, mem, pods int64
	ext            string
	lets           uint64
}

// fitTable remembers how many more replicas of one shape each member holds.
type fitTable struct {
	need amount
	held []held
	sums map[*topology][]domainSum
}

// held is a number of replicas, and for which version of the room it was counted.
type held struct {
	fits    int32
	version uint32
}

// maxShapes bounds the memory for fits; the table is emptied beyond it.
const maxShapes = 512

// NewPlanner returns a planner on s with nothing reserved.
func NewPlanner(s *Snapshot) *Planner {
	n := len(s.members)
	p := &Planner{
		s:          s,
		quotas:     map[string]quotaTable{},
		versions:   make([]uint32, n),
		loads:      slices.Clone(s.loads),
		free:       slices.Clone(s.free),
		fits:       map[shape]*fitTable{},
		topologies: map[string]*topology{},
		latencies:  map[string][]float64{},
		decided:    map[federation.Key][]federation.AssignedMember{},
		narrowFrom: narrowFrom,
	}
	for i := range p.versions {
		p.versions[i] = 1
	}
	p.run.init(p)
	return p
}

// Place decides req with the room that is left. It reserves nothing.
func (p *Planner) Place(req Request) Decision {
	p.run.asked = req
	return p.run.place(&p.run.asked)
}

// Reserve takes the room of what d adds to the request's current members, so
// that later requests do not get it, and lets them see where the workload is.
// Room that the decision sets free counts only in the next snapshot, when the
// members report it.
func (p *Planner) Reserve(req Request, d Decision) {
	if d.Err == nil {
		p.reserve(&req, &d)
	}
}

func (p *Planner) reserve(req *Request, d *Decision) {
	p.run.sit(p.currentOf(req))
	defer p.run.rise()
	need := p.s.replicaOf(req.Demand.PerReplica, p.s.lets(req.Demand.Tolerations))
	p.reserved = mix(p.reserved, hashString(d.Workload.String()))
	for _, m := range d.Members {
		i, ok := p.s.index[m.Member]
		if !ok {
			continue
		}
		p.reserved = mix(mix(p.reserved, p.s.hashes[i]), uint64(m.Replicas))
		if more := m.Replicas - max(p.run.running[i], 0); more > 0 {
			p.take(i, need, more)
			p.takeQuota(d.Workload.Namespace, i, podwise(req.Demand.PerReplica), more)
		}
	}
	p.decided[d.Workload] = d.Members
}

// release gives back everything that was reserved.
func (p *Planner) release() {
	for _, i := range p.touched {
		p.setRoom(i, p.s.rooms[i])
		p.rooms[i] = nil
	}
	p.touched = p.touched[:0]
	clear(p.decided)
	clear(p.quotas)
	p.reserved = 0
}

func (p *Planner) take(i int32, need amount, k int64) {
	p.setRoom(i, take(p.ownRoom(i), need, k))
	p.touched = append(p.touched, i)
}

// addRoom adds a piece of room to member i, or takes the last one away again when
// sign is below 0.
func (p *Planner) addRoom(i int32, piece node, sign int64) {
	room := p.ownRoom(i)
	if sign > 0 {
		room = append(room, piece)
	} else {
		room = room[:len(room)-1]
	}
	p.setRoom(i, room)
	p.touched = append(p.touched, i)
}

// room returns what is free in member i.
func (p *Planner) room(i int32) []node {
	if p.versions[i] > 1 && p.rooms[i] != nil {
		return p.rooms[i]
	}
	return p.s.rooms[i]
}

// ownRoom returns what is free in member i, to be changed.
func (p *Planner) ownRoom(i int32) []node {
	if p.rooms == nil {
		p.rooms = make([][]node, len(p.s.members))
	}
	if p.rooms[i] == nil {
		return append(make([]node, 0, len(p.s.rooms[i])+2), p.s.rooms[i]...)
	}
	return p.rooms[i]
}

func (p *Planner) setRoom(i int32, room []node) {
	p.rooms[i] = room
	p.versions[i]++
	p.loads[i] = loadOf(room)
	p.free[i] = p.loads[i].freePercent(&p.s.members[i].Facts.Allocatable)
	for _, c := range p.changes {
		if id := c.top.of[i]; id >= 0 {
			c.versions[id]++
		}
	}
}

// currentOf returns where the workload runs: as the request says, else as the
// snapshot does.
func (p *Planner) currentOf(req *Request) []federation.AssignedMember {
	if req.Current != nil {
		return req.Current
	}
	return p.s.assigned[req.Workload]
}

// assignedTo returns where a workload is, by this batch or by the snapshot.
func (p *Planner) assignedTo(key federation.Key) []federation.AssignedMember {
	if members, ok := p.decided[key]; ok {
		return members
	}
	return p.s.assigned[key]
}

func replicasIn(members []federation.AssignedMember, name string) int64 {
	for i := range members {
		if members[i].Member == name {
			return members[i].Replicas
		}
	}
	return 0
}

// fitsFor returns the table for a size of replica that tolerates some node taints, and the extended resource
// that no member has, if the size asks for one.
func (p *Planner) fitsFor(r federation.Resources, lets uint64) (*fitTable, string) {
	key := shape{cpu: r.MilliCPU, mem: r.MemoryBytes, pods: r.Pods, lets: lets}
	if len(r.Extended) > 0 {
		key.ext = extendedText(r.Extended)
	}
	need, missing := p.s.needOf(r)
	if t, ok := p.fits[key]; ok {
		return t, missing
	}
	if len(p.fits) >= maxShapes {
		clear(p.fits)
	}
	need.lets = lets
	t := &fitTable{need: need, held: make([]held, len(p.versions))}
	p.fits[key] = t
	return t, missing
}

// fit returns how many more replicas member i holds.
func (p *Planner) fit(t *fitTable, i int32) int64 {
	h := &t.held[i]
	if h.version != p.versions[i] {
		*h = held{int32(fit(p.room(i), &t.need)), p.versions[i]}
	}
	return int64(h.fits)
}

// topology divides the members by a fact or label.
func (p *Planner) topology(by string) *topology {
	if t, ok := p.s.topologies[by]; ok {
		return t
	}
	t, ok := p.topologies[by]
	if !ok {
		t = p.s.newTopology(by)
		p.topologies[by] = t
	}
	return t
}

// mix folds v into h; a step of the splitmix64 generator.
func mix(h, v uint64) uint64 {
	h ^= v
	h += 0x9e3779b97f4a7c15
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9
	h = (h ^ (h >> 27)) * 0x94d049bb133111eb
	return h ^ (h >> 31)
}
