package hub

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	// mostImports bounds the exports in one answer, in bytes; one export always fits.
	mostImports = 512 << 10
	// mostGone is how many exports that are gone are remembered: who asks for what was
	// before them gets everything anew.
	mostGone = 4096
)

// imports are what the members export, for agents that make ServiceImports of it. An
// agent hears the revision with the hub's beat and asks for what changed since the one
// that it has: so the hub does nothing for a member that has everything, and one that
// asks late gets only the last state of each export. Safe for concurrent use.
type imports struct {
	term uint64

	mu       sync.Mutex
	ready    bool // every export that is stored is known
	revision uint64
	floor    uint64 // what was gone up to this revision is forgotten
	exports  map[string]*shared
	gone     int
	sources  []federation.ImportSource
}

// shared is one export as agents get it.
type shared struct {
	revision uint64
	data     []byte
	gone     bool
}

func newImports(term uint64) *imports {
	return &imports{term: term, revision: 1, exports: map[string]*shared{}}
}

// set notes an export, or that it is gone. What agents are not told changes nothing.
func (i *imports) set(key string, e federation.Export) {
	e.Incarnation, e.Sequence, e.ObservedAt = 0, 0, time.Time{}
	data := federationv1.EncodeExport(e)
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.exports[key]
	if before != nil && bytes.Equal(before.data, data) || before == nil && e.Removed {
		return
	}
	if before != nil && before.gone {
		i.gone--
	}
	if e.Removed {
		i.gone++
	}
	i.revision++
	i.exports[key] = &shared{revision: i.revision, data: data, gone: e.Removed}
	if i.gone > mostGone {
		i.forget()
	}
}

// forget lets go of what is gone. imports.mu is held.
func (i *imports) forget() {
	for key, s := range i.exports {
		if s.gone {
			delete(i.exports, key)
		}
	}
	i.gone, i.floor = 0, i.revision
}

// complete says that every export that was stored when the term began is known.
func (i *imports) complete() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ready = true
}

// sourcesAre notes how the members are, and returns the revision for agents: 0 while the
// hub does not know what is exported.
func (i *imports) sourcesAre(members []federation.MemberBeat) uint64 {
	now := make([]federation.ImportSource, 0, len(members))
	for _, m := range members {
		now = append(now, federation.ImportSource{Member: m.Member, State: federation.SourceStateOf(m.Health)})
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Equal(now, i.sources) {
		i.sources = now
		i.revision++
	}
	if !i.ready {
		return 0
	}
	return i.revision
}

// since answers an agent.
func (i *imports) since(r federation.ImportsRequest) (federation.ImportsReply, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.ready {
		return federation.ImportsReply{}, messaging.Errorf(messaging.Unavailable, "the hub has not read all exports yet: ask again")
	}
	out := federation.ImportsReply{Term: i.term, Revision: i.revision, Sources: i.sources}
	out.Anew = r.Term != i.term || r.Since < i.floor || r.Since > i.revision
	if out.Anew {
		r.Since = 0
	}
	var changed []*shared
	for _, s := range i.exports {
		if s.revision > r.Since && (!out.Anew || !s.gone) {
			changed = append(changed, s)
		}
	}
	slices.SortFunc(changed, func(a, b *shared) int { return cmp.Compare(a.revision, b.revision) })
	size := 0
	for n, s := range changed {
		if size += len(s.data); n > 0 && size > mostImports {
			out.Revision, out.More = changed[n-1].revision, true
			break
		}
		out.Exports = append(out.Exports, s.data)
	}
	return out, nil
}

// followExports keeps what agents import.
func (l *leadership) followExports(ctx context.Context) error {
	return followWhole(ctx, subject.Exports, l.buckets[subject.Exports], following{
		take: l.acceptExport, synced: l.imports.complete, came: func(r federation.Revision) { l.heads.note(subject.Exports, r) },
	})
}

func (l *leadership) acceptExport(entry messaging.Entry) {
	e, err := federationv1.DecodeExport(entry.Value)
	if entry.Deleted {
		e = federation.Export{Removed: true}
		e.Member, e.Service, err = subject.ParseStatusKey(entry.Key)
	}
	if err != nil {
		l.log.Error("a record cannot be read and is left alone", "bucket", subject.Exports, "key", entry.Key, "error", err)
		return
	}
	l.imports.set(entry.Key, e)
}

// hearImports tells an agent what the clusterset exports.
func (l *leadership) hearImports(ctx context.Context, m messaging.Message) ([]byte, error) {
	if _, err := l.sender(m); err != nil {
		return nil, err
	}
	return answer(federationv1.DecodeImportsRequest, federationv1.EncodeImportsReply,
		func(_ context.Context, r federation.ImportsRequest) (federation.ImportsReply, error) {
			return l.imports.since(r)
		})(ctx, m)
}
