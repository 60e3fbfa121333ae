package hub

import (
	"context"
	"errors"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Sealing is how a hub seals the Secrets of works, and opens those of workloads.
type Sealing struct {
	// Seal seals to the curve key of a member.
	Seal sealed.Sealer
	// Open opens what gateways sealed to Keys.Key.
	Open sealed.Opener
	// Keys are told to gateways; every hub of a federation has the same.
	Keys federation.SealKeys
}

// errNotSealed: a work that could not be sealed is not written, now or later.
var errNotSealed = errors.New("nothing was sent")

// writeWork sends a work to its member: one message with all its objects, its Secrets
// sealed. It is sealed and encoded by the writer, since the loop has no time for that.
func (l *leadership) writeWork(ctx context.Context, e decision.PutWork) {
	l.enqueueWork(ctx, e.Account, write{id: e.ID, batch: true, encode: func() ([]byte, error) {
		w, err := sealed.Seal(e.Work, e.SealKey, l.hub.opts.Sealing.Seal)
		if err != nil {
			return nil, err
		}
		return federationv1.EncodeWork(w), nil
	}, Write: messaging.Write{
		Key: subject.WorkloadKey(e.Work.Workload), Expected: messaging.AnyRevision,
		Trace: l.traces.find(e.Work.Workload, e.Work.WorkloadRevision, time.Now()),
	}})
}

// checkSealKey refuses what nothing can be sealed to.
func checkSealKey(seal sealed.Sealer, member, key string) error {
	if _, err := seal([]byte(member), key); err != nil {
		return messaging.Errorf(messaging.Invalid, "the seal key of %s: %v", member, err)
	}
	return nil
}

// hearSeal takes the key that an agent wants secrets sealed to.
func (l *leadership) hearSeal(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeSealOffer, federationv1.EncodeSealReply,
		func(ctx context.Context, o federation.SealOffer) (federation.SealReply, error) {
			if err := l.ownReport(m, o.Member); err != nil {
				return federation.SealReply{}, err
			}
			if err := checkSealKey(l.hub.opts.Sealing.Seal, o.Member, o.Key); err != nil {
				return federation.SealReply{}, err
			}
			order := decision.Order{Incarnation: o.Incarnation, Sequence: o.Sequence}
			if !l.dir.admit(o.Member, "seal key", order) {
				return federation.SealReply{}, messaging.Errorf(messaging.Conflict, "%s has offered a newer seal key", o.Member)
			}
			reply, err := asked[federation.SealReply](ctx, l, func(id uint64) decision.Event {
				return decision.SealKeyOffered{Request: id, Offer: o}
			})
			if err != nil {
				l.dir.retract(o.Member, "seal key", order) // the agent may offer it again
			}
			return reply, err
		})(ctx, m)
}

// opened is the event with the Secrets of its workload readable. The core knows them, the
// store does not.
func (l *leadership) opened(ev decision.Event) (decision.Event, error) {
	e, ok := ev.(decision.WorkloadChanged)
	if !ok {
		return ev, nil
	}
	var err error
	e.Workload, err = sealed.OpenRecord(e.Workload, l.hub.opts.Sealing.Open)
	return either(e, err)
}
