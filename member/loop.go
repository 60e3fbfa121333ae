package member

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// requestLimit bounds a request to the hub.
const requestLimit = 5 * time.Second

// input is one thing for the goroutine that owns the guard.
type input struct {
	events []guard.Event
	drift  federation.Key // look whether the cluster drifted from it; there are no events
	done   chan<- struct{}
}

// tell hands an event to the guard.
func (a *Agent) tell(ev guard.Event) { a.inbox.Put(input{events: []guard.Event{ev}}) }

// decide owns the guard: it feeds it and carries its effects out.
func (a *Agent) decide(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	drift := map[federation.Key]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.inbox.Ready():
			if err := a.takeIn(ctx, drift); err != nil {
				return err
			}
		case <-timer.C:
			if err := a.step(ctx, guard.Tick{}); err != nil {
				return err
			}
		}
		timer.Reset(a.next(a.correct(drift)))
	}
}

// takeIn feeds the guard with all that waits, in one step: its state is written once
// for a thousand orders that come together, not a thousand times.
func (a *Agent) takeIn(ctx context.Context, drift map[federation.Key]time.Time) error {
	var events []guard.Event
	var taken []chan<- struct{}
	for _, in := range a.inbox.Take() {
		events = append(events, in.events...)
		if len(in.events) == 0 {
			drift[in.drift] = time.Time{}
		}
		if in.done != nil {
			taken = append(taken, in.done)
		}
	}
	if len(events) > 0 {
		if err := a.step(ctx, events...); err != nil {
			return err
		}
	}
	for _, done := range taken {
		close(done)
	}
	return nil
}

// next is how long the loop may sleep.
func (a *Agent) next(wanted time.Time) time.Duration {
	if due, ok := a.guard.Deadline(); ok && (wanted.IsZero() || due.Before(wanted)) {
		wanted = due
	}
	if wanted.IsZero() {
		return time.Minute
	}
	return max(0, time.Until(wanted))
}

// correct looks at what may have drifted, of what may run here, and returns when
// it wants to look again.
func (a *Agent) correct(drift map[federation.Key]time.Time) (next time.Time) {
	now := time.Now()
	for k, due := range drift {
		if !due.IsZero() && now.Before(due) {
			next = earliest(next, due)
			continue
		}
		delete(drift, k)
		if _, desired := a.guard.Desired(k); !desired || a.guard.Isolated() || a.guard.Masked() {
			continue
		}
		if later := a.lander.Correct(k, now); !later.IsZero() {
			drift[k] = later
			next = earliest(next, later)
		}
	}
	return next
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func (a *Agent) step(ctx context.Context, events ...guard.Event) error {
	now := time.Now()
	effects := a.guard.Step(now, events...)
	leases := a.guard.Leases()
	a.leases.Store(&leases) // before anything is landed whose pods are asked about
	for _, effect := range effects {
		if err := a.execute(ctx, now, effect); err != nil {
			return err
		}
	}
	a.vitals.Store(&vitals{holdings: a.guard.Holdings()})
	return nil
}

// execute carries one effect out. Only a state that cannot be written ends the
// agent: what is not remembered must not be run.
func (a *Agent) execute(ctx context.Context, now time.Time, effect guard.Effect) error {
	switch e := effect.(type) {
	case guard.Persist:
		return a.state.write(guardFile, e.State)
	case guard.Land:
		a.log.Info("landing", "workload", e.Work.Workload.String(), "epoch", e.Work.Epoch, "replicas", e.Work.Replicas)
		a.lander.Give(landing.Order{Do: landing.Land, Work: e.Work, Revision: e.Revision, Prune: e.Prune})
	case guard.Remove:
		a.log.Info("removing", "workload", e.Workload.String(), "epoch", e.Epoch, "reason", e.Reason)
		a.lander.Give(landing.Order{Do: landing.Remove, Work: federation.Work{Workload: e.Workload, Epoch: e.Epoch, Landing: e.Landing}})
	case guard.Stop:
		a.log.Info("stopping", "workload", e.Workload.String(), "epoch", e.Epoch, "reason", e.Reason)
		a.lander.Give(landing.Order{Do: landing.Stop, Work: federation.Work{Workload: e.Workload, Epoch: e.Epoch}})
	case guard.SendHello:
		go a.sendHello(ctx, e.Hello)
	case guard.RenewLease:
		go a.renew(ctx, now, e)
	case guard.Report:
		a.reportWork(federation.WorkStatus{
			Workload: e.Workload, Epoch: e.Epoch, WorkloadRevision: e.WorkloadRevision, State: e.State, Message: e.Message,
		})
	default:
		panic(fmt.Sprintf("agent: unknown effect %T", effect)) // a new effect needs a case here
	}
	return nil
}

// landed tells the guard what the lander has carried out.
func (a *Agent) landed(o landing.Order) {
	k, epoch := o.Work.Workload, o.Work.Epoch
	switch o.Do {
	case landing.Land:
		a.tell(guard.Landed{Workload: k, Epoch: epoch, Revision: o.Revision})
	case landing.Remove:
		a.log.Info("removed", "workload", k.String(), "epoch", epoch)
		a.tell(guard.RemovedProven{Workload: k, Epoch: epoch})
	case landing.Stop:
		a.tell(guard.StoppedProven{Workload: k, Epoch: epoch})
	}
}

func (a *Agent) sendHello(ctx context.Context, h federation.Hello) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpHello), federationv1.EncodeHello(h))
	var reply federation.HelloReply
	if err == nil {
		reply, err = federationv1.DecodeHelloReply(b)
	}
	if err != nil {
		a.log.Debug("hello was not answered", "reason", err)
		a.tell(guard.HelloFailed{Reason: err.Error()})
		return
	}
	a.tell(guard.HelloReplied{Reply: reply})
}

// renew asks for an at-most-one lease. sent is taken before the request leaves.
func (a *Agent) renew(ctx context.Context, sent time.Time, e guard.RenewLease) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpRenew), federationv1.EncodeRenewRequest(federation.RenewRequest{
		Member: a.opts.Name, Incarnation: a.incarnation, Sequence: e.Sequence, Workload: e.Workload, Epoch: e.Epoch, Held: e.Held,
	}))
	if err != nil {
		a.log.Debug("lease was not renewed", "workload", e.Workload.String(), "reason", err)
		return
	}
	grant, err := federationv1.DecodeGrant(b)
	if err != nil {
		a.log.Warn("answer to a renewal is not readable", "reason", err)
		return
	}
	a.tell(guard.RenewAnswered{Workload: e.Workload, Epoch: e.Epoch, Sequence: e.Sequence, SentAt: sent, Grant: grant})
}

// followWorks hands orders to the guard, which are acknowledged once they are durable.
func (a *Agent) followWorks(ctx context.Context) error {
	err := a.control.Works().Follow(ctx, func(changes []messaging.Change) error {
		var events []guard.Event
		for _, c := range changes {
			ev, err := workEvent(c)
			if err != nil {
				a.log.Error("an order is not readable and is left alone", "key", c.Key, "reason", err)
			} else if ev != nil {
				events = append(events, ev)
			}
		}
		if len(events) == 0 {
			return nil
		}
		done := make(chan struct{})
		a.inbox.Put(input{events: events, done: done})
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// workEvent is nil for marks.
func workEvent(c messaging.Change) (guard.Event, error) {
	if c.Synced || c.Reset {
		return nil, nil
	}
	if c.Deleted {
		k, err := subject.ParseWorkloadKey(c.Key)
		return guard.WorkGone{Workload: k}, err
	}
	w, err := federationv1.DecodeWork(c.Value)
	return guard.WorkReceived{Work: w, Revision: c.Revision}, err
}
