package placement

import (
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// Nodes may have taints that keep pods away. Their room counts for the workloads whose
// pods tolerate all taints of a node for ever, and for no others; which sets of taints a
// need lets its pods ignore is one bit each.

// maxTaintSets bounds how many sets of taints are told apart; the room of nodes with
// others does not count.
const maxTaintSets = 64

// taintSetOf is the number of a set of taints, from 1 on; 0 when there are too many.
func (s *Snapshot) taintSetOf(taints []federation.Taint) int32 {
	text := fmt.Sprint(taints)
	if id, known := s.taintIDs[text]; known {
		return id
	}
	if len(s.nodeTaints) == maxTaintSets {
		return 0
	}
	if s.taintIDs == nil {
		s.taintIDs = map[string]int32{}
	}
	s.nodeTaints = append(s.nodeTaints, taints)
	s.taintIDs[text] = int32(len(s.nodeTaints))
	return s.taintIDs[text]
}

// lets says which sets of node taints the tolerations cover.
func (s *Snapshot) lets(tolerations []federation.Toleration) uint64 {
	var mask uint64
	if len(tolerations) == 0 {
		return mask
	}
	for i, taints := range s.nodeTaints {
		uncovered := slices.ContainsFunc(taints, func(t federation.Taint) bool {
			return !slices.ContainsFunc(tolerations, func(o federation.Toleration) bool { return o.Seconds == nil && covers(o, t) })
		})
		if !uncovered {
			mask |= 1 << i
		}
	}
	return mask
}

// taintsIn are the sets of node taints that a member has room on.
func taintsIn(room []node) uint64 {
	var mask uint64
	for i := range room {
		if t := room[i].taint; t > 0 {
			mask |= 1 << (t - 1)
		}
	}
	return mask
}

// takes says that pods of the need may run on the node.
func (n *node) takes(need *amount) bool {
	return n.taint == 0 || need.lets>>(n.taint-1)&1 == 1
}

// taintedRoom lists the room of a member's nodes that have taints.
func (s *Snapshot) taintedRoom(f *federation.MemberFacts) []node {
	var room []node
	for i := range f.Tainted {
		id := s.taintSetOf(f.Tainted[i].Taints)
		if id == 0 {
			continue
		}
		for _, n := range s.classRoom(&f.Tainted[i]) {
			n.taint = id
			room = append(room, n)
		}
	}
	return room
}
