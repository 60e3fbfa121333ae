package gateway

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/route"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

var _ grpcserver.Desired = (*Gateway)(nil)

// conflictTries bounds how often a write is tried against a record that others
// change at the same time.
const conflictTries = 5

// unknownFor bounds how long a write is tried whose outcome is not known.
const unknownFor = 15 * time.Second

// Apply checks all files and then writes what differs. When anything is wrong
// nothing is written.
func (g *Gateway) Apply(ctx context.Context, r grpcserver.Apply) ([]grpcserver.Applied, error) {
	desired, err := document.Read(r.Files)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "%v", err)
	}
	if err := g.room(); err != nil && !r.DryRun {
		return nil, err
	}
	if err := g.prepare(ctx, desired, r); err != nil {
		return nil, err
	}
	pruned := g.leftBehind(r, desired.Workloads)
	if err := g.guardDeletion(desired.Workloads, pruned, r.Confirmed || r.DryRun); err != nil {
		return nil, err
	}
	out, err := g.applyRules(ctx, desired.StatusRules, r)
	if err != nil {
		return out, err
	}
	bucket, err := g.opts.Bus.Bucket(ctx, subject.Workloads)
	if err != nil {
		return out, err
	}
	done, err := applyWorkloads(ctx, bucket, desired.Workloads, r)
	out = append(out, done...)
	if err != nil {
		return out, err
	}
	for _, k := range pruned {
		done, err := deleteOne(ctx, bucket, k, r.DryRun)
		if err != nil {
			return out, err
		}
		out = append(out, done)
	}
	if !r.DryRun {
		g.log.Info("applied", "records", len(out), "source", r.Source, "who", r.Who, trace.Attr(trace.ID(ctx)))
		g.awaitOwn(ctx, out)
	}
	return out, nil
}

// prepare makes the records ready to be written, and says what others have against it.
func (g *Gateway) prepare(ctx context.Context, d document.Desired, r grpcserver.Apply) error {
	for i := range d.StatusRules {
		d.StatusRules[i].Source, d.StatusRules[i].AppliedBy, d.StatusRules[i].AppliedAt = r.Source, r.Who, time.Now()
	}
	for i := range d.Workloads {
		d.Workloads[i].Source, d.Workloads[i].AppliedBy, d.Workloads[i].AppliedAt = r.Source, r.Who, time.Now()
	}
	if err := g.seal(ctx, d.Workloads); err != nil {
		return err
	}
	for _, w := range d.Workloads {
		if size := len(federationv1.EncodeWorkload(w)); size > maxRecord {
			return messaging.Errorf(messaging.Invalid, "workload %s is %.1f MB with its Secrets, the rest compressed: the bus takes %.1f MB: split it",
				w.Key, float64(size)/1e6, maxRecord/1e6)
		}
	}
	if err := g.checkOwners(d.Workloads); err != nil {
		return err
	}
	return g.checkRules(d.StatusRules, r)
}

// room refuses what would be written while the bus's disk has little room. What is
// deleted makes some, and is not refused.
func (g *Gateway) room() error {
	if full := g.Table().Full; full != "" {
		return messaging.Errorf(messaging.Unavailable, "nothing was written: %s", full)
	}
	return nil
}

// ownWithin is how long a write waits for this gateway's table to have it.
const ownWithin = 2 * time.Second

// awaitOwn waits until the table has what was written, so that who writes and then
// reads here finds it. A table that is late does no harm but that.
func (g *Gateway) awaitOwn(ctx context.Context, written []grpcserver.Applied) {
	ctx, cancel := context.WithTimeout(ctx, ownWithin)
	defer cancel()
	for _, a := range written {
		for {
			changed := g.Changed()
			revision, there := revisionIn(g.Table(), a)
			if a.Action == "pruned" && !there || a.Action != "pruned" && revision >= a.Revision {
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

// revisionIn is the revision that the table has of a record.
func revisionIn(table *route.Table, a grpcserver.Applied) (federation.Revision, bool) {
	if a.Kind == ruleKind {
		r, there := table.StatusRules[a.Key.Name]
		return r.Revision, there
	}
	w, there := table.Workloads[a.Key]
	return w.Revision, there
}

// maxRecord is the largest workload record, in bytes: the bus takes 8 MiB.
const maxRecord = 8_000_000

// checkOwners refuses an object that another workload has already.
func (g *Gateway) checkOwners(workloads []federation.Workload) error {
	own := map[federation.Key]bool{}
	for _, w := range workloads {
		own[w.Key] = true
	}
	owner := map[string]federation.Key{}
	for k, w := range g.Table().Workloads {
		if own[k] {
			continue
		}
		for _, o := range w.Objects {
			owner[o.ID()] = k
		}
	}
	for _, w := range workloads {
		for _, o := range w.Objects {
			other, taken := owner[o.ID()]
			if taken && !shared(o) {
				return messaging.Errorf(messaging.Conflict, "%s belongs to workload %s already: take it out of %s, or delete %s first", o.ID(), other, w.Key, other)
			}
		}
	}
	return nil
}

// shared reports an object that several workloads may bring along.
func shared(o federation.Object) bool {
	switch o.Kind {
	case "Namespace", "CustomResourceDefinition", "ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim":
		return true
	}
	return false
}

// applyWorkloads writes the workloads that are not already as wanted.
func applyWorkloads(ctx context.Context, bucket messaging.Bucket, workloads []federation.Workload, r grpcserver.Apply) ([]grpcserver.Applied, error) {
	records := make([]record, len(workloads))
	for i, w := range workloads {
		records[i] = record{
			Applied: grpcserver.Applied{Kind: "Workload", Key: w.Key, Objects: len(w.Objects)},
			about:   "workload " + w.Key.String(), key: subject.WorkloadKey(w.Key), value: federationv1.EncodeWorkload(w),
			same: func(stored []byte) bool { return same(stored, w, r.Prune) },
		}
	}
	done, err := writeAll(ctx, bucket, records, r.DryRun)
	if err != nil {
		return done, fmt.Errorf("apply %s (%d of %d workloads were applied): %w", workloads[len(done)].Key, len(done), len(workloads), err)
	}
	return done, nil
}

// same reports whether the stored record asks for the same thing; from which
// source matters only to those who prune.
func same(stored []byte, w federation.Workload, prune bool) bool {
	old, err := federationv1.DecodeWorkload(stored)
	if err != nil {
		return false
	}
	old.AppliedAt, old.AppliedBy = w.AppliedAt, w.AppliedBy
	old.Sealed, w.Sealed = federation.Sealed{}, federation.Sealed{} // another one each time; the digests tell
	if !prune {
		old.Source = w.Source // only pruning asks whose it is
	}
	return bytes.Equal(federationv1.EncodeWorkload(old), federationv1.EncodeWorkload(w))
}

// leftBehind lists what the same source applied before and no longer has.
func (g *Gateway) leftBehind(r grpcserver.Apply, now []federation.Workload) []federation.Key {
	if !r.Prune || r.Source == "" {
		return nil
	}
	keep := map[federation.Key]bool{}
	for _, w := range now {
		keep[w.Key] = true
	}
	table := g.Table()
	var out []federation.Key
	for _, k := range table.Keys() {
		if w, ok := table.Workloads[k]; ok && !keep[k] && w.Source == r.Source {
			out = append(out, k)
		}
	}
	return out
}

// Delete removes one record, or those of the files.
func (g *Gateway) Delete(ctx context.Context, r grpcserver.Delete) ([]grpcserver.Applied, error) {
	var keys []federation.Key
	var rules []string
	switch {
	case len(r.Files) > 0:
		desired, err := document.Read(r.Files)
		if err != nil {
			return nil, messaging.Errorf(messaging.Invalid, "%v", err)
		}
		for _, w := range desired.Workloads {
			keys = append(keys, w.Key)
		}
		for _, rule := range desired.StatusRules {
			rules = append(rules, rule.Name)
		}
	case r.Kind == ruleKind:
		rules = []string{r.Key.Name}
	default:
		keys = []federation.Key{r.Key}
	}
	if err := g.guardDeletion(nil, keys, r.Confirmed || r.DryRun); err != nil {
		return nil, err
	}
	bucket, err := g.opts.Bus.Bucket(ctx, subject.Workloads)
	if err != nil {
		return nil, err
	}
	var out []grpcserver.Applied
	for _, k := range keys {
		done, err := deleteOne(ctx, bucket, k, r.DryRun)
		if err != nil {
			return out, err
		}
		out = append(out, done)
	}
	gone, err := g.deleteRules(ctx, rules, r.DryRun)
	out = append(out, gone...)
	if err != nil {
		return out, err
	}
	if !r.DryRun {
		g.awaitOwn(ctx, out)
	}
	return out, nil
}

func deleteOne(ctx context.Context, bucket messaging.KV, k federation.Key, dryRun bool) (grpcserver.Applied, error) {
	return grpcserver.Applied{Kind: "Workload", Key: k, Action: "pruned"}, remove(ctx, bucket, record{
		about: "workload " + k.String(), key: subject.WorkloadKey(k), list: "hansa get workloads",
	}, dryRun)
}
