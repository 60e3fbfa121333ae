package member

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/store"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// worksFile holds the orders that a restart needs.
const worksFile = "works.db"

// openWorks reads what earlier lives kept of their orders. What cannot be used is wanted
// from the hub again.
func (a *Agent) openWorks() (guard.Store, error) {
	s, was, err := store.Open(a.state.path(worksFile), a.book.read().Account)
	if err != nil {
		return guard.Store{}, err
	}
	a.works = s
	if was.Lost != nil {
		a.log.Warn("the store of works cannot be used and was moved aside; the hub sends them again", "reason", was.Lost)
	}
	out := guard.Store{UpTo: was.UpTo, Whole: was.Whole}
	var unreadable []store.Work
	for _, w := range was.Works {
		ev, err := workEvent(messaging.Change{Entry: messaging.Entry{Key: w.Key, Value: w.Value, Revision: w.Revision}})
		received, order := ev.(guard.WorkReceived)
		if err != nil || !order {
			a.log.Error("an order in the store of works is not readable; the hub sends it again", "key", w.Key, "reason", err)
			unreadable = append(unreadable, store.Work{Key: w.Key, Revision: w.Revision})
			continue
		}
		out.Works = append(out.Works, received)
	}
	if len(unreadable) > 0 {
		out.Whole = false
		return out, s.Write(store.Batch{Drop: unreadable, UpTo: out.UpTo})
	}
	return out, nil
}

// closeWorks gives the file back, also when the agent never came to use it.
func (a *Agent) closeWorks() {
	if a.works != nil {
		_ = a.works.Close() // every Write was durable
		a.works = nil
	}
}

// keep changes the store of works. orders are the records that came with the events.
func (a *Agent) keep(e guard.Keep, orders map[guard.Kept][]byte) error {
	b := store.Batch{UpTo: e.UpTo, Whole: e.Whole}
	for _, k := range e.Add {
		value, ok := orders[k]
		if !ok {
			panic(fmt.Sprintf("agent: the guard keeps an order of %s that did not come", k.Workload)) // events and orders come together
		}
		b.Add = append(b.Add, store.Work{Key: subject.WorkloadKey(k.Workload), Revision: k.Revision, Value: value})
	}
	for _, k := range e.Drop {
		b.Drop = append(b.Drop, store.Work{Key: subject.WorkloadKey(k.Workload), Revision: k.Revision})
	}
	return a.works.Write(b)
}

// followWorks hands orders to the guard, which are acknowledged once they are durable.
// It begins when the hub has answered this life: what an earlier life lost is among them
// then, and until then none would be obeyed.
func (a *Agent) followWorks(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.greeted:
	}
	err := a.control.Works().Follow(ctx, func(changes []messaging.Change) error { return a.receive(ctx, changes) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (a *Agent) receive(ctx context.Context, changes []messaging.Change) error {
	var events []guard.Event
	orders := map[guard.Kept][]byte{}
	for _, c := range changes {
		a.traces.note(c, time.Now())
		ev, err := workEvent(c)
		if err != nil {
			a.log.Error("an order is not readable and is left alone", "key", c.Key, "reason", err)
			continue
		}
		if w, ok := ev.(guard.WorkReceived); ok {
			orders[guard.Kept{Workload: w.Work.Workload, Revision: w.Revision}] = c.Value
		}
		if ev != nil {
			events = append(events, ev)
		}
	}
	if len(events) == 0 {
		return nil
	}
	done := make(chan struct{})
	a.inbox.order(events, orders, done)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// workEvent is nil for marks.
func workEvent(c messaging.Change) (guard.Event, error) {
	if c.Synced || c.Reset {
		return nil, nil
	}
	if c.Deleted {
		k, err := subject.ParseWorkloadKey(c.Key)
		return guard.WorkGone{Workload: k, Revision: c.Revision}, err
	}
	w, err := federationv1.DecodeWork(c.Value)
	return guard.WorkReceived{Work: w, Revision: c.Revision}, err
}

// endReport: nothing follows about a workload that the guard has forgotten.
func (a *Agent) endReport(k federation.Key) {
	if !a.guard.Knows(k) {
		a.reports.end(statusKey(k))
	}
}
