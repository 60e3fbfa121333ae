package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// errReset ends a term whose view of a bucket cannot be continued.
var errReset = errors.New("a bucket was made anew: its snapshot must be read again")

// Followed lists the buckets that a hub follows while it leads.
func Followed() []string {
	var names []string
	for _, source := range decision.Sources() {
		names = append(names, string(source))
	}
	return names
}

// follow feeds every bucket that the machine reads.
func (l *leadership) follow(ctx context.Context) {
	for _, source := range decision.Sources() {
		l.group.Go(func() error { return l.followOne(ctx, source) })
	}
}

func (l *leadership) followOne(ctx context.Context, source decision.Source) error {
	bucket := string(source)
	return followWhole(ctx, bucket, l.buckets[bucket], following{
		take: func(e messaging.Entry) { l.accept(bucket, e) },
		synced: func() {
			l.events.Put(decision.Synced{Source: source})
			if bucket == subject.Members {
				l.dir.completed()
				l.group.Go(func() error { l.refreshAccounts(ctx); return nil })
				l.group.Go(func() error { return l.watchExpiry(ctx) })
			}
		},
		came: func(r federation.Revision) { l.heads.note(bucket, r) },
	})
}

// refreshAccounts lets the bus know every member's account as this program wants it: an
// earlier one may have given members less or more, and a bus that was restored knows
// none.
func (l *leadership) refreshAccounts(ctx context.Context) {
	for _, m := range l.dir.everySpec() {
		if m.Account == "" {
			continue
		}
		if _, err := l.hub.opts.Accounts.AddMember(ctx, m); err != nil && ctx.Err() == nil {
			l.log.Warn("the bus does not take a member's account", "member", m.Name, "error", err)
		}
	}
}

// accept turns one version of a record into an event. A record that cannot be
// read is told in the log and left alone: it must not stop the others.
func (l *leadership) accept(bucket string, entry messaging.Entry) {
	ev, err := loaded(bucket, entry)
	if err == nil {
		ev, err = l.opened(ev)
	}
	switch e := ev.(type) {
	case decision.MemberChanged:
		l.dir.set(e.Spec)
	case decision.MemberRemoved:
		l.dir.remove(e.Member)
	case decision.WorkloadChanged:
		l.traces.note(e.Workload, entry.Trace, time.Now())
	case decision.WorkloadDeleted:
		l.traces.deleted(e.Key, entry.Trace, time.Now())
	}
	if l.stores[bucket] != nil {
		l.dir.holds(recordName(bucket, entry.Key), entry.Value)
	}
	switch {
	case err != nil:
		if key, keyErr := subject.ParseWorkloadKey(entry.Key); bucket == subject.Workloads && keyErr == nil {
			l.events.Put(decision.WorkloadUnreadable{Key: key, Reason: err.Error()})
		}
		l.log.Error("a record cannot be read and is left alone", "bucket", bucket, "key", entry.Key, "error", err)
	case ev != nil:
		l.events.Put(ev)
	}
}

// loaded decodes one version of a record, or its deletion, into the machine's
// event. It returns nil for a deletion that means nothing to the machine.
func loaded(bucket string, e messaging.Entry) (decision.Event, error) {
	switch bucket {
	case subject.Workloads:
		return loadedWorkload(e)
	case subject.Assignments:
		return loadedAssignment(e)
	case subject.Members:
		return loadedMember(e)
	case subject.Health:
		return loadedHealth(e)
	case subject.Operations:
		return loadedOperation(e)
	case subject.Scores:
		return loadedFeed(e)
	case subject.StatusRules:
		return loadedRule(e)
	case subject.Facts:
		if e.Deleted {
			return nil, nil
		}
		facts, err := federationv1.DecodeMemberFacts(e.Value)
		return either(decision.FactsChanged{Facts: facts}, err)
	case subject.Status:
		if e.Deleted {
			return nil, nil
		}
		status, err := federationv1.DecodeWorkStatus(e.Value)
		return either(decision.StatusChanged{Status: status}, err)
	}
	return nil, fmt.Errorf("bucket %q is not one the machine reads", bucket)
}

func loadedWorkload(e messaging.Entry) (decision.Event, error) {
	key, err := subject.ParseWorkloadKey(e.Key)
	if err != nil || e.Deleted {
		return either(decision.WorkloadDeleted{Key: key}, err)
	}
	w, err := federationv1.DecodeWorkload(e.Value)
	w.Revision = e.Revision
	return either(decision.WorkloadChanged{Workload: w}, err)
}

func loadedAssignment(e messaging.Entry) (decision.Event, error) {
	key, err := subject.ParseWorkloadKey(e.Key)
	if err != nil || e.Deleted {
		return either(decision.AssignmentLoaded{Key: key}, err)
	}
	a, err := federationv1.DecodeAssignment(e.Value)
	return either(decision.AssignmentLoaded{Key: key, Assignment: a, Revision: e.Revision}, err)
}

func loadedFeed(e messaging.Entry) (decision.Event, error) {
	name, err := subject.Untoken(e.Key)
	if err != nil || e.Deleted {
		return either(decision.FeedRemoved{Name: name}, err)
	}
	feed, err := federationv1.DecodeFeed(e.Value)
	return either(decision.FeedChanged{Feed: feed}, err)
}

func loadedRule(e messaging.Entry) (decision.Event, error) {
	name, err := subject.Untoken(e.Key)
	if err != nil || e.Deleted {
		return either(decision.RuleRemoved{Name: name}, err)
	}
	rule, err := federationv1.DecodeStatusRule(e.Value)
	return either(decision.RuleChanged{Rule: rule}, err)
}

func loadedMember(e messaging.Entry) (decision.Event, error) {
	name, err := subject.Untoken(e.Key)
	if err != nil || e.Deleted {
		return either(decision.MemberRemoved{Member: name}, err)
	}
	spec, err := federationv1.DecodeMemberSpec(e.Value)
	return either(decision.MemberChanged{Spec: spec, Revision: e.Revision}, err)
}

func loadedHealth(e messaging.Entry) (decision.Event, error) {
	name, err := subject.Untoken(e.Key)
	if err != nil || e.Deleted {
		return either(decision.HealthLoaded{Member: name}, err)
	}
	record, err := federationv1.DecodeHealthRecord(e.Value)
	return either(decision.HealthLoaded{Member: name, Record: record, Revision: e.Revision}, err)
}

func loadedOperation(e messaging.Entry) (decision.Event, error) {
	id, err := subject.Untoken(e.Key)
	if err != nil || e.Deleted {
		return either(decision.OperationLoaded{ID: id}, err)
	}
	op, err := federationv1.DecodeOperation(e.Value)
	return either(decision.OperationLoaded{ID: id, Operation: op, Revision: e.Revision}, err)
}

func either(ev decision.Event, err error) (decision.Event, error) {
	if err != nil {
		return nil, err
	}
	return ev, nil
}

// listen takes beats and requests for as long as the term lasts.
func (l *leadership) listen(ctx context.Context) error {
	bus, ears := l.hub.opts.Bus, l.hub.opts.Ears
	if _, err := ears.Subscribe(ctx, subject.Beat("*"), func(m messaging.Message) { l.hearBeat(ctx, m) }); err != nil {
		return fmt.Errorf("subscribe to beats: %w", err)
	}
	if _, err := bus.Subscribe(ctx, subject.GatewayBeat(), l.hearGateway); err != nil {
		return fmt.Errorf("subscribe to gateway beats: %w", err)
	}
	if _, err := bus.Subscribe(ctx, subject.HubOpinion(), l.hearOpinion); err != nil {
		return fmt.Errorf("subscribe to opinions: %w", err)
	}
	l.hub.hearDisconnects(ctx, l.dir, func(member string) { l.events.PutBelow(decision.Disconnected{Member: member}, beatLimit) })
	for _, methods := range []map[string]handler{l.answers(), l.questions(), l.safekeeping()} {
		for method, answer := range methods {
			l.group.Go(func() error { return bus.Respond(ctx, subject.Hub(method), passing(ctx, answer)) })
		}
	}
	for method, answer := range l.reports() {
		l.group.Go(func() error {
			return ears.RespondAdmitted(ctx, subject.Up("*", method), l.fair(ctx, method), passing(ctx, answer))
		})
	}
	return nil
}

// hearBeat passes a beat on when its account may speak for its member, and it is newer
// than those before it.
func (l *leadership) hearBeat(ctx context.Context, m messaging.Message) {
	if !l.within(ctx, m, "") {
		l.hub.metrics.droppedBeats.Inc()
		return
	}
	beat, err := federationv1.DecodeBeat(m.Data)
	if err != nil {
		l.log.Debug("a beat cannot be read", "subject", m.Subject, "error", err)
		return
	}
	account, err := subject.AccountOf(m.Subject)
	if err != nil || l.dir.own(account, beat.Member) != nil {
		l.log.Debug("a beat of a member that is not known", "subject", m.Subject, "member", beat.Member)
		return
	}
	if !l.dir.admit(beat.Member, "beat", decision.Order{Incarnation: beat.Incarnation, Sequence: beat.Sequence}) {
		return // it came by another server before, or is late
	}
	if !l.events.PutBelow(decision.BeatArrived{Beat: beat}, beatLimit) {
		l.hub.metrics.droppedBeats.Inc()
	}
}

func (l *leadership) hearGateway(m messaging.Message) {
	beat, err := federationv1.DecodeGatewayBeat(m.Data)
	if err != nil {
		l.log.Debug("a gateway's beat cannot be read", "error", err)
		return
	}
	l.events.PutBelow(decision.GatewayBeatArrived{Beat: beat}, beatLimit)
}

func (l *leadership) hearOpinion(m messaging.Message) {
	opinion, err := federationv1.DecodeOpinion(m.Data)
	if err != nil {
		l.log.Debug("the opinion of a hub cannot be read", "error", err)
		return
	}
	l.events.PutBelow(decision.OpinionArrived{Opinion: opinion}, beatLimit)
}
