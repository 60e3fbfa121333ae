package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// requestLimit bounds a request to the hub.
const requestLimit = 5 * time.Second

// tell hands an event to the guard.
func (a *Agent) tell(ev guard.Event) { a.inbox.tell(ev) }

// decide owns the guard: it feeds it and carries its effects out.
func (a *Agent) decide(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	drift := map[federation.Key]time.Time{}
	for {
		var in input
		select {
		case <-ctx.Done():
			return nil
		case <-a.inbox.ready:
			in = a.inbox.take()
		case <-timer.C:
			in = input{events: []guard.Event{guard.Tick{}}}
		}
		for k := range in.drift {
			drift[k] = time.Time{}
		}
		if err := a.step(ctx, in); err != nil {
			return err
		}
		for _, done := range in.done {
			close(done)
		}
		timer.Reset(a.next(a.correct(drift)))
	}
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
	if a.guard.Masked() {
		return next // the guard wants to be called when the mask ends
	}
	for k, due := range drift {
		if !due.IsZero() && now.Before(due) {
			next = earliest(next, due)
			continue
		}
		delete(drift, k)
		if _, desired := a.guard.Desired(k); !desired {
			continue
		}
		if later := a.lander.Correct(k, now, a.guard.Careful()); !later.IsZero() {
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

// step feeds the guard with all that waits at once: its state is written once for a
// thousand orders that come together, not a thousand times.
func (a *Agent) step(ctx context.Context, in input) error {
	if len(in.events) == 0 {
		return nil
	}
	now, careful := time.Now(), a.guard.Careful()
	effects := a.guard.Step(now, in.events...)
	a.tellLeases(now) // before anything is landed whose pods are asked about
	for _, effect := range effects {
		if keep, ok := effect.(guard.Keep); ok {
			if err := a.keep(keep, in.orders); err != nil {
				return err
			}
		} else if err := a.execute(ctx, now, effect); err != nil {
			return err
		}
	}
	for _, ev := range in.events {
		if gone, ok := ev.(guard.WorkGone); ok {
			a.endReport(gone.Workload)
		}
	}
	if careful && !a.guard.Careful() {
		a.inbox.drifted(a.lander.Workloads()...) // what was left alone
	}
	return nil
}

// execute carries one effect out. Only a state that cannot be written ends the
// agent: what is not remembered must not be run.
func (a *Agent) execute(ctx context.Context, now time.Time, effect guard.Effect) error {
	switch e := effect.(type) {
	case guard.Persist:
		return a.state.write(guardFile, e.State)
	case guard.KeepLeases:
		return a.keepLeases(e.Held)
	case guard.AskPeers:
		a.askPeers(ctx, e)
	case guard.Attested:
		a.attests.Answer(e.Request, e.Reply)
	case guard.Land:
		level := slog.LevelInfo
		if e.Careful {
			level = slog.LevelDebug // it is likely there
		}
		a.log.Log(ctx, level, "landing", "workload", e.Work.Workload.String(), "epoch", e.Work.Epoch, "replicas", e.Work.Replicas,
			trace.Attr(a.traces.begin(e.Work.Workload, "land")))
		a.lander.Give(landing.Order{Do: landing.Land, Work: e.Work, Revision: e.Revision, Prune: e.Prune, Careful: e.Careful})
	case guard.Remove:
		a.log.Info("removing", "workload", e.Workload.String(), "epoch", e.Epoch, "reason", e.Reason, trace.Attr(a.traces.begin(e.Workload, "remove")))
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
		id := a.traces.done(k, o.Revision)
		a.log.Debug("landed", "workload", k.String(), "epoch", epoch, trace.Attr(id))
		a.tell(guard.Landed{Workload: k, Epoch: epoch, Revision: o.Revision})
	case landing.Remove:
		id := a.traces.done(k, 0)
		a.log.Info("removed", "workload", k.String(), "epoch", epoch, trace.Attr(id))
		a.tell(guard.RemovedProven{Workload: k, Epoch: epoch})
	case landing.Stop:
		a.tell(guard.StoppedProven{Workload: k, Epoch: epoch})
	}
}

func (a *Agent) sendHello(ctx context.Context, h federation.Hello) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	h.AgentAt = a.portAddress()
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpHello), federationv1.EncodeHello(h))
	var reply federation.HelloReply
	if err == nil {
		reply, err = federationv1.DecodeHelloReply(b)
	}
	if err != nil {
		a.refused(err)
		a.tell(guard.HelloFailed{Reason: err.Error()})
		return
	}
	a.refusal.Store(nil)
	a.access.Learn(reply.BusURLs, reply.BusCA)
	a.tell(guard.HelloReplied{Reply: reply})
	a.greet.Do(func() { close(a.greeted) })
}

// refused logs why a hello was not taken: a refusal once, since it is said again with
// every hello, and what may pass by itself for those who look closely.
func (a *Agent) refused(err error) {
	var refusal *messaging.RemoteError
	if !errors.As(err, &refusal) || refusal.Kind != messaging.Denied && refusal.Kind != messaging.NotFound {
		a.log.Debug("hello was not answered", "reason", err)
		return
	}
	if last := a.refusal.Swap(&refusal.Text); last == nil || *last != refusal.Text {
		a.log.Error("the hub refuses this member", "reason", refusal.Text, "identity", a.state.path(identityFile))
	}
}

// renew asks for an at-most-one lease. sent is taken before the request leaves.
func (a *Agent) renew(ctx context.Context, sent time.Time, e guard.RenewLease) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpRenew), federationv1.EncodeRenewRequest(federation.RenewRequest{
		Member: a.opts.Name, Incarnation: a.incarnation, Sequence: e.Sequence, Workload: e.Workload, Epoch: e.Epoch, Held: e.Held, Peers: e.Peers,
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
