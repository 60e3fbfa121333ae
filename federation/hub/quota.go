package hub

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

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
	reportsAtOnce    = 5000
	slowPerSecond    = 5 // what makes work for the hub, or is kept for long
	slowAtOnce       = 50
	bytesPerSecond   = 8 << 20
	bytesAtOnce      = 32 << 20
)

// slow are the methods that an agent has seldom reason for.
var slow = map[string]bool{subject.UpHello: true, subject.UpSeal: true, subject.UpEvent: true}

// quotas keep every member to its share. Safe for concurrent use.
type quotas struct {
	mu sync.Mutex
	by map[string]*quota // by account; those of no member share one
}

// quota is what is left of one member's share.
type quota struct {
	beats, reports, slow, bytes *rate.Limiter
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
		}
	}
	return q.by[account]
}

// share is the quota of the account in a subject.
func (l *leadership) share(m messaging.Message) *quota {
	account, err := subject.AccountOf(m.Subject)
	if err != nil {
		return l.quotas.of("")
	}
	if _, known := l.dir.memberOf(account); !known {
		account = ""
	}
	return l.quotas.of(account)
}

// beat reports whether a beat is within the share.
func (q *quota) beat(size int) bool { return size <= largestBeat && q.beats.Allow() }

// request reports whether a request is within the share.
func (q *quota) request(method string, size int) bool {
	limit := q.reports
	if slow[method] {
		limit = q.slow
	}
	return limit.Allow() && q.bytes.AllowN(time.Now(), size)
}

// fair answers what a member asks within its share.
func (l *leadership) fair(method string, answer handler) handler {
	return func(ctx context.Context, m messaging.Message) ([]byte, error) {
		if l.share(m).request(method, len(m.Data)) {
			return answer(ctx, m)
		}
		l.hub.metrics.refused.Inc()
		return nil, messaging.Errorf(messaging.Unavailable,
			"more than %d requests a second (%d for %s) or %d bytes of one member: ask again later", reportsPerSecond, slowPerSecond, method, bytesPerSecond)
	}
}
