package membership

import (
	"container/heap"
	"time"
)

// queue orders members by when they want to be looked at.
type queue struct{ members byDue }

// set files mem under due; zero takes it out.
func (q *queue) set(mem *member, due time.Time) {
	mem.due = due
	switch {
	case due.IsZero():
		q.remove(mem)
	case mem.place < 0:
		heap.Push(&q.members, mem)
	default:
		heap.Fix(&q.members, mem.place)
	}
}

func (q *queue) remove(mem *member) {
	if mem.place >= 0 {
		heap.Remove(&q.members, mem.place)
	}
	mem.due = time.Time{}
}

// due takes out the first member whose time has come, or returns nil.
func (q *queue) due(now time.Time) *member {
	if len(q.members) == 0 || q.members[0].due.After(now) {
		return nil
	}
	mem := q.members[0]
	q.remove(mem)
	return mem
}

// first is when the first member is due; zero when none is.
func (q *queue) first() time.Time {
	if len(q.members) == 0 {
		return time.Time{}
	}
	return q.members[0].due
}

// byDue is a heap; equal times are ordered by name, so that runs repeat.
type byDue []*member

func (b byDue) Len() int { return len(b) }

func (b byDue) Less(i, j int) bool {
	if !b[i].due.Equal(b[j].due) {
		return b[i].due.Before(b[j].due)
	}
	return b[i].name < b[j].name
}

func (b byDue) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].place, b[j].place = i, j
}

func (b *byDue) Push(x any) {
	mem := x.(*member)
	mem.place = len(*b)
	*b = append(*b, mem)
}

func (b *byDue) Pop() any {
	last := len(*b) - 1
	mem := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	mem.place = -1
	return mem
}
