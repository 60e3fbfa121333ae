package hub

import (
	"context"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// orderLeave tells an agent to let go of its cluster. It is repeated.
func (l *leadership) orderLeave(e decision.OrderLeave) {
	l.log.Info("told to let go of the cluster", "member", e.Order.Member, "objects", e.Order.Remains)
	_ = l.hub.opts.Bus.Publish(subject.Down(e.Account, subject.DownLeave), federationv1.EncodeLeaveOrder(e.Order))
}

// hearLeave hears how far an agent has come with that. What it says last is answered when
// it is on disk.
func (l *leadership) hearLeave(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeLeaveReport, func(federation.MemberSpec) []byte { return nil },
		func(ctx context.Context, r federation.LeaveReport) (federation.MemberSpec, error) {
			if err := l.ownReport(m, r.Member); err != nil {
				return federation.MemberSpec{}, err
			}
			return asked[federation.MemberSpec](ctx, l, func(id uint64) decision.Event {
				return decision.LeaveReported{Request: id, Report: r}
			})
		})(ctx, m)
}
