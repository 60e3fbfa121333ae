package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// shelf is a store in the process, and a hub that nobody runs.
type shelf struct {
	t       *testing.T
	hub     *Hub
	buckets map[string]messaging.Bucket
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, hub: &Hub{opts: Options{Bus: inproc.New()}}}
	var err error
	s.buckets, err = s.hub.openBuckets(t.Context())
	s.must(err)
	return s
}

func (s *shelf) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) put(bucket, key string, value []byte) federation.Revision {
	s.t.Helper()
	revision, err := s.buckets[bucket].Put(s.t.Context(), key, value, messaging.AnyRevision)
	s.must(err)
	return revision
}

// workload writes a workload and, with members, the decision about it.
func (s *shelf) workload(name, source string, epoch federation.Epoch, members ...federation.AssignedMember) {
	s.t.Helper()
	k := federation.Key{Namespace: "shop", Name: name}
	revision := s.put(subject.Workloads, subject.WorkloadKey(k), federationv1.EncodeWorkload(federation.Workload{Key: k, Source: source}))
	if len(members) > 0 {
		s.put(subject.Assignments, subject.WorkloadKey(k), federationv1.EncodeAssignment(federation.Assignment{
			Workload: k, WorkloadRevision: revision, Epoch: epoch, Members: members,
		}))
	}
}

func (s *shelf) member(spec federation.MemberSpec) {
	s.t.Helper()
	s.put(subject.Members, subject.MemberKey(spec.Name), federationv1.EncodeMemberSpec(spec))
	s.put(subject.Health, subject.MemberKey(spec.Name), federationv1.EncodeHealthRecord(federation.HealthRecord{Member: spec.Name, Health: federation.Healthy}))
}

func share(member string, replicas int64, since federation.Epoch) federation.AssignedMember {
	return federation.AssignedMember{Member: member, Replicas: replicas, Since: since}
}

var joinedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// older is the state of the backup.
func (s *shelf) older() {
	s.workload("same", "a", 1, share("tokyo", 2, 1))
	s.workload("moved", "a", 3, share("tokyo", 2, 1))
	s.workload("changed", "a", 1, share("tokyo", 1, 1), share("osaka", 1, 1))
	s.workload("gone", "a", 5, share("tokyo", 2, 4))
	s.workload("undecided", "a", 0)
	s.member(federation.MemberSpec{Name: "tokyo", Account: "A1", JoinedAt: joinedAt, Labels: map[string]string{"tier": "gold"}})
	s.member(federation.MemberSpec{Name: "osaka", Account: "A2", JoinedAt: joinedAt, Cordoned: true})
	s.put(subject.Tokens, "t1", federationv1.EncodeToken(federation.Token{ID: "t1"}))
	s.put(subject.Tokens, "t2", federationv1.EncodeToken(federation.Token{ID: "t2"}))
	s.put(subject.Events, "1000-1-1", []byte("first"))
	s.put(subject.Operations, "op", federationv1.EncodeOperation(federation.Operation{ID: "op", State: federation.OperationHeld, Request: federation.OperationRequest{Scope: federation.Scope{By: "member", Value: "tokyo"}}}))
	// What is in no backup whole: the workload was deleted while the backup was made.
	s.put(subject.Assignments, "shop.torn", federationv1.EncodeAssignment(federation.Assignment{Workload: federation.Key{Namespace: "shop", Name: "torn"}, Epoch: 2, Members: []federation.AssignedMember{share("tokyo", 1, 1)}}))
}

// newer is what the store has when the backup is restored.
func (s *shelf) newer() {
	s.older()
	s.workload("moved", "a", 6, share("frankfurt", 2, 6))
	s.workload("changed", "b", 2, share("tokyo", 5, 1))
	s.must(s.buckets[subject.Workloads].Delete(s.t.Context(), "shop.gone", messaging.AnyRevision))
	s.must(s.buckets[subject.Assignments].Delete(s.t.Context(), "shop.gone", messaging.AnyRevision))
	s.must(s.buckets[subject.Assignments].Delete(s.t.Context(), "shop.torn", messaging.AnyRevision))
	s.workload("undecided", "a", 1, share("tokyo", 1, 1))
	s.workload("made", "a", 1, share("frankfurt", 3, 1))
	ending := federation.Assignment{Workload: federation.Key{Namespace: "shop", Name: "ending"}, Epoch: 2, Reason: "deleted"}
	s.put(subject.Assignments, "shop.ending", federationv1.EncodeAssignment(ending))
	s.member(federation.MemberSpec{Name: "tokyo", Account: "A9", JoinedAt: joinedAt.Add(time.Hour)})
	s.member(federation.MemberSpec{Name: "frankfurt", Account: "A3", JoinedAt: joinedAt.Add(time.Hour)})
	s.put(subject.Tokens, "t1", federationv1.EncodeToken(federation.Token{ID: "t1", Used: true}))
	s.put(subject.Tokens, "t3", federationv1.EncodeToken(federation.Token{ID: "t3"}))
	s.put(subject.Events, "2000-1-1", []byte("second"))
	s.put(subject.Operations, "op", federationv1.EncodeOperation(federation.Operation{ID: "op", State: federation.OperationCompleted, Request: federation.OperationRequest{Scope: federation.Scope{By: "member", Value: "tokyo"}}}))
}

// file writes a backup of the store.
func (s *shelf) file() string {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "backup")
	f, err := os.Create(name)
	s.must(err)
	l := &leadership{hub: s.hub, buckets: s.buckets, reigning: reigning{term: 7}}
	s.must(errors.Join(l.writeBackup(s.t.Context(), f), f.Close()))
	return name
}

func (s *shelf) records() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, bucket := range archived() {
		s.must(each(s.t.Context(), s.buckets[bucket], func(e messaging.Entry) error {
			out[bucket+" "+e.Key] = string(e.Value)
			return nil
		}))
	}
	return out
}

func (s *shelf) assigned(name string) (federation.Assignment, bool) {
	s.t.Helper()
	r := newRestorer(s.hub, s.buckets)
	a, there, err := r.assignment(s.t.Context(), "shop."+name)
	s.must(err)
	return a, there
}

func (s *shelf) restore(file string) (federation.Changes, error) {
	r := newRestorer(s.hub, s.buckets)
	r.write = true
	return r.run(s.t.Context(), file)
}

func TestMerge(t *testing.T) {
	old := newShelf(t)
	old.older()
	file := old.file()
	s := newShelf(t)
	s.newer()
	before := s.records()
	plan, err := newRestorer(s.hub, s.buckets).run(t.Context(), file)
	s.must(err)
	if !maps.Equal(before, s.records()) {
		t.Error("a plan changes the store")
	}
	done, err := s.restore(file)
	s.must(err)
	if !slices.EqualFunc(plan.List, done.List, func(a, b federation.Change) bool { return a.Kind == b.Kind && a.Name == b.Name && a.Do == b.Do }) {
		t.Errorf("planned %+v\ndone %+v", plan.List, done.List)
	}
	s.checkAssignments()
	members := map[string]federation.MemberSpec{}
	s.must(each(t.Context(), s.buckets[subject.Members], func(e messaging.Entry) error {
		spec, err := federationv1.DecodeMemberSpec(e.Value)
		members[spec.Name] = spec
		return err
	}))
	if tokyo := members["tokyo"]; len(members) != 2 || tokyo.Account != "A9" || tokyo.Labels["tier"] != "gold" || !tokyo.JoinedAt.Equal(joinedAt.Add(time.Hour)) || !members["osaka"].Cordoned {
		t.Errorf("members: %+v", members)
	}
	after := s.records()
	for _, key := range []string{"tokens t3", "health frankfurt", "members frankfurt", "workloads shop.made", "assignments shop.made", "assignments shop.torn"} {
		if _, there := after[key]; there {
			t.Errorf("%s is there", key)
		}
	}
	for _, key := range []string{"tokens t1", "operations op", "events 1000-1-1", "events 2000-1-1", "health tokyo", "assignments shop.ending"} {
		if after[key] != before[key] || after[key] == "" {
			t.Errorf("%s was %q and is %q", key, before[key], after[key])
		}
	}
}

// checkAssignments: each decision of the backup is in force, above the one that was, and
// of the present version of its workload.
func (s *shelf) checkAssignments() {
	s.t.Helper()
	for name, want := range map[string]federation.Assignment{
		"same":      {Epoch: 1, Members: []federation.AssignedMember{share("tokyo", 2, 1)}},
		"moved":     {Epoch: 7, Members: []federation.AssignedMember{share("tokyo", 2, 7)}},
		"changed":   {Epoch: 3, Members: []federation.AssignedMember{share("tokyo", 1, 1), share("osaka", 1, 3)}},
		"gone":      {Epoch: 5, Members: []federation.AssignedMember{share("tokyo", 2, 4)}},
		"undecided": {Epoch: 1, Members: []federation.AssignedMember{share("tokyo", 1, 1)}},
	} {
		a, there := s.assigned(name)
		entry, err := s.buckets[subject.Workloads].Get(s.t.Context(), "shop."+name)
		s.must(err)
		if !there || a.Epoch != want.Epoch || !slices.Equal(a.Members, want.Members) || a.WorkloadRevision != entry.Revision {
			s.t.Errorf("%s of revision %d: %+v", name, entry.Revision, a)
		}
	}
}

// breaking is a bucket that fails once a number of writes were done.
type breaking struct {
	messaging.Bucket
	left *int
}

var errBroken = errors.New("the bus is gone")

func (b breaking) spend() error {
	if *b.left == 0 {
		return errBroken
	}
	*b.left--
	return nil
}

// WriteAll writes one after the other, so that it can break between any two.
func (b breaking) WriteAll(ctx context.Context, writes []messaging.Write) ([]federation.Revision, error) {
	var out []federation.Revision
	for _, w := range writes {
		if err := b.spend(); err != nil {
			return nil, err
		}
		revision, err := b.Bucket.WriteAll(ctx, []messaging.Write{w})
		if err != nil {
			return nil, err
		}
		out = append(out, revision...)
	}
	return out, nil
}

func (b breaking) Delete(ctx context.Context, key string, expected federation.Revision) error {
	if err := b.spend(); err != nil {
		return err
	}
	return b.Bucket.Delete(ctx, key, expected)
}

// TestBrokenRestore: a restore that breaks off after any write, even within a batch,
// leaves no decision without its workload, which would be taken for a deletion; done
// again it comes to the same end.
func TestBrokenRestore(t *testing.T) {
	old := newShelf(t)
	old.older()
	file := old.file()
	whole := newShelf(t)
	whole.newer()
	_, err := whole.restore(file)
	whole.must(err)
	for writes := 0; ; writes++ {
		s := newShelf(t)
		s.newer()
		left := writes
		r := newRestorer(s.hub, map[string]messaging.Bucket{})
		r.write = true
		for name, b := range s.buckets {
			r.buckets[name] = breaking{b, &left}
		}
		_, err := r.run(t.Context(), file)
		if err == nil {
			if writes < 10 {
				t.Fatalf("a restore has %d writes", writes)
			}
			return
		}
		if !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		s.checkPaired(fmt.Sprintf("after %d writes", writes))
		_, err = s.restore(file)
		s.must(err)
		s.checkAssignments()
		if got, want := s.keys(), whole.keys(); !slices.Equal(got, want) {
			t.Fatalf("after %d writes and once more: %v, want %v", writes, got, want)
		}
	}
}

func (s *shelf) keys() []string { return slices.Sorted(maps.Keys(s.records())) }

func (s *shelf) checkPaired(when string) {
	s.t.Helper()
	records := s.records()
	s.must(each(s.t.Context(), s.buckets[subject.Assignments], func(e messaging.Entry) error {
		a, err := federationv1.DecodeAssignment(e.Value)
		if _, there := records["workloads "+e.Key]; !there && !decision.Deleted(a) {
			s.t.Errorf("%s: %s is assigned and no workload", when, e.Key)
		}
		return err
	}))
}

// TestForeignRecords: a backup whose records nobody can read is refused before anything
// is written.
func TestForeignRecords(t *testing.T) {
	for name, record := range map[string]archive.Record{
		"bucket":     {Bucket: "moods", Key: "a"},
		"workload":   {Bucket: subject.Workloads, Key: "a.b", Value: []byte{0xff}},
		"assignment": {Bucket: subject.Assignments, Key: "a.b", Value: []byte{0xff}},
		"member":     {Bucket: subject.Members, Key: "a", Value: []byte{0xff}},
	} {
		file := filepath.Join(t.TempDir(), name)
		f, err := os.Create(file)
		s := newShelf(t)
		s.must(err)
		w, err := archive.NewWriter(f, archive.Header{})
		s.must(err)
		s.must(errors.Join(w.Record(record), w.Close(), f.Close()))
		var refused *messaging.RemoteError
		if _, err := newRestorer(s.hub, s.buckets).run(t.Context(), file); !errors.As(err, &refused) || refused.Kind != messaging.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
