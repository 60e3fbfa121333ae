package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// What one member may send: what an agent with thousands of workloads needs, and no
// more than the hub can do for every member and still hear the others. What is above it
// is dropped or refused before it is decoded.
const (
	beatsPerSecond = 20 // an agent sends four
	beatsAtOnce    = 40
	largestBeat    = 64 << 10 // bytes

	reportsPerSecond = 1000 // reports and renewals
	reportsAtOnce    = 1000
	slowPerSecond    = 5 // what makes work for the hub, or is kept for long
	slowAtOnce       = 50
	bytesPerSecond   = 8 << 20
	bytesAtOnce      = 32 << 20
)

// Dropping takes time too, and what a member sends too much of stands before what the
// others send. So one that goes far beyond its share, which no agent of ours does, is
// cut off for a time.
const (
	floodPerSecond = 1000 // messages above the share, of floodUnit each or a part of it
	floodAtOnce    = 5000
	floodUnit      = 4 << 10 // bytes
	suspendFor     = 30 * time.Second
)

// slow are the methods that an agent has seldom reason for.
var slow = map[string]bool{subject.UpHello: true, subject.UpSeal: true, subject.UpEvent: true, subject.UpCertificate: true}

// quotas keep every member to its share. Safe for concurrent use.
type quotas struct {
	mu sync.Mutex
	by map[string]*quota // by account; those of no member share one
}

// quota is what is left of one member's share.
type quota struct {
	beats, reports, slow, bytes *rate.Limiter
	flood                       *rate.Limiter // of what is above the share
	suspended                   atomic.Bool
}

func newQuotas() *quotas { return &quotas{by: map[string]*quota{}} }

func (q *quotas) of(account string) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by[account] == nil {
		q.by[account] = &quota{
			beats:   rate.NewLimiter(beatsPerSecond, beatsAtOnce),
			reports: rate.NewLimiter(reportsPerSecond, reportsAtOnce),
			slow:    rate.NewLimiter(slowPerSecond, slowAtOnce),
			bytes:   rate.NewLimiter(bytesPerSecond, bytesAtOnce),
			flood:   rate.NewLimiter(floodPerSecond, floodAtOnce),
		}
	}
	return q.by[account]
}

// sender is who sent a message, by its subject: a member, or nobody that is known.
type sender struct{ member, account string }

func (l *leadership) from(m messaging.Message) sender {
	account, err := subject.AccountOf(m.Subject)
	if err != nil {
		return sender{}
	}
	if member, known := l.dir.memberOf(account); known {
		return sender{member, account}
	}
	return sender{}
}

// within reports whether a message is within its sender's share; method is empty for a
// beat.
func (l *leadership) within(ctx context.Context, m messaging.Message, method string) bool {
	from := l.from(m)
	q := l.quotas.of(from.account)
	if q.takes(method, len(m.Data)) {
		return true
	}
	if !q.flood.AllowN(time.Now(), min(1+len(m.Data)/floodUnit, floodAtOnce)) && from.account != "" && q.suspended.CompareAndSwap(false, true) {
		l.group.Go(func() error { l.suspend(ctx, from, q); return nil })
	}
	return false
}

func (q *quota) takes(method string, size int) bool {
	switch {
	case method == "":
		return size <= largestBeat && q.beats.Allow()
	case slow[method]:
		return q.slow.Allow() && q.bytes.AllowN(time.Now(), size)
	}
	return q.reports.Allow() && q.bytes.AllowN(time.Now(), size)
}

// suspend cuts a member off for a time. Should the hub end meanwhile, its next leader
// lets every member in.
func (l *leadership) suspend(ctx context.Context, from sender, q *quota) {
	defer q.suspended.Store(false)
	if l.hub.opts.Suspend == nil {
		return
	}
	l.log.Warn("a member floods the bus and is cut off", "member", from.member, "for", suspendFor)
	if err := l.hub.opts.Suspend(ctx, from.member, from.account); err != nil {
		l.log.Warn("a member that floods the bus cannot be cut off", "member", from.member, "error", err)
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(suspendFor):
	}
	for ctx.Err() == nil && l.dir.own(from.account, from.member) == nil {
		_, err := l.hub.opts.Accounts.AddMember(ctx, federation.MemberSpec{Name: from.member, Account: from.account})
		if err == nil {
			return
		}
		l.log.Warn("a member that was cut off cannot be let in again yet", "member", from.member, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(leaseRetry):
		}
	}
}

// fair lets requests in that are within their sender's share.
func (l *leadership) fair(ctx context.Context, method string) func(messaging.Message) error {
	return func(m messaging.Message) error {
		if l.within(ctx, m, method) {
			return nil
		}
		l.hub.metrics.refused.Inc()
		return errShare
	}
}

var errShare = messaging.Errorf(messaging.Unavailable,
	"more than %d requests a second (%d for some) or %d bytes of one member: ask again later", reportsPerSecond, slowPerSecond, bytesPerSecond)
