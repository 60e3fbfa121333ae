package member

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/imports"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	// importsRest is the least between two looks at what is imported: what changes
	// meanwhile is one change.
	importsRest = 500 * time.Millisecond
	// importsSpread is the time over which the agents ask for one change of the
	// clusterset, each at its own moment.
	importsSpread = 250 * time.Millisecond
	// lastImportsRest bounds the wait after a look that failed.
	lastImportsRest = 30 * time.Second
	// rightsEvery is how often an agent that may not write imports asks whether it may.
	rightsEvery = 15 * time.Second
	// mostImporting bounds how many objects are written side by side.
	mostImporting = 4
)

// keepImports keeps what the cluster imports as the clusterset is.
func (a *Agent) keepImports(ctx context.Context) error {
	if !a.awaitImportRights(ctx) {
		return nil
	}
	filled := make(chan struct{})
	cluster, err := a.watch.WatchImports(func() { mark(a.imported) })
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { cluster.Run(ctx, func() { close(filled) }); return nil })
	group.Go(func() error {
		for _, ready := range []<-chan struct{}{filled, a.watched} {
			select {
			case <-ctx.Done():
				return nil
			case <-ready:
			}
		}
		i := &importer{Agent: a, cluster: cluster}
		i.run(ctx)
		return nil
	})
	return group.Wait()
}

// awaitImportRights waits until the agent may write what is imported, and reports whether
// ctx is still alive. An installation of before has not the rights: that is told once, in
// the log and in the federation's history, and everything else goes on.
func (a *Agent) awaitImportRights(ctx context.Context) bool {
	told := ""
	for {
		missing, err := a.cluster.MissingImportRights(ctx)
		switch {
		case err != nil:
			a.log.Debug("the API server does not say whether the agent may write imports", "reason", err)
		case missing == "":
			return ctx.Err() == nil
		case missing != told:
			told = missing
			a.log.Warn("services of other members are not imported: rights are missing; grant the ClusterRole hansa-agent-imports of configs/agent", "rights", missing)
			a.note("services of other members are not imported: the agent may not " + missing + ": grant it the ClusterRole hansa-agent-imports of configs/agent")
		}
		rest := rightsEvery
		if err != nil {
			rest = time.Second
		}
		if !wait(ctx, rest) {
			return false
		}
	}
}

// note writes a line about this member into the federation's history, once.
func (a *Agent) note(text string) {
	e := federation.Event{At: time.Now().UTC(), Type: "Landing", About: "member/" + a.opts.Name, Text: text}
	a.reports.put(topic{key: "event " + text, method: subject.UpEvent, heard: true, last: true}, func(uint64) []byte {
		return federationv1.EncodeEvent(e)
	})
}

// importer is keepImports at work; one goroutine uses it.
type importer struct {
	*Agent
	cluster  *kube.Imports
	table    imports.Table
	foreign  map[federation.Key]bool // that were told
	failure  string                  // the last, and how often it came in a row
	failures int
}

func (i *importer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for rest := importsRest; ; {
		select {
		case <-ctx.Done():
			return
		case <-i.imported:
		case <-timer.C:
		}
		later, err := i.look(ctx)
		if err != nil && ctx.Err() == nil {
			i.tellFailure(err)
			rest = min(2*rest, lastImportsRest)
			later = time.Now()
		} else {
			rest, i.failure = importsRest, ""
		}
		if !wait(ctx, rest) {
			return
		}
		timer.Stop()
		if !later.IsZero() {
			timer.Reset(max(0, time.Until(later)))
		}
	}
}

// tellFailure logs what failed a second time, once: the first may pass, as a kind that
// the API server has just begun to serve.
func (i *importer) tellFailure(err error) {
	if i.failure != err.Error() {
		i.failure, i.failures = err.Error(), 0
	}
	if i.failures++; i.failures == 2 {
		i.log.Warn("what the cluster imports is not as it should be, trying again", "reason", err)
	}
}

// look asks for what is new, and writes what differs. It returns when to look again
// although nothing changes.
func (i *importer) look(ctx context.Context) (later time.Time, err error) {
	asked := i.ask(ctx)
	have := i.cluster.Cluster()
	have.Exports = i.watch.ServiceExports()
	plan := i.table.Plan(time.Now(), i.opts.Name, have)
	i.tellForeign(plan.Foreign)
	if n := len(plan.Put) + len(plan.Status) + len(plan.Drop); n > 0 || plan.Waits > 0 {
		i.log.Debug("imports", "apply", len(plan.Put), "status", len(plan.Status), "delete", len(plan.Drop), "waits", plan.Waits)
	}
	return plan.Later, errors.Join(asked, i.write(ctx, plan))
}

// ask takes from the hub what the table lacks.
func (i *importer) ask(ctx context.Context) error {
	heard := i.hub.Load()
	if !i.table.Lacks(heard.term, heard.imports) {
		return nil
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(i.opts.Name)) // a hash takes everything
	if !wait(ctx, importsSpread*time.Duration(h.Sum32()%64)/64) {
		return ctx.Err()
	}
	for more := true; more; {
		reply, exports, err := i.request(ctx)
		if err != nil {
			return err
		}
		i.table.Apply(time.Now(), reply, exports)
		more = reply.More
	}
	return nil
}

func (i *importer) request(ctx context.Context) (federation.ImportsReply, []federation.Export, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	b, err := i.control.Request(ctx, subject.MemberUp(subject.UpImports), federationv1.EncodeImportsRequest(i.table.Request()))
	var reply federation.ImportsReply
	if err == nil {
		reply, err = federationv1.DecodeImportsReply(b)
	}
	var exports []federation.Export
	for _, data := range reply.Exports {
		e, bad := federationv1.DecodeExport(data)
		if bad != nil {
			return reply, nil, bad
		}
		exports = append(exports, e)
	}
	return reply, exports, err
}

// tellForeign logs services that others import, once each.
func (i *importer) tellForeign(all []federation.Key) {
	now := map[federation.Key]bool{}
	for _, k := range all {
		now[k] = true
		if !i.foreign[k] {
			i.log.Warn("a service is not imported: there is a ServiceImport of its name that Hansa did not make", "service", k.String())
		}
	}
	i.foreign = now
}

// write carries a plan out, and returns what failed; one object that fails stops none of
// the others.
func (i *importer) write(ctx context.Context, p imports.Plan) error {
	var mu sync.Mutex
	var failed []error
	for _, part := range []struct {
		objects []imports.Object
		do      func(context.Context, imports.Object) error
	}{
		{p.Put, i.Agent.cluster.PutImport}, {p.Status, i.putStatus}, {p.Drop, i.Agent.cluster.DropImport},
	} {
		var group errgroup.Group
		group.SetLimit(mostImporting)
		for _, o := range part.objects {
			group.Go(func() error {
				if err := part.do(ctx, o); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if len(failed) < mostImporting {
						failed = append(failed, err)
					}
				}
				return nil
			})
		}
		_ = group.Wait() // what failed is in the list
	}
	return errors.Join(failed...)
}

// putStatus leaves a condition to another implementation of the API that owns it.
func (i *importer) putStatus(ctx context.Context, o imports.Object) error {
	err := i.Agent.cluster.PutStatus(ctx, o)
	if errors.Is(err, kube.ErrConflict) || errors.Is(err, kube.ErrNotFound) {
		i.log.Debug("a status is left as it is", "reason", err)
		return nil
	}
	return err
}
