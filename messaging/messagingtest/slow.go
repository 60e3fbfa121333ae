package messagingtest

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// What slowFollower writes: enough that it does not wait in buffers on the way.
const (
	slowKeys  = 50
	slowTurns = 40
	slowValue = 4 << 10 // bytes
)

// slowFollower: a follower that does not go on keeps neither writers nor other
// followers waiting, and is told all that there is when it goes on.
func slowFollower(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	must[federation.Revision](t)(b.Put(ctx, "a.first", []byte("x"), 0))
	stuck, goOn := make(chan struct{}), make(chan struct{})
	slow, quick := newReading(), newReading()
	slow.before = func(c messaging.Change) {
		if c.Synced {
			close(stuck)
			<-goOn
		}
	}
	go slow.read(ctx, b)
	go quick.read(ctx, b)
	select {
	case <-stuck:
	case <-ctx.Done():
		t.Fatal("not synced")
	}
	wanted := map[string]federation.Revision{}
	began := time.Now()
	for turn := range slowTurns {
		writes := make([]messaging.Write, slowKeys)
		for i := range writes {
			writes[i] = messaging.Write{Key: fmt.Sprint("a.", i), Value: make([]byte, slowValue), Expected: messaging.AnyRevision}
			writes[i].Delete = turn == slowTurns-1 && i%5 == 0
		}
		for i, revision := range must[[]federation.Revision](t)(b.WriteAll(ctx, writes)) {
			wanted[writes[i].Key] = revision
			if writes[i].Delete {
				delete(wanted, writes[i].Key)
			}
		}
	}
	last := must[federation.Revision](t)(b.Put(ctx, "a.first", []byte("last"), messaging.AnyRevision))
	wanted["a.first"] = last
	wrote := time.Since(began)
	wants(t, <-quick.ended, errEnough) // while the slow one waits
	close(goOn)
	wants(t, <-slow.ended, errEnough)
	for name, f := range map[string]*reading{"quick": quick, "slow": slow} {
		if !maps.Equal(f.have, wanted) {
			t.Errorf("the %s follower has %d records, there are %d (written in %v)", name, len(f.have), len(wanted), wrote)
		}
	}
}

// reading is one follower with its model of the bucket.
type reading struct {
	before func(messaging.Change)         // called first with each change
	have   map[string]federation.Revision // to be read when it has ended
	ended  chan error
}

func newReading() *reading {
	return &reading{before: func(messaging.Change) {}, have: map[string]federation.Revision{}, ended: make(chan error, 1)}
}

// read follows until it is told the value "last".
func (f *reading) read(ctx context.Context, b messaging.Bucket) {
	f.ended <- b.Follow(ctx, "", func(c messaging.Change) error {
		f.before(c)
		switch {
		case c.Reset:
			clear(f.have)
		case c.Deleted:
			delete(f.have, c.Key)
		case !c.Synced:
			f.have[c.Key] = c.Revision
		}
		if string(c.Value) == "last" {
			return errEnough
		}
		return nil
	})
}
