package imports

import (
	"cmp"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Patience is how long a member is heard without exporting a service before that means
// that it does not export it. An agent tells a hub that begins everything within seconds.
const Patience = 30 * time.Second

// Table is what the clusterset exports, as far as the hub has told. The zero value knows
// nothing.
type Table struct {
	term, revision uint64
	whole          bool      // everything of the term's beginning is here
	begun          time.Time // since when
	exports        map[federation.Key]map[string]federation.Export
	sources        map[string]source
	dropped        map[federation.Key]map[string]bool // exports that ended within the term
}

// source is one member.
type source struct {
	state federation.SourceState
	since time.Time
}

// Request asks for what the table lacks.
func (t *Table) Request() federation.ImportsRequest {
	return federation.ImportsRequest{Term: t.term, Since: t.revision}
}

// Lacks reports whether the hub of a term knows more at its revision; 0 is none.
func (t *Table) Lacks(term, revision uint64) bool {
	return revision > 0 && (term != t.term || revision != t.revision || !t.whole)
}

// Apply takes an answer of the hub, and the exports that were in it.
func (t *Table) Apply(now time.Time, r federation.ImportsReply, exports []federation.Export) {
	if r.Anew {
		*t = Table{
			exports: map[federation.Key]map[string]federation.Export{}, sources: map[string]source{},
			dropped: map[federation.Key]map[string]bool{},
		}
	}
	if t.exports == nil {
		return // the rest of something that was not begun here
	}
	t.term, t.revision = r.Term, r.Revision
	for _, e := range exports {
		t.set(e)
	}
	before := t.sources
	t.sources = make(map[string]source, len(r.Sources))
	for _, s := range r.Sources {
		old, known := before[s.Member]
		if !known || old.state != s.State {
			old = source{s.State, now}
		}
		t.sources[s.Member] = old
	}
	if !r.More && !t.whole {
		t.whole, t.begun = true, now
	}
}

func (t *Table) set(e federation.Export) {
	k := e.Service
	if e.Removed {
		delete(t.exports[k], e.Member)
		if len(t.exports[k]) == 0 {
			delete(t.exports, k)
		}
		put(t.dropped, k, e.Member, true)
		return
	}
	delete(t.dropped[k], e.Member)
	put(t.exports, k, e.Member, e)
}

func put[V any](m map[federation.Key]map[string]V, k federation.Key, member string, v V) {
	if m[k] == nil {
		m[k] = map[string]V{}
	}
	m[k][member] = v
}

// of lists the exports of a service, by member.
func (t *Table) of(k federation.Key) []federation.Export {
	out := make([]federation.Export, 0, len(t.exports[k]))
	for _, e := range t.exports[k] {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b federation.Export) int { return cmp.Compare(a.Member, b.Member) })
	return out
}

// ended reports whether it is certain that a member does not export a service, of which
// the table knows nothing; if not, from when on it may be, zero when that takes news.
func (t *Table) ended(now time.Time, k federation.Key, member string) (certain bool, from time.Time) {
	if t.dropped[k][member] {
		return true, time.Time{}
	}
	s, known := t.sources[member]
	switch {
	case !known:
		from = t.begun.Add(Patience)
	case s.state == federation.SourceCurrent:
		from = s.since.Add(Patience)
	default:
		return false, time.Time{}
	}
	return !now.Before(from), from
}

// serves reports whether the endpoints of a member may be in the cluster.
func (t *Table) serves(member string) bool {
	return t.sources[member].state != federation.SourceWithdrawn
}
