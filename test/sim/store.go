package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// entry is one version of one record.
type entry struct {
	Key      string
	Value    any // never changed once written; nil: deleted
	Revision federation.Revision
	expires  time.Time // zero: never
}

// put writes a record if it has the expected revision.
type put struct {
	Bucket   string
	Key      string
	Value    any // nil deletes
	Expected federation.Revision
	Any      bool // whatever revision it has
	Lifetime time.Duration
}

// putDone answers put; Conflict: nothing was written.
type putDone struct {
	Revision federation.Revision
	Conflict bool
}

// get reads a record; the answer is an entry, with Revision 0 when there is none.
type get struct{ Bucket, Key string }

// follow answers with all records ([]entry) and from then on sends each change
// of the bucket as a change, in order, however long the link is cut. Durable: with what
// was not acknowledged, deletions among it.
type follow struct {
	Bucket  string
	Durable bool
	Reader  uint64 // of a node with several, which one; it follows a bucket once at a time
}

// ack says that these versions were taken in, and nothing of others: what came before
// them may have been lost on the way.
type ack struct {
	Bucket string
	Taken  []entry
}

// change is one change of a followed bucket.
type change struct {
	Bucket string
	Reader uint64 // as in follow
	Entry  entry
}

// store is the bus's store: buckets with revisions, compare-and-set, followers.
// It is one process that never loses a write.
type store struct {
	w         *World
	name      string
	buckets   map[string]*bucket
	followers []*follower
	unsure    map[string]float64 // share of a node's writes that get no answer
	copy      map[string]*bucket // a backup; nil: none was made
}

type bucket struct {
	records  map[string]entry
	revision federation.Revision
	acked    map[string]federation.Revision // the newest of each key that its durable reader acknowledged
}

// follower is one life of one node that follows one bucket.
type follower struct {
	node   string
	life   int
	bucket string
	reader uint64
	queue  []entry
	busy   bool
	ended  bool // its reader follows anew
}

func newStore(w *World, name string) *store {
	return &store{w: w, name: name, buckets: map[string]*bucket{}, unsure: map[string]float64{}}
}

func (s *store) Deadline() (time.Time, bool) { return time.Time{}, false }

// Tick does nothing: the store acts on requests only.
func (s *store) Tick() {}

func (s *store) Check() error { return nil }

func (s *store) Receive(m Message) {
	switch b := m.Body.(type) {
	case put:
		if s.w.chance(s.unsure[m.From]) {
			if s.w.chance(0.5) {
				s.write(b)
			}
			return
		}
		s.w.Answer(m, s.write(b))
	case get:
		s.w.Answer(m, s.read(b.Bucket, b.Key))
	case ack:
		of := s.bucket(b.Bucket)
		for _, e := range b.Taken {
			if e.Revision <= of.revision { // else of a time that was undone
				of.acked[e.Key] = max(of.acked[e.Key], e.Revision)
			}
		}
	case follow:
		if b.Durable {
			s.w.Answer(m, s.waiting(b.Bucket))
		} else {
			s.w.Answer(m, s.all(b.Bucket))
		}
		s.followers = slices.DeleteFunc(s.followers, func(f *follower) bool {
			again := f.node == m.From && f.bucket == b.Bucket && f.reader == b.Reader
			f.ended = f.ended || again
			return again
		})
		s.followers = append(s.followers, &follower{node: m.From, life: s.w.nodes[m.From].life, bucket: b.Bucket, reader: b.Reader})
	}
}

func (s *store) bucket(name string) *bucket {
	b := s.buckets[name]
	if b == nil {
		b = &bucket{records: map[string]entry{}, acked: map[string]federation.Revision{}}
		s.buckets[name] = b
	}
	return b
}

func (s *store) read(name, key string) entry {
	e := s.bucket(name).records[key]
	if e.Value == nil || !e.expires.IsZero() && !s.w.now.Before(e.expires) {
		return entry{Key: key}
	}
	return e
}

func (s *store) all(name string) []entry {
	var out []entry
	for _, key := range slices.Sorted(maps.Keys(s.bucket(name).records)) {
		if e := s.read(name, key); e.Revision != 0 {
			out = append(out, e)
		}
	}
	return out
}

// waiting is what the durable reader of a bucket has not acknowledged.
func (s *store) waiting(name string) []entry {
	var out []entry
	b := s.bucket(name)
	for _, e := range b.records {
		if e.Revision > b.acked[e.Key] {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.Revision, b.Revision) })
	return out
}

// replay gives the durable reader of a bucket everything again, unless it holds all
// that it has acknowledged.
func (s *store) replay(name string, held federation.Revision) {
	b := s.bucket(name)
	newest := federation.Revision(0)
	for _, r := range b.acked {
		newest = max(newest, r)
	}
	if held > 0 && newest <= held {
		return
	}
	clear(b.acked)
	for _, f := range s.followers {
		if f.bucket == name {
			f.queue = s.waiting(name)
			s.pump(f, s.w.between(2, 12))
		}
	}
}

func (s *store) write(p put) putDone {
	now := s.read(p.Bucket, p.Key)
	if !p.Any && now.Revision != p.Expected {
		return putDone{Conflict: true}
	}
	b := s.bucket(p.Bucket)
	b.revision++
	e := entry{Key: p.Key, Value: p.Value, Revision: b.revision}
	if p.Lifetime > 0 {
		e.expires = s.w.now.Add(p.Lifetime)
	}
	b.records[p.Key] = e
	s.w.laws.written(p.Bucket, now, e)
	s.spread(p.Bucket, e)
	return putDone{Revision: e.Revision}
}

// spread queues a change for everybody who follows the bucket.
func (s *store) spread(name string, e entry) {
	s.followers = slices.DeleteFunc(s.followers, func(f *follower) bool {
		n := s.w.nodes[f.node]
		return n.life != f.life || n.part == nil
	})
	for _, f := range s.followers {
		if f.bucket == name {
			f.queue = append(f.queue, e)
			s.pump(f, s.w.between(2, 12))
		}
	}
}

// pump hands the follower its next change after d, and tries again while the link
// is cut. One in a while comes twice.
func (s *store) pump(f *follower, d time.Duration) {
	if f.busy || len(f.queue) == 0 {
		return
	}
	f.busy = true
	s.w.After(s.name, d, func() {
		f.busy = false
		n := s.w.nodes[f.node]
		fault := s.w.links[Link{s.name, f.node}]
		switch {
		case n.life != f.life || n.part == nil || f.ended:
			return
		case fault.Cut || n.paused.After(s.w.now) || s.w.chance(fault.Loss):
			s.pump(f, 100*time.Millisecond)
			return
		}
		e := f.queue[0]
		if !s.w.chance(fault.Duplicate) {
			f.queue = f.queue[1:]
		}
		n.part.Receive(Message{From: s.name, To: f.node, Body: change{Bucket: f.bucket, Reader: f.reader, Entry: e}})
		s.w.touched(n)
		s.pump(f, time.Millisecond+fault.Delay)
	})
}

// backup copies every bucket.
func (s *store) backup() {
	s.copy = map[string]*bucket{}
	for name, b := range s.buckets {
		s.copy[name] = &bucket{records: maps.Clone(b.records), revision: b.revision, acked: maps.Clone(b.acked)}
	}
}

// restore puts the copy in the place of every bucket. Revisions go back with it.
// Followers read the buckets anew: they see what is there, and that the rest is gone.
func (s *store) restore() {
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		was, now := s.buckets[name], &bucket{records: map[string]entry{}, acked: map[string]federation.Revision{}}
		if c := s.copy[name]; c != nil {
			now = &bucket{records: maps.Clone(c.records), revision: c.revision, acked: maps.Clone(c.acked)}
		}
		s.buckets[name] = now
		s.w.laws.rewound(now.records)
		for _, f := range s.followers {
			if f.bucket == name {
				f.queue = nil
			}
		}
		for _, key := range slices.Sorted(maps.Keys(was.records)) {
			e, there := now.records[key]
			if !there {
				e = entry{Key: key, Revision: now.revision}
			}
			s.spread(name, e)
		}
	}
}
