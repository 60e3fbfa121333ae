package route

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Lack is what a table has not read of a bucket, as far as the hub's beats tell.
type Lack struct {
	Bucket  string
	Records uint64    // revisions between the hub's last and the table's, at most
	Since   time.Time // when the hub was first heard to have more
}

// progress is how far one bucket was read, and which higher revisions the hub named
// when: a reader that keeps just behind a steady stream of writes never lacks anything
// for long.
type progress struct {
	at    federation.Revision
	heads []head // that are above at, ascending
}

type head struct {
	revision federation.Revision
	since    time.Time
}

// maxHeads bounds what is remembered of one bucket: about half a minute of beats.
const maxHeads = 128

// SetRead tells that a bucket was read up to a revision.
func (b *Builder) SetRead(bucket string, revision federation.Revision) {
	if b.read[bucket] == nil {
		b.read[bucket] = &progress{}
	}
	p := b.read[bucket]
	p.at = revision
	for len(p.heads) > 0 && p.heads[0].revision <= p.at {
		p.heads = p.heads[1:]
	}
}

// SetUnread tells that a bucket is read anew. Nothing is said of it meanwhile: it is not
// synced.
func (b *Builder) SetUnread(bucket string) { delete(b.read, bucket) }

// compare takes the revisions that the hub has.
func (b *Builder) compare(revisions map[string]federation.Revision, now time.Time) {
	for bucket, p := range b.read {
		p.hears(head{revisions[bucket], now})
	}
}

// hears takes the last revision that the hub has. One that is lower than before is that
// of a store that was restored: what it no longer has is not lacking.
func (p *progress) hears(h head) {
	for len(p.heads) > 0 && p.heads[len(p.heads)-1].revision > h.revision {
		p.heads = p.heads[:len(p.heads)-1]
	}
	if h.revision <= p.at || len(p.heads) > 0 && p.heads[len(p.heads)-1].revision == h.revision {
		return
	}
	if len(p.heads) == maxHeads {
		p.heads = slices.Delete(p.heads, 1, 2) // since when it lacks something is kept
	}
	p.heads = append(p.heads, h)
}

func (b *Builder) lacks() []Lack {
	var out []Lack
	for _, bucket := range slices.Sorted(maps.Keys(b.read)) {
		p := b.read[bucket]
		if n := len(p.heads); n > 0 {
			out = append(out, Lack{Bucket: bucket, Records: uint64(p.heads[n-1].revision - p.at), Since: p.heads[0].since})
		}
	}
	return out
}

// Behind is for how long, at now, the hub has had something in one of the buckets that
// the table has not; of any bucket when none is named. It is 0 when nothing lacks.
func (t *Table) Behind(now time.Time, buckets ...string) time.Duration {
	longest := time.Duration(0)
	for _, l := range t.Lacks {
		if len(buckets) == 0 || slices.Contains(buckets, l.Bucket) {
			longest = max(longest, now.Sub(l.Since))
		}
	}
	return longest
}

// Late reports whether the table is behind for longer than StaleAfter.
func (t *Table) Late(now time.Time) bool { return t.Behind(now) > StaleAfter }
