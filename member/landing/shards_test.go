package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// ledger is a Writer that keeps ConfigMaps, slowly.
type ledger struct {
	Writer // nothing else is asked of it
	mu     sync.Mutex
	maps   map[kube.Ref]map[string]any
	writes int
	fail   error
}

func (l *ledger) Merge(_ context.Context, r kube.Ref, patch []byte) error {
	<-time.After(time.Millisecond) // of the bubble's clock
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	var change struct{ Data map[string]any }
	if err := json.Unmarshal(patch, &change); err != nil {
		return err
	}
	switch {
	case l.fail != nil:
		return l.fail
	case l.maps[r] == nil:
		return kube.ErrNotFound
	}
	for field, text := range change.Data {
		if l.maps[r][field] = text; text == nil {
			delete(l.maps[r], field)
		}
	}
	return nil
}

func (l *ledger) Create(_ context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	<-time.After(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	if l.maps[kube.RefOf(u)] != nil {
		return nil, kube.ErrExists
	}
	data, _, err := unstructured.NestedMap(u.Object, "data")
	l.maps[kube.RefOf(u)] = data
	return u, err
}

func (l *ledger) texts() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, data := range l.maps {
		n += len(data)
	}
	return n
}

// TestShards: what comes together is written together, what cannot be written is an
// error to those who wait and is tried again, and what nobody waits for comes too.
func TestShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{maps: map[kube.Ref]map[string]any{}}
		s := newShards(store)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.run(ctx); close(ended) }()
		key := func(n int) federation.Key { return federation.Key{Namespace: "shop", Name: fmt.Sprint("w", n)} }
		putAll := func(text string) (failed int) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for n := range 1000 {
				all.Go(func() {
					if s.put(ctx, key(n), text) != nil {
						mu.Lock()
						failed++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			return failed
		}
		if failed := putAll("a"); failed > 0 || store.texts() != 1000 {
			t.Errorf("%d failed, %d are there", failed, store.texts())
		}
		if store.writes > 3*shardCount {
			t.Errorf("%d writes for 1,000 inventories in %d shards", store.writes, shardCount)
		}

		store.fail = errors.New("away")
		if failed := putAll("b"); failed != 1000 {
			t.Errorf("%d of 1,000 are told that the store is away", failed)
		}
		store.fail = nil
		s.putLater(key(1), "c")
		synctest.Wait()
		wait(t, func() bool { return store.maps[shardRef(shardOf(key(1)))]["shop.w1"] == "c" })
		wait(t, func() bool { return store.maps[shardRef(shardOf(key(2)))]["shop.w2"] == "b" })

		if failed := putAll(""); failed > 0 || store.texts() != 0 {
			t.Errorf("%d failed, %d are left", failed, store.texts())
		}
		s.putLater(key(3), "d")
		stop()
		<-ended
		if store.texts() != 1 {
			t.Error("what could wait was forgotten at the end")
		}
	})
}

// wait lets the synthetic clock run until the condition holds.
func wait(t *testing.T, holds func() bool) {
	t.Helper()
	for range 100 {
		if synctest.Wait(); holds() {
			return
		}
		<-time.After(shardRest / 10)
	}
	t.Error("it never came")
}

func TestParseShard(t *testing.T) {
	inv := Inventory{Workload: web, Epoch: 3, WorkloadRevision: 9, Replicas: 2, Whole: true, Items: []Item{
		{Ref: kube.Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}, UID: "u", Generation: 2, Created: true},
	}}
	shard := func(text string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": Namespace, "name": "inventories-07"},
			"data": map[string]any{"shop.web": text},
		}}
	}
	back, err := parseShard(shard(inv.text()))
	if err != nil || len(back) != 1 || !reflect.DeepEqual(back[0], inv) {
		t.Errorf("got %+v, %v", back, err)
	}
	if _, err := parseShard(shard("{")); err == nil || !strings.Contains(err.Error(), "field shop.web of ConfigMap hansa-system/inventories-07 is damaged") {
		t.Errorf("a damaged inventory: %v", err)
	}
}
