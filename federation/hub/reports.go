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

// reports are the methods that agents ask for. Members never write to the store
// themselves: the hub checks that the account speaks about its own member and
// that the report is newer than the last, and stores it.
func (l *leadership) reports() map[string]handler {
	return map[string]handler{
		subject.UpFacts: report(l, federationv1.DecodeMemberFacts, func(f federation.MemberFacts) record {
			return record{
				member: f.Member, bucket: subject.Facts, key: subject.MemberKey(f.Member),
				order: decision.Order{Incarnation: f.Incarnation, Sequence: f.Sequence}, value: federationv1.EncodeMemberFacts(f),
			}
		}),
		subject.UpStatus: report(l, federationv1.DecodeWorkStatus, func(s federation.WorkStatus) record {
			return record{
				member: s.Member, bucket: subject.Status, key: subject.StatusKey(s.Member, s.Workload),
				order: decision.Order{Incarnation: s.Incarnation, Sequence: s.Sequence}, value: federationv1.EncodeWorkStatus(s),
			}
		}),
		subject.UpExport: report(l, federationv1.DecodeExport, func(e federation.Export) record {
			return record{
				member: e.Member, bucket: subject.Exports, key: subject.ExportKey(e.Member, e.Service),
				order: decision.Order{Incarnation: e.Incarnation, Sequence: e.Sequence}, value: federationv1.EncodeExport(e), remove: e.Removed,
			}
		}),
		subject.UpEvent:  l.hearEvent,
		subject.UpProbed: l.hearProbed,
		subject.UpHello:  l.hearHello,
		subject.UpRenew:  l.hearRenew,
		subject.UpSeal:   l.hearSeal,

		subject.UpRotate:  l.hearRotate,
		subject.UpRotated: l.hearRotated,
		subject.UpLeave:   l.hearLeave,
		subject.UpImports: l.hearImports,

		subject.UpCertificate: l.hearCertificate,
	}
}

// record is what one report becomes in the store.
type record struct {
	member      string
	bucket, key string
	order       decision.Order
	value       []byte
	remove      bool
}

// recordName names a record in the directory.
func recordName(bucket, key string) string { return bucket + " " + key }

// report makes a handler that stores what it gets. While many members still have to
// connect, what is reported waits: storing it would take their time.
func report[Q any](l *leadership, decode func([]byte) (Q, error), stored func(Q) record) handler {
	return func(ctx context.Context, m messaging.Message) ([]byte, error) {
		select {
		case <-l.taking:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		q, err := decode(m.Data)
		if err != nil {
			return nil, messaging.Errorf(messaging.Invalid, "%v", err)
		}
		r := stored(q)
		if err := l.ownReport(m, r.member); err != nil {
			return nil, err
		}
		if !l.leads() { // it was paused, and this waited for it; another hub may have later ones
			return nil, messaging.Errorf(messaging.Unavailable, "this hub does not lead any more")
		}
		if l.dir.refuses(r.member) {
			return nil, messaging.Errorf(messaging.Unavailable, "member %s is being removed: nothing of it is stored", r.member)
		}
		name := recordName(r.bucket, r.key)
		if !l.dir.admit(r.member, name, r.order) || !r.remove && l.dir.has(name, r.value) {
			return nil, nil // a newer one is stored already, or this one
		}
		if err := l.store(ctx, r); err != nil {
			l.dir.retract(r.member, name, r.order) // the agent sends it again
			return nil, err
		}
		return nil, nil
	}
}

// store returns when the record is on disk. Reports that come together are written
// together.
func (l *leadership) store(ctx context.Context, r record) error {
	done := make(chan error, 1)
	l.stores[r.bucket].Put(write{batch: true, decided: time.Now(), answer: done, Write: messaging.Write{
		Key: r.key, Value: r.value, Expected: messaging.AnyRevision, Delete: r.remove,
	}})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("store %s: %w", r.key, ctx.Err())
	}
}

// ownReport checks that the account in the subject belongs to the member.
func (l *leadership) ownReport(m messaging.Message, member string) error {
	account, err := subject.AccountOf(m.Subject)
	if err != nil {
		return messaging.Errorf(messaging.Denied, "%v", err)
	}
	return l.dir.own(account, member)
}

// sender returns the member that a message comes from.
func (l *leadership) sender(m messaging.Message) (string, error) {
	account, err := subject.AccountOf(m.Subject)
	if err != nil {
		return "", messaging.Errorf(messaging.Denied, "%v", err)
	}
	member, ok := l.dir.memberOf(account)
	if !ok {
		return "", messaging.Errorf(messaging.Denied, "account %s belongs to no member", account)
	}
	return member, nil
}

func (l *leadership) hearEvent(ctx context.Context, m messaging.Message) ([]byte, error) {
	member, err := l.sender(m)
	if err != nil {
		return nil, err
	}
	e, err := federationv1.DecodeEvent(m.Data)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "%v", err)
	}
	e.Who = "agent " + member
	key := fmt.Sprintf("%d-%s-%s", e.At.UnixNano(), subject.Token(member), draw(4))
	if _, err := l.buckets[subject.Events].Put(ctx, key, federationv1.EncodeEvent(e), messaging.AnyRevision); err != nil {
		return nil, fmt.Errorf("store an event of %s: %w", member, err)
	}
	return nil, nil
}

// hearProbed takes what one member's agent saw of another member.
func (l *leadership) hearProbed(_ context.Context, m messaging.Message) ([]byte, error) {
	vantage, err := l.sender(m)
	if err != nil {
		return nil, err
	}
	reply, err := federationv1.DecodeProbeReply(m.Data)
	if err != nil || reply.Member == "" || reply.Member == vantage {
		return nil, messaging.Errorf(messaging.Invalid, "probe by %s of %q: %v", vantage, reply.Member, err)
	}
	if reply.Survey {
		l.events.Put(decision.Measured{Member: reply.Member, Vantage: vantage, RoundTrip: reply.RoundTrip})
		return nil, nil
	}
	l.events.Put(decision.ProbeResult{Vantage: vantage, Reply: reply})
	return nil, nil
}

func (l *leadership) hearHello(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeHello, federationv1.EncodeHelloReply,
		func(ctx context.Context, h federation.Hello) (federation.HelloReply, error) {
			if err := l.ownReport(m, h.Member); err != nil {
				return federation.HelloReply{}, l.stranger(m, h.Member, err)
			}
			h.AgentAt = l.reachable(h)
			if err := l.replay(ctx, m, h); err != nil {
				return federation.HelloReply{}, err
			}
			reply, err := asked[federation.HelloReply](ctx, l, func(id uint64) decision.Event {
				return decision.HelloArrived{Request: id, Hello: h}
			})
			reply.BusURLs, reply.BusCA = l.hub.opts.BusURLs, l.hub.opts.BusCA
			return reply, err
		})(ctx, m)
}

// stranger tells an agent whose member has no record what happened to it; other
// refusals stay as they are.
func (l *leadership) stranger(m messaging.Message, member string, err error) error {
	if _, ownErr := l.sender(m); ownErr == nil || errors.Is(err, errUnread) || checkMemberName(member) != nil {
		return err
	}
	return messaging.Errorf(messaging.Denied, `member %s has no record in this federation: it was removed, or joined after the backup that was restored; `+
		`what it runs goes on, and nobody manages it: to join again, make a token with "hansa token create --member %s", `+
		`and start the agent with it and without its old identity`, member, member)
}

func (l *leadership) hearRenew(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeRenewRequest, federationv1.EncodeGrant,
		func(ctx context.Context, r federation.RenewRequest) (federation.Grant, error) {
			if err := l.ownReport(m, r.Member); err != nil {
				return federation.Grant{}, err
			}
			return asked[federation.Grant](ctx, l, func(id uint64) decision.Event {
				return decision.RenewArrived{Request: id, Renew: r}
			})
		})(ctx, m)
}

// replay sends an agent that began a new life, and lost works that it has
// acknowledged, all of them again. What it acknowledged and still holds need not
// travel again, however long it was away.
func (l *leadership) replay(ctx context.Context, m messaging.Message, h federation.Hello) error {
	account, err := subject.AccountOf(m.Subject)
	if err != nil {
		return messaging.Errorf(messaging.Denied, "%v", err)
	}
	if h.Incarnation == 1 || h.Held == federation.AllHeld { // it has just joined, and has had nothing yet; or it lost nothing
		return nil
	}
	life := decision.Order{Incarnation: h.Incarnation, Sequence: 1}
	if !l.dir.admit(h.Member, "replay", life) {
		return nil
	}
	if err := l.hub.opts.Works.ReplayWorks(ctx, account, h.Held); err != nil {
		l.dir.retract(h.Member, "replay", life) // the agent says hello again
		return err
	}
	return nil
}
