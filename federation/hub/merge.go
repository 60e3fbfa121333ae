package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// What a restore does to a thing.
const (
	added   = "added"
	changed = "changed"
	removed = "removed"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// merged returns what is to be written for a record of the backup; nil for nothing.
func (r *restorer) merged(ctx context.Context, record archive.Record) ([]byte, error) {
	has, there := r.present[record.Bucket][record.Key]
	same := there && has.sum == sha256.Sum256(record.Value)
	switch record.Bucket {
	case subject.Workloads:
		return r.mergedWorkload(record, has, same)
	case subject.Assignments:
		return r.mergedAssignment(ctx, record, there)
	case subject.Members:
		if same {
			return nil, nil
		}
		return r.mergedMember(ctx, record, there)
	case subject.Tokens:
		if there && !same {
			return r.mergedToken(ctx, record)
		}
	case subject.Events:
		if record.Key <= r.lastEvent {
			return nil, nil
		}
	case subject.Health, subject.Operations:
		if there {
			return nil, nil
		}
	case subject.Scores:
		r.tell("score", record.Key, there, same)
	case subject.StatusRules:
		r.tell("statusrule", record.Key, there, same)
	}
	if same {
		return nil, nil
	}
	return record.Value, nil
}

// tell notes that a record becomes that of the backup.
func (r *restorer) tell(kind, key string, there, same bool) {
	name, _ := subject.Untoken(key) // a name that cannot be read is told as it is
	switch {
	case same:
	case there:
		r.note(federation.Change{Kind: kind, Name: cmp.Or(name, key), Do: changed})
	default:
		r.note(federation.Change{Kind: kind, Name: cmp.Or(name, key), Do: added})
	}
}

func (r *restorer) mergedWorkload(record archive.Record, has found, same bool) ([]byte, error) {
	w, err := federationv1.DecodeWorkload(record.Value)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "the backup has a workload %s that cannot be read: %v", record.Key, err)
	}
	r.workloads[record.Key] = versions{archived: federation.Revision(record.Revision), stored: has.revision}
	if same {
		return nil, nil
	}
	change := federation.Change{Kind: "workload", Name: w.Key.String(), Do: added}
	if has.revision != 0 {
		change.Do = changed
	}
	r.note(change)
	return record.Value, nil
}

// mergedAssignment gives a decision of the backup its place among those of the store.
// It is of the version of the workload that the store has now. Where the store has
// another decision, the epoch is above that one's, so that members obey; who is in both
// has entered when the store says. On a store that was made anew the epoch stays: what
// members show beyond it is adopted.
func (r *restorer) mergedAssignment(ctx context.Context, record archive.Record, there bool) ([]byte, error) {
	a, err := federationv1.DecodeAssignment(record.Value)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "the backup has an assignment %s that cannot be read: %v", record.Key, err)
	}
	version, wanted := r.workloads[record.Key]
	if !wanted {
		return nil, nil // the machine would take it for a deletion
	}
	if a.WorkloadRevision == version.archived {
		a.WorkloadRevision = version.stored
	} else {
		a.WorkloadRevision = 0 // it is decided again
	}
	if !there {
		r.note(federation.Change{Kind: "assignment", Name: a.Workload.String(), Do: added, Note: shares(a)})
		return federationv1.EncodeAssignment(a), nil
	}
	now, _, err := r.assignment(ctx, record.Key)
	if err != nil {
		return nil, err
	}
	alike := sameShares(now, a)
	if !alike {
		r.note(federation.Change{Kind: "assignment", Name: a.Workload.String(), Do: changed, Note: shares(now) + " → " + shares(a)})
	}
	if alike && now.WorkloadRevision == a.WorkloadRevision {
		return nil, nil
	}
	stepEpoch(&a, now)
	return federationv1.EncodeAssignment(a), nil
}

// stepEpoch puts a decision above the one that is in force.
func stepEpoch(a *federation.Assignment, now federation.Assignment) {
	a.Epoch = max(a.Epoch, now.Epoch) + 1
	for i := range a.Members {
		a.Members[i].Since = a.Epoch
		for _, s := range now.Members {
			if s.Member == a.Members[i].Member {
				a.Members[i].Since = s.Since
			}
		}
	}
}

func sameShares(a, b federation.Assignment) bool {
	return slices.EqualFunc(a.Members, b.Members, func(x, y federation.AssignedMember) bool {
		return x.Member == y.Member && x.Replicas == y.Replicas
	}) && a.Unmet == b.Unmet && decision.Deleted(a) == decision.Deleted(b)
}

// shares is for people: "tokyo 2, virginia 1".
func shares(a federation.Assignment) string {
	var out []string
	for _, s := range a.Members {
		out = append(out, fmt.Sprintf("%s %d", s.Member, s.Replicas))
	}
	return cmp.Or(strings.Join(out, ", "), "nowhere")
}

// assignment reads the store's decision; false when there is none.
func (r *restorer) assignment(ctx context.Context, key string) (a federation.Assignment, there bool, err error) {
	entry, err := r.buckets[subject.Assignments].Get(ctx, key)
	if errors.Is(err, messaging.ErrNotFound) {
		return a, false, nil
	}
	if err == nil {
		a, err = federationv1.DecodeAssignment(entry.Value)
	}
	if err != nil {
		return a, false, fmt.Errorf("read the assignment %s: %w", key, err)
	}
	return a, true, nil
}

// mergedMember takes what operators decided from the backup. A member that has joined
// again since is who it is now: the credentials that it has are those of its last join.
func (r *restorer) mergedMember(ctx context.Context, record archive.Record, there bool) ([]byte, error) {
	spec, err := federationv1.DecodeMemberSpec(record.Value)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "the backup has a member %s that cannot be read: %v", record.Key, err)
	}
	change := federation.Change{Kind: "member", Name: spec.Name, Do: added}
	if !there {
		if len(r.present[subject.Members]) > 0 {
			change.Note = "it left after the backup, and counts as lost until it joins again: hansa token create --member " + spec.Name
		}
		r.note(change)
		return record.Value, r.openWorks(ctx, spec)
	}
	entry, err := r.buckets[subject.Members].Get(ctx, record.Key)
	if err != nil {
		return nil, fmt.Errorf("read member %s: %w", spec.Name, err)
	}
	now, err := federationv1.DecodeMemberSpec(entry.Value)
	if err != nil {
		return nil, fmt.Errorf("read member %s: %w", spec.Name, err)
	}
	spec.SealKey, spec.SealedTo = now.SealKey, now.SealedTo // as its works are sealed
	spec.Leaving = now.Leaving                              // its agent may have been told
	spec.Peers = now.Peers                                  // likewise
	spec.AgentAt = now.AgentAt                              // as it has said itself
	if !now.JoinedAt.Equal(spec.JoinedAt) {
		spec.Account, spec.ClusterID, spec.JoinedAt = now.Account, now.ClusterID, now.JoinedAt
		spec.Place, spec.ProbeURL, spec.ProbeCA = now.Place, now.ProbeURL, now.ProbeCA
	}
	value := federationv1.EncodeMemberSpec(spec)
	if slices.Equal(value, entry.Value) {
		return nil, nil
	}
	change.Do = changed
	r.note(change)
	return value, nil
}

// openWorks makes the work bucket of a member that the store did not have.
func (r *restorer) openWorks(ctx context.Context, spec federation.MemberSpec) error {
	if !r.write || spec.Account == "" {
		return nil
	}
	if _, err := r.hub.workBucket(ctx, spec.Account); err != nil {
		return fmt.Errorf("make the work bucket of %s: %w", spec.Name, err)
	}
	return nil
}

// mergedToken lets a token that was used since stay used: nobody joins with it twice.
func (r *restorer) mergedToken(ctx context.Context, record archive.Record) ([]byte, error) {
	entry, err := r.buckets[subject.Tokens].Get(ctx, record.Key)
	if err != nil {
		return nil, fmt.Errorf("read token %s: %w", record.Key, err)
	}
	if now, err := federationv1.DecodeToken(entry.Value); err == nil && now.Used {
		return nil, nil
	}
	return record.Value, nil
}

// remove takes away a record that the backup does not have.
func (r *restorer) remove(ctx context.Context, bucket, key string) error {
	switch bucket {
	case subject.Workloads:
		return r.removeWorkload(ctx, key)
	case subject.Assignments:
		return r.removeAssignment(ctx, key)
	case subject.Members:
		return r.removeMember(ctx, key)
	case subject.Scores:
		name, _ := subject.Untoken(key)
		r.note(federation.Change{Kind: "score", Name: cmp.Or(name, key), Do: removed})
	case subject.StatusRules:
		name, _ := subject.Untoken(key)
		r.note(federation.Change{Kind: "statusrule", Name: cmp.Or(name, key), Do: removed})
	}
	return r.delete(ctx, bucket, key)
}

// removeWorkload forgets a workload; what runs of it goes on, and no member is told to
// remove it.
func (r *restorer) removeWorkload(ctx context.Context, key string) error {
	change := federation.Change{Kind: "workload", Name: key, Do: removed}
	if k, err := subject.ParseWorkloadKey(key); err == nil {
		change.Name = k.String()
	}
	a, there, err := r.assignment(ctx, key)
	if err != nil {
		return err
	}
	if there && len(a.Members) > 0 {
		change.Note = "made after the backup; it goes on running (" + shares(a) + "), and nobody manages it until it is applied again"
	}
	r.note(change)
	return r.delete(ctx, subject.Workloads, key)
}

// removeAssignment forgets a decision about a workload that is forgotten too. One whose
// workload stays is in force, and one that waits for proofs of removal goes on waiting.
func (r *restorer) removeAssignment(ctx context.Context, key string) error {
	_, wanted := r.workloads[key]
	_, existed := r.present[subject.Workloads][key]
	if wanted || !existed {
		return nil
	}
	name := key
	if k, err := subject.ParseWorkloadKey(key); err == nil {
		name = k.String()
	}
	r.note(federation.Change{Kind: "assignment", Name: name, Do: removed})
	return r.delete(ctx, subject.Assignments, key)
}

// removeMember forgets a member that joined after the backup, with all that it reported.
// Its credentials stay good, so that its agent can be told; its pods go on.
func (r *restorer) removeMember(ctx context.Context, key string) error {
	name, err := subject.Untoken(key)
	if err != nil {
		name = key
	}
	r.note(federation.Change{
		Kind: "member", Name: name, Do: removed,
		Note: "it joined after the backup; what it runs goes on, and nobody manages it until it joins again: hansa token create --member " + name,
	})
	if !r.write {
		return nil
	}
	if err := forgetReports(ctx, r.buckets, name); err != nil {
		return err
	}
	return r.delete(ctx, subject.Members, key)
}
