package placement

import (
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// amount is federation.Resources with extended resources by index into
// Snapshot.resources, so that it can be compared without maps. ext may be
// shorter than the list; what is missing is 0.
type amount struct {
	cpu, mem, pods int64
	ext            []int64
	lets           uint64 // of a need: sets of node taints that its pods tolerate
}

// node is free room in one piece, or count equal pieces. Room that is not known
// node by node is one piece.
type node struct {
	free  amount
	count int64
	taint int32 // number of its set of taints; 0: none
}

// indexRooms reads each member's free room and takes the reservations from it.
func (s *Snapshot) indexRooms() {
	names := map[string]bool{}
	for i := range s.members {
		f := &s.members[i].Facts
		collect(names, f.Free.Extended)
		for _, classes := range [][]federation.NodeClass{f.Classes, f.Tainted} {
			for j := range classes {
				collect(names, classes[j].Room.Extended)
			}
		}
	}
	s.resources = slices.Sorted(maps.Keys(names))
	s.rooms = make([][]node, len(s.members))
	for i := range s.members {
		s.rooms[i] = s.roomOf(&s.members[i].Facts)
	}
	s.loads, s.free = make([]load, len(s.members)), make([]float64, len(s.members))
	s.reserve(false)
	s.reserve(true)
	for i := range s.rooms {
		s.loads[i] = loadOf(s.rooms[i])
		s.free[i] = s.loads[i].freePercent(&s.members[i].Facts.Allocatable)
	}
}

// reserve takes the reservations of pods that tolerate node taints, or of the others: who
// has less choice comes first.
func (s *Snapshot) reserve(tolerant bool) {
	for _, r := range s.world.Reservations {
		i, ok := s.index[r.Member]
		lets := s.lets(r.Tolerations)
		if !ok || tolerant != (lets != 0) {
			continue
		}
		s.rooms[i] = take(s.rooms[i], s.replicaOf(r.PerReplica, lets), r.Replicas)
	}
}

func collect(names map[string]bool, ext map[string]int64) {
	for name := range ext {
		names[name] = true
	}
}

// roomOf lists the free room of a member's nodes. Classes tell it node by node;
// what a class has beyond its listed nodes is spread evenly over the rest of
// them. Without classes all free room counts as one piece.
func (s *Snapshot) roomOf(f *federation.MemberFacts) []node {
	if len(f.Classes) == 0 {
		free, _ := s.amountOf(f.Free)
		return append([]node{{free: free, count: 1}}, s.taintedRoom(f)...)
	}
	var room []node
	for i := range f.Classes {
		room = append(room, s.classRoom(&f.Classes[i])...)
	}
	return append(room, s.taintedRoom(f)...)
}

// classRoom lists the free room of the nodes of one class.
func (s *Snapshot) classRoom(c *federation.NodeClass) []node {
	var room []node
	rest, _ := s.amountOf(c.Room)
	rest.ext = slices.Clone(rest.ext)
	for _, r := range c.Free {
		free, _ := s.amountOf(r)
		rest.sub(free, 1)
		if last := len(room) - 1; last >= 0 && room[last].free.equal(&free) {
			room[last].count++
		} else {
			room = append(room, node{free: free, count: 1})
		}
	}
	if more := c.Nodes - int64(len(c.Free)); more > 0 && !rest.none() {
		rest.divide(more)
		room = append(room, node{free: rest, count: more})
	}
	return room
}

// amountOf translates resources. The second result names an extended resource
// that no member has.
func (s *Snapshot) amountOf(r federation.Resources) (amount, string) {
	a := amount{cpu: r.MilliCPU, mem: r.MemoryBytes, pods: r.Pods}
	missing := ""
	if len(r.Extended) == 0 {
		return a, missing
	}
	a.ext = make([]int64, len(s.resources))
	for name, v := range r.Extended {
		i, ok := slices.BinarySearch(s.resources, name)
		switch {
		case ok:
			a.ext[i] = v
		case v > 0 && (missing == "" || name < missing):
			missing = name
		}
	}
	return a, missing
}

// needOf is amountOf for what one replica takes; what is beyond any node is cut to
// maxMemory, so that MaxReplicas of it can be counted.
func (s *Snapshot) needOf(r federation.Resources) (amount, string) {
	a, missing := s.amountOf(r)
	a.cpu, a.mem, a.pods = min(a.cpu, maxMemory), min(a.mem, maxMemory), min(a.pods, maxMemory)
	for i := range a.ext {
		a.ext[i] = min(a.ext[i], maxMemory)
	}
	return a, missing
}

// replicaOf is needOf for a replica whose pods tolerate these sets of node taints.
func (s *Snapshot) replicaOf(r federation.Resources, lets uint64) amount {
	need, _ := s.needOf(podwise(r))
	need.lets = lets
	return need
}

// podwise returns r with at least one pod.
func podwise(r federation.Resources) federation.Resources {
	r.Pods = max(r.Pods, 1)
	return r
}

func (a *amount) sub(o amount, times int64) {
	a.cpu -= o.cpu * times
	a.mem -= o.mem * times
	a.pods -= o.pods * times
	for i, v := range o.ext {
		if i < len(a.ext) {
			a.ext[i] -= v * times
		}
	}
}

func (a *amount) equal(o *amount) bool {
	return a.cpu == o.cpu && a.mem == o.mem && a.pods == o.pods && slices.Equal(a.ext, o.ext)
}

func (a *amount) divide(by int64) {
	a.cpu /= by
	a.mem /= by
	a.pods /= by
	for i := range a.ext {
		a.ext[i] /= by
	}
}

// none reports whether nothing is left for a pod.
func (a *amount) none() bool { return a.pods <= 0 }

// holds returns how many needs fit into a, never less than 0. It divides only where
// a product shows that a resource binds: a division costs as much as many products.
// Needs come from needOf, so that no product overflows.
func (a *amount) holds(need *amount) int64 {
	n := int64(MaxReplicas)
	if need.cpu > 0 && n*need.cpu > a.cpu {
		n = quotient(a.cpu, need.cpu)
	}
	if need.mem > 0 && n*need.mem > a.mem {
		n = quotient(a.mem, need.mem)
	}
	if need.pods == 1 {
		n = min(n, a.pods)
	} else if need.pods > 0 && n*need.pods > a.pods {
		n = quotient(a.pods, need.pods)
	}
	for i, v := range need.ext {
		if v <= 0 {
			continue
		}
		if i >= len(a.ext) {
			return 0
		}
		if n*v > a.ext[i] {
			n = quotient(a.ext[i], v)
		}
	}
	return max(n, 0)
}

// quotient is a/b, rounded down, for a quotient of at most MaxReplicas: by floating
// point, which is some times faster, with what its rounding may be off by.
func quotient(a, b int64) int64 {
	n := int64(float64(a) / float64(b))
	switch {
	case n*b > a:
		n--
	case (n+1)*b <= a:
		n++
	}
	return n
}

// fit returns how many needs the nodes hold, each within one node.
func fit(room []node, need *amount) int64 {
	var n int64
	for i := range room {
		if room[i].takes(need) {
			n += room[i].count * room[i].free.holds(need)
		}
	}
	return min(n, MaxReplicas)
}

// take changes the room to what is left after k needs, each put on the node that
// holds most of them, as schedulers that spread do, and returns it. Needs that
// fit nowhere take nothing.
func take(room []node, need amount, k int64) []node {
	for ; k > 0; k-- {
		best, most := -1, int64(0)
		for i := range room {
			if n := room[i].free.holds(&need); n > most && room[i].takes(&need) {
				best, most = i, n
			}
		}
		if best < 0 {
			break
		}
		if room[best].count > 1 {
			room[best].count--
			room = append(room, node{free: room[best].free, count: 1, taint: room[best].taint})
			best = len(room) - 1
		}
		if len(need.ext) > 0 {
			room[best].free.ext = slices.Clone(room[best].free.ext)
		}
		room[best].free.sub(need, 1)
	}
	return room
}

// load is the free room of a member as a whole, without nodes that have taints.
type load struct {
	cpu, mem int64
}

func loadOf(room []node) load {
	var sum load
	for i := range room {
		if room[i].taint > 0 {
			continue
		}
		sum.cpu += room[i].count * max(room[i].free.cpu, 0)
		sum.mem += room[i].count * max(room[i].free.mem, 0)
	}
	return sum
}

// freePercent is the free share of what the member has least of, 0 to 100.
func (l load) freePercent(allocatable *federation.Resources) float64 {
	share := 1.0
	if allocatable.MilliCPU > 0 {
		share = min(share, float64(l.cpu)/float64(allocatable.MilliCPU))
	}
	if allocatable.MemoryBytes > 0 {
		share = min(share, float64(l.mem)/float64(allocatable.MemoryBytes))
	}
	return 100 * share
}
