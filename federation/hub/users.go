package hub

import (
	"context"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// inOrder refuses what an agent says about its user when it has said something newer.
func (l *leadership) inOrder(member string, o decision.Order) error {
	if !l.dir.admit(member, "user", o) {
		return messaging.Errorf(messaging.Conflict, "%s has said something newer about its credentials", member)
	}
	return nil
}

// hearRotate signs a new user for an agent on the bus.
func (l *leadership) hearRotate(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeRotation, federationv1.EncodeRotationReply,
		func(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
			err := l.ownReport(m, r.Member)
			if err == nil {
				err = l.inOrder(r.Member, decision.Order{Incarnation: r.Incarnation, Sequence: r.Sequence})
			}
			if err != nil {
				return federation.RotationReply{}, err
			}
			return l.rotate(ctx, r, false)
		})(ctx, m)
}

// rotate signs a new user for who has the key of the present one. It is handed out when
// the member's record names it.
func (l *leadership) rotate(ctx context.Context, r federation.Rotation, offBus bool) (federation.RotationReply, error) {
	accounts := l.hub.opts.Accounts
	account, ok := l.dir.accountOf(r.Member)
	if !ok {
		return federation.RotationReply{}, messaging.Errorf(messaging.NotFound, "%s is no member any more: join again with a new token", r.Member)
	}
	if err := accounts.CheckSignature(r.Key, r.Text(), r.Signature); err != nil {
		return federation.RotationReply{}, messaging.Errorf(messaging.Denied, "new credentials for %s: %v", r.Member, err)
	}
	now := time.Now()
	jwt, expires, err := accounts.SignUser(account, r.NewKey)
	if err != nil {
		return federation.RotationReply{}, messaging.Errorf(messaging.Invalid, "new credentials for %s: %v", r.Member, err)
	}
	_, err = asked[federation.MemberSpec](ctx, l, func(id uint64) decision.Event {
		return decision.UserSigned{Request: id, Rotation: r, OffBus: offBus, User: federation.BusUser{Key: r.NewKey, IssuedAt: now, ExpiresAt: expires}}
	})
	if err != nil {
		l.log.Warn("new credentials refused", "member", r.Member, "reason", err)
		return federation.RotationReply{}, err
	}
	return federation.RotationReply{UserJWT: jwt}, nil
}

// hearRotated hears which user an agent is on the bus with.
func (l *leadership) hearRotated(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeRotated, func(federation.MemberSpec) []byte { return nil },
		func(ctx context.Context, r federation.Rotated) (federation.MemberSpec, error) {
			err := l.ownReport(m, r.Member)
			if err == nil {
				err = l.inOrder(r.Member, decision.Order{Incarnation: r.Incarnation, Sequence: r.Sequence})
			}
			if err != nil {
				return federation.MemberSpec{}, err
			}
			return asked[federation.MemberSpec](ctx, l, func(id uint64) decision.Event {
				return decision.UserUsed{Request: id, Used: r}
			})
		})(ctx, m)
}

// endRetry is how long to wait after the bus could not be told to refuse a user.
const endRetry = time.Second

// endUser has the bus refuse a user, however often it takes.
func (l *leadership) endUser(ctx context.Context, e decision.EndUser) error {
	for told := false; ; told = true {
		err := l.hub.opts.Accounts.RevokeUser(ctx, e.Account, e.Key)
		if err == nil {
			l.log.Info("credentials end", "member", e.Member, "user", e.Key)
			l.events.Put(decision.UserEnded{Member: e.Member, Key: e.Key})
			return nil
		}
		if !told && ctx.Err() == nil {
			l.log.Warn("the bus is not told yet to refuse credentials, trying again", "member", e.Member, "reason", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(endRetry):
		}
	}
}

// orderRotation tells an agent to replace its user. It is repeated.
func (l *leadership) orderRotation(e decision.OrderRotation) {
	_ = l.hub.opts.Bus.Publish(subject.Down(e.Account, subject.DownRotate), federationv1.EncodeRotationOrder(e.Order))
}

// replaced ends the users that a member had before its agent joined again.
func replaced(spec federation.MemberSpec, user federation.BusUser) federation.MemberSpec {
	ended := append([]string(nil), spec.EndedUsers...)
	for _, old := range []federation.BusUser{spec.User, spec.NextUser} {
		if old.Key != "" && old.Key != user.Key {
			ended = append(ended, old.Key)
		}
	}
	spec.User, spec.NextUser, spec.EndedUsers, spec.RotateBy = user, federation.BusUser{}, ended, time.Time{}
	return spec
}
