package hub_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// closedWorks does not open the work bucket of one account while it is closed.
type closedWorks struct {
	hub.WorkBuckets
	account string
	closed  atomic.Bool
	refused atomic.Int64
}

func (c *closedWorks) WorkBucket(ctx context.Context, account string) (messaging.Bucket, error) {
	if account == c.account && c.closed.Load() {
		c.refused.Add(1)
		return nil, errors.New("the cluster has no leader")
	}
	return c.WorkBuckets.WorkBucket(ctx, account)
}

// TestClosedBucket: a member whose works cannot be written yet holds up nobody else and
// does not end the term; its works come when they can.
func TestClosedBucket(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("first")
	tokyo, osaka := w.newAgent("tokyo", "ap-northeast"), w.newAgent("osaka", "ap-northeast")
	w.healthy("tokyo", "osaka")
	first.stop()
	works := &closedWorks{WorkBuckets: w.records, account: tokyo.account}
	works.closed.Store(true)
	w.works = works
	second := w.startHub("second")
	load := workload(web, 2)
	load.Placement.Replicas = federation.ReplicaSpec{Mode: "Duplicated"}
	w.put(load, 0)
	assigned := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return len(a.Members) == 2 })
	ready := func(member string) {
		await(w, statuses, subject.StatusKey(member, web), func(s federation.WorkStatus) bool {
			return s.Epoch == assigned.Epoch && s.State == federation.WorkReady
		})
	}
	ready("osaka")
	if len(tokyo.history()) > 0 || works.refused.Load() == 0 {
		t.Errorf("tokyo got %v, and was refused %d times", tokyo.history(), works.refused.Load())
	}
	term := second.count(t)["hansa_hub_term"]
	works.closed.Store(false)
	ready("tokyo")
	if now := second.count(t)["hansa_hub_term"]; term == 0 || now != term {
		t.Errorf("the hub leads in term %v, and led in term %v when a bucket was closed", now, term)
	}
	if len(osaka.history()) != 1 {
		t.Errorf("osaka got %v", osaka.history())
	}
}
