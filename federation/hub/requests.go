package hub

import (
	"context"
	"errors"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// answerLimit is how long a request waits for the machine.
const answerLimit = 10 * time.Second

// handler answers one method of the hub.
type handler = func(context.Context, messaging.Message) ([]byte, error)

// answers are the methods that people ask for.
func (l *leadership) answers() map[string]handler {
	t := tokens{bucket: l.buckets[subject.Tokens]}
	j := joins{
		tokens: t, members: l.buckets[subject.Members], accounts: l.hub.opts.Accounts, works: l.hub.opts.Works,
		seal: l.hub.opts.Sealing.Seal, busURLs: l.hub.opts.BusURLs, busCA: l.hub.opts.BusCA, federation: l.hub.opts.Federation, dir: l.dir,
	}
	return map[string]handler{
		subject.HubJoin: answer(federationv1.DecodeJoinRequest, federationv1.EncodeJoinReply,
			func(ctx context.Context, r federation.JoinRequest) (federation.JoinReply, error) {
				reply, err := federation.JoinReply{}, l.hub.room()
				if err == nil {
					reply, err = j.join(ctx, r, time.Now())
				}
				if err != nil {
					l.log.Warn("join refused", "member", r.Member, "reason", err)
				}
				return reply, err
			}),
		subject.HubToken: answer(federationv1.DecodeTokenRequest, federationv1.EncodeTokenReply,
			func(ctx context.Context, r federation.TokenRequest) (federation.TokenReply, error) {
				if err := l.hub.room(); err != nil {
					return federation.TokenReply{}, err
				}
				return t.create(ctx, r, time.Now())
			}),
		subject.HubTokens: answer(federationv1.DecodeTokensRequest, federationv1.EncodeTokensReply,
			func(ctx context.Context, r federation.TokensRequest) (federation.TokensReply, error) {
				return t.list(ctx, r, time.Now())
			}),
		subject.HubSimulate: decided(l, federationv1.DecodeSimulationRequest, federationv1.EncodeSimulation,
			func(id uint64, r federation.SimulationRequest) decision.Event {
				return decision.SimulateRequested{Request: id, Simulation: r}
			}),
		subject.HubOperation: decided(l, federationv1.DecodeOperationRequest, federationv1.EncodeOperation,
			func(id uint64, r federation.OperationRequest) decision.Event {
				return decision.OperationRequested{Request: id, Operation: r}
			}),
		subject.HubAbort: decided(l, federationv1.DecodeAbortRequest, federationv1.EncodeOperation,
			func(id uint64, r federation.AbortRequest) decision.Event {
				return decision.AbortRequested{Request: id, Abort: r}
			}),
		subject.HubApprove: decided(l, federationv1.DecodeApproveRequest, federationv1.EncodeOperation,
			func(id uint64, r federation.ApproveRequest) decision.Event {
				return decision.ApproveRequested{Request: id, ID: r.ID, Who: r.Who}
			}),
		subject.HubFreeze: decided(l, federationv1.DecodeFreezeRequest, federationv1.EncodeOperation,
			func(id uint64, r federation.FreezeRequest) decision.Event {
				return decision.FreezeRequested{Request: id, Frozen: r.Frozen, Reason: r.Reason, Who: r.Who}
			}),
		subject.HubMember: decided(l, federationv1.DecodeMemberChange, federationv1.EncodeMemberSpec,
			func(id uint64, r federation.MemberChange) decision.Event {
				return decision.MemberCommand{Request: id, Change: r}
			}),
		subject.HubDescribe: decided(l, federationv1.DecodeDescribeRequest, federationv1.EncodeEvidence,
			func(id uint64, member string) decision.Event {
				return decision.DescribeRequested{Request: id, Member: member}
			}),
	}
}

// questions are the methods of planning, and of what gateways tell and pass on.
func (l *leadership) questions() map[string]handler {
	return map[string]handler{
		subject.HubBus: answer(federationv1.DecodeBusRequest, federationv1.EncodeBusReport,
			func(ctx context.Context, _ struct{}) (federation.BusReport, error) { return l.inspect(ctx) }),
		subject.HubQueries: answer(federationv1.DecodeQueryReport, func(struct{}) []byte { return nil },
			func(_ context.Context, r federation.QueryReport) (struct{}, error) {
				l.events.Put(decision.QueriesArrived{Report: r})
				return struct{}{}, nil
			}),
		subject.HubRotate: answer(federationv1.DecodeRotation, federationv1.EncodeRotationReply,
			func(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
				return l.rotate(ctx, r, true)
			}),
		subject.HubSealKeys: answer(federationv1.DecodeSealKeysRequest, federationv1.EncodeSealKeys,
			func(context.Context, struct{}) (federation.SealKeys, error) { return l.hub.opts.Sealing.Keys, nil }),
		subject.HubReadiness: decided(l, federationv1.DecodeReadinessRequest, federationv1.EncodeReadiness,
			func(id uint64, _ struct{}) decision.Event { return decision.ReadinessRequested{Request: id} }),
		subject.HubRebalance: decided(l, federationv1.DecodeRebalanceRequest, federationv1.EncodeSimulation,
			func(id uint64, r federation.RebalanceRequest) decision.Event {
				return decision.RebalanceRequested{Request: id, Rebalance: r}
			}),
		subject.HubReplay: decided(l, federationv1.DecodeReplayRequest, federationv1.EncodeReplay,
			func(id uint64, k federation.Key) decision.Event {
				return decision.ReplayRequested{Request: id, Workload: k}
			}),
	}
}

// answer makes a handler of a decoder, an encoder and what lies between.
func answer[Q, A any](decode func([]byte) (Q, error), encode func(A) []byte, do func(context.Context, Q) (A, error)) handler {
	return func(ctx context.Context, m messaging.Message) ([]byte, error) {
		q, err := decode(m.Data)
		if err != nil {
			return nil, messaging.Errorf(messaging.Invalid, "%v", err)
		}
		a, err := do(ctx, q)
		if err != nil {
			return nil, err
		}
		return encode(a), nil
	}
}

// passing makes the errors of a handler that another attempt may not meet ones that say
// so: that the term ended under it, or that the store did not answer.
func passing(term context.Context, do handler) handler {
	return func(ctx context.Context, m messaging.Message) ([]byte, error) {
		data, err := do(ctx, m)
		var chosen *messaging.RemoteError
		switch {
		case err == nil || errors.As(err, &chosen):
			return data, err
		case term.Err() != nil:
			return nil, messaging.Errorf(messaging.Unavailable, "the hub stopped leading meanwhile: try again")
		case errors.Is(err, messaging.ErrUnknown), errors.Is(err, messaging.ErrTimeout), errors.Is(err, messaging.ErrDisconnected), errors.Is(err, context.DeadlineExceeded):
			return nil, messaging.Errorf(messaging.Unavailable, "%v: try again", err)
		}
		return nil, err
	}
}

// decided makes a handler of a request that the machine answers.
func decided[Q, A any](l *leadership, decode func([]byte) (Q, error), encode func(A) []byte, event func(id uint64, q Q) decision.Event) handler {
	return answer(decode, encode, func(ctx context.Context, q Q) (A, error) {
		return asked[A](ctx, l, func(id uint64) decision.Event { return event(id, q) })
	})
}

// asked gives the machine a request and waits for its answer.
func asked[A any](ctx context.Context, l *leadership, event func(id uint64) decision.Event) (A, error) {
	var zero A
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	id, reply := l.pending.Open()
	defer l.pending.Close(id)
	l.events.Put(event(id))
	select {
	case <-ctx.Done():
		return zero, messaging.Errorf(messaging.Unavailable, "the hub did not decide in time: try again")
	case r := <-reply:
		if r.Refusal != nil {
			return zero, messaging.Errorf(messaging.Kind(r.Refusal.Kind), "%s", r.Refusal.Text)
		}
		a, ok := r.Answer.(A)
		if !ok && r.Answer != nil {
			return zero, messaging.Errorf(messaging.InternalKind, "the hub answered with a %T", r.Answer)
		}
		return a, nil
	}
}
