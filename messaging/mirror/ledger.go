package mirror

import (
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// node is one version of one record. Its entry is never changed.
type node struct {
	messaging.Entry
	prev, next *node // nil once it is out of the ledger
}

// ledger holds the latest version of every record in the order of revisions, and
// deletion markers for as long as a reader may have to see them.
type ledger struct {
	byKey   map[string]*node
	ends    node    // of a ring: next is the oldest, prev the newest
	markers []*node // oldest first; some may be out of the ledger
	size    int     // bytes of keys and values
}

func newLedger() *ledger {
	l := &ledger{byKey: map[string]*node{}}
	l.ends.prev, l.ends.next = &l.ends, &l.ends
	return l
}

// put appends a version; its revision is above all others.
func (l *ledger) put(e messaging.Entry) {
	l.remove(e.Key)
	n := &node{Entry: e, prev: l.ends.prev, next: &l.ends}
	n.prev.next, n.next.prev = n, n
	l.byKey[e.Key] = n
	l.size += len(e.Key) + len(e.Value)
	if e.Deleted {
		l.markers = append(l.markers, n)
	}
}

// remove takes a record out.
func (l *ledger) remove(key string) {
	if n, ok := l.byKey[key]; ok {
		l.unlink(n)
	}
}

func (l *ledger) unlink(n *node) {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
	delete(l.byKey, n.Key)
	l.size -= len(n.Key) + len(n.Value)
}

// drop takes out what is older than a revision.
func (l *ledger) drop(oldest federation.Revision) {
	for n := l.ends.next; n != &l.ends && n.Revision < oldest; n = l.ends.next {
		l.unlink(n)
	}
}

// forget takes out the markers up to a revision.
func (l *ledger) forget(passed federation.Revision) {
	i := 0
	for ; i < len(l.markers) && l.markers[i].Revision <= passed; i++ {
		if n := l.markers[i]; n.next != nil {
			l.unlink(n)
		}
	}
	if l.markers = l.markers[i:]; len(l.markers) == 0 {
		l.markers = nil
	}
}

// after lists what came after a revision, oldest first. It takes as long as that is.
func (l *ledger) after(revision federation.Revision) []*node {
	count := 0
	n := l.ends.prev
	for ; n != &l.ends && n.Revision > revision; n = n.prev {
		count++
	}
	out := make([]*node, 0, count)
	for n = n.next; n != &l.ends; n = n.next {
		out = append(out, n)
	}
	return out
}
