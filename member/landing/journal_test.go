package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// texts counts the inventories in shards.
func (l *ledger) texts() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n0 := range shardCount {
		n += len(l.maps[shardRef(n0)])
	}
	return n
}

// records are what a next life would list.
func (l *ledger) records() (out []unstructured.Unstructured) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r, data := range l.maps {
		u := unstructured.Unstructured{Object: map[string]any{"apiVersion": r.APIVersion, "kind": r.Kind, "data": maps.Clone(data)}}
		u.SetNamespace(r.Namespace)
		u.SetName(r.Name)
		if strings.Contains(r.Name, "journal") {
			u.SetLabels(map[string]string{recordLabel: journalPages})
		}
		out = append(out, u)
	}
	return out
}

// TestJournal: what comes together is written together, what cannot be written is an
// error to those who wait, the shards get everything in the end, and a next life finds
// the same whether they have or not.
func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{maps: map[kube.Ref]map[string]any{}}
		j := newJournal(store)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { j.run(ctx); close(ended) }()
		key := func(n int) federation.Key { return federation.Key{Namespace: "shop", Name: fmt.Sprint("w", n)} }
		text := func(n int, replicas int64) string { return Inventory{Workload: key(n), Replicas: replicas}.text() }
		putAll := func(replicas int64) (failed int) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for n := range 1000 {
				all.Go(func() {
					written := ""
					if replicas > 0 {
						written = text(n, replicas)
					}
					if j.put(ctx, key(n), written) != nil {
						mu.Lock()
						failed++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			return failed
		}
		found := func() (sum int64) {
			list, err := newJournal(store).recover(store.records())
			if err != nil {
				t.Fatal(err)
			}
			for _, inv := range list {
				sum += inv.Replicas
			}
			return sum
		}
		if failed := putAll(1); failed > 0 || store.writes > 8 || found() != 1000 || store.texts() != 0 {
			t.Errorf("%d failed; %d writes for 1,000 inventories; %d would be found; %d are in the shards", failed, store.writes, found(), store.texts())
		}
		for n := range 5 * pageCount { // one at a time, more than there are pages
			if err := j.put(ctx, key(n), text(n, 2)); err != nil {
				t.Fatal(err)
			}
		}
		if found() != 1000+5*pageCount {
			t.Errorf("%d would be found", found())
		}
		store.fail = errors.New("away")
		if failed := putAll(3); failed != 1000 {
			t.Errorf("%d of 1,000 are told that the store is away", failed)
		}
		store.fail = nil
		j.putLater(key(1), text(1, 4))
		wait(t, func() bool { return store.texts() == 1000 && found() == 3001 })
		if failed := putAll(0); failed > 0 || found() != 0 {
			t.Errorf("%d failed, %d would be found of what is gone", failed, found())
		}
		wait(t, func() bool { return store.texts() == 0 })
		j.putLater(key(3), text(3, 5))
		stop()
		<-ended
		if store.texts() != 1 || found() != 5 {
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
		<-time.After(journalRest / 10)
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
