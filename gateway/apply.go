package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/gateway/grpcserver"
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
	workloads, err := document.Read(r.Files)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "%v", err)
	}
	if err := g.room(); err != nil && !r.DryRun {
		return nil, err
	}
	bucket, err := g.opts.Bus.Bucket(ctx, subject.Workloads)
	if err != nil {
		return nil, err
	}
	for i := range workloads {
		workloads[i].Source, workloads[i].AppliedBy, workloads[i].AppliedAt = r.Source, r.Who, time.Now()
	}
	if err := g.seal(ctx, workloads); err != nil {
		return nil, err
	}
	for i := range workloads {
		if size := len(federationv1.EncodeWorkload(workloads[i])); size > maxRecord {
			return nil, messaging.Errorf(messaging.Invalid, "workload %s is %.1f MB with its Secrets, the rest compressed: the bus takes %.1f MB: split it",
				workloads[i].Key, float64(size)/1e6, maxRecord/1e6)
		}
	}
	if err := g.checkOwners(workloads); err != nil {
		return nil, err
	}
	pruned := g.leftBehind(r, workloads)
	if err := g.guardDeletion(workloads, pruned, r.Confirmed || r.DryRun); err != nil {
		return nil, err
	}
	var out []grpcserver.Applied
	for _, w := range workloads {
		done, err := applyOne(ctx, bucket, w, r)
		if err != nil {
			return out, fmt.Errorf("apply %s (%d of %d workloads were applied): %w", w.Key, len(out), len(workloads), err)
		}
		out = append(out, done)
	}
	for _, k := range pruned {
		done, err := deleteOne(ctx, bucket, k, r.DryRun)
		if err != nil {
			return out, err
		}
		out = append(out, done)
	}
	if !r.DryRun {
		g.log.Info("applied", "workloads", len(out), "source", r.Source, "who", r.Who, trace.Attr(trace.ID(ctx)))
		g.awaitOwn(ctx, out)
	}
	return out, nil
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
			w, there := g.Table().Workloads[a.Key]
			if a.Action == "pruned" && !there || a.Action != "pruned" && w.Revision >= a.Revision {
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

// applyOne writes one workload unless it is already as wanted. A write whose outcome is
// not known is looked up and, if need be, made again: a bus that lost a server elects.
func applyOne(ctx context.Context, bucket messaging.KV, w federation.Workload, r grpcserver.Apply) (grpcserver.Applied, error) {
	key := subject.WorkloadKey(w.Key)
	done := grpcserver.Applied{Key: w.Key, Objects: len(w.Objects)}
	action, unknown := "", time.Time{}
	for conflicts := 0; conflicts < conflictTries; {
		entry, err := bucket.Get(ctx, key)
		switch {
		case errors.Is(err, messaging.ErrNotFound):
			done.Action, entry.Revision = "created", 0
		case err != nil:
			return done, err
		case same(entry.Value, w, r.Prune):
			done.Action, done.Revision = cmp.Or(action, "unchanged"), entry.Revision
			return done, nil
		default:
			done.Action = "configured"
		}
		if r.DryRun {
			return done, nil
		}
		done.Revision, err = bucket.Put(ctx, key, federationv1.EncodeWorkload(w), entry.Revision)
		switch {
		case errors.Is(err, messaging.ErrConflict):
			conflicts++
		case errors.Is(err, messaging.ErrUnknown) && (unknown.IsZero() || time.Since(unknown) < unknownFor):
			action = done.Action // if the write is there after all
			if unknown.IsZero() {
				unknown = time.Now()
			}
		default:
			return done, err
		}
	}
	return done, messaging.Errorf(messaging.Conflict, "workload %s is being changed by others: try again", w.Key)
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

// Delete removes one workload, or the workloads of the files.
func (g *Gateway) Delete(ctx context.Context, r grpcserver.Delete) ([]grpcserver.Applied, error) {
	keys := []federation.Key{r.Key}
	if len(r.Files) > 0 {
		workloads, err := document.Read(r.Files)
		if err != nil {
			return nil, messaging.Errorf(messaging.Invalid, "%v", err)
		}
		keys = nil
		for _, w := range workloads {
			keys = append(keys, w.Key)
		}
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
	if !r.DryRun {
		g.awaitOwn(ctx, out)
	}
	return out, nil
}

func deleteOne(ctx context.Context, bucket messaging.KV, k federation.Key, dryRun bool) (grpcserver.Applied, error) {
	key := subject.WorkloadKey(k)
	done := grpcserver.Applied{Key: k, Action: "pruned"}
	for began, tried := time.Now(), false; ; tried = true {
		_, err := bucket.Get(ctx, key)
		if errors.Is(err, messaging.ErrNotFound) && tried {
			return done, nil
		}
		if err == nil && !dryRun {
			err = bucket.Delete(ctx, key, messaging.AnyRevision)
		}
		switch {
		case errors.Is(err, messaging.ErrNotFound) && !tried:
			return done, messaging.Errorf(messaging.NotFound, "workload %s does not exist: see \"hansa get workloads\"", k)
		case errors.Is(err, messaging.ErrUnknown) && time.Since(began) < unknownFor, errors.Is(err, messaging.ErrConflict):
			continue
		}
		return done, err
	}
}
