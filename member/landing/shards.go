package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

const (
	shardLabel = "hansa.io/inventory"
	// shardCount ConfigMaps of at most 1 MiB hold some 50,000 inventories. What comes
	// while one is written is gathered, so a thousand inventories need hardly more
	// writes than there are shards.
	shardCount = 32
	// shardRest is the least time between two rounds of what can wait. It is longer than
	// a thousand works take to land, so that their second writes are not in their way.
	shardRest = 5 * time.Second
	// shardBurst is how close together inventories come that belong to a burst, and
	// shardGather how long the first of a burst waits for the others of its shard.
	shardBurst  = 2 * time.Millisecond
	shardGather = 15 * time.Millisecond
	// shardLimit bounds one write.
	shardLimit = 5 * time.Second
)

// shards are where the inventories are: ConfigMaps whose fields are workloads. What
// waits for one of them is written by one request (group commit).
type shards struct {
	cluster Writer
	later   chan struct{} // a token while something can be written

	mu   sync.Mutex
	all  [shardCount]shard
	last time.Time // of the last put
}

// shard is one of them.
type shard struct {
	want    map[string]any // by field, what is not written yet; nil removes it
	waiting []chan<- error
	writing bool
	there   bool // the ConfigMap was seen; belongs to who writes
}

func newShards(c Writer) *shards {
	return &shards{cluster: c, later: make(chan struct{}, 1)}
}

func shardRef(n int) kube.Ref {
	return kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: Namespace, Name: fmt.Sprintf("inventories-%02d", n)}
}

func shardOf(k federation.Key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(fieldOf(k))) // a hash takes everything
	return int(h.Sum32() % shardCount)
}

// fieldOf: a namespace has no dot, so the field is unambiguous.
func fieldOf(k federation.Key) string { return k.Namespace + "." + k.Name }

// put writes the text of an inventory, or removes it if there is none, and returns
// when that is done.
func (s *shards) put(ctx context.Context, k federation.Key, text string) error {
	done := make(chan error, 1)
	n := shardOf(k)
	s.mu.Lock()
	at := s.note(n, k, text)
	at.waiting = append(at.waiting, done)
	gather, now := time.Duration(0), time.Now()
	if now.Sub(s.last) < shardBurst {
		gather = shardGather
	}
	s.last = now
	s.begin(n, gather)
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putLater writes it some time, and not at all if this process ends before.
func (s *shards) putLater(k federation.Key, text string) {
	s.mu.Lock()
	s.note(shardOf(k), k, text)
	s.mu.Unlock()
	s.wake()
}

func (s *shards) wake() {
	select {
	case s.later <- struct{}{}:
	default:
	}
}

// note remembers what is wanted. shards.mu is held, here and in begin.
func (s *shards) note(n int, k federation.Key, text string) *shard {
	at := &s.all[n]
	if at.want == nil {
		at.want = map[string]any{}
	}
	at.want[fieldOf(k)] = text
	if text == "" {
		at.want[fieldOf(k)] = nil
	}
	return at
}

func (s *shards) begin(n int, gather time.Duration) {
	at := &s.all[n]
	if at.writing || len(at.want) == 0 {
		return
	}
	at.writing = true
	if gather == 0 {
		go s.write(n)
		return
	}
	time.AfterFunc(gather, func() { s.write(n) })
}

// write writes what is wanted of a shard until somebody has to try again, or nothing
// is left.
func (s *shards) write(n int) {
	for {
		s.mu.Lock()
		at := &s.all[n]
		want, waiting := at.want, at.waiting
		at.want, at.waiting = nil, nil
		at.writing = len(want) > 0
		s.mu.Unlock()
		var err error
		if len(want) > 0 {
			err = s.send(n, want)
		}
		if err != nil {
			s.mu.Lock()
			maps.Copy(want, at.want) // what is wanted since then is newer
			at.want, at.writing = want, false
			waiting = append(waiting, at.waiting...)
			at.waiting = nil
			s.mu.Unlock()
		}
		for _, done := range waiting {
			done <- err
		}
		if err != nil || len(want) == 0 {
			return
		}
	}
}

// send changes the fields of one ConfigMap, and makes it if it is not there.
func (s *shards) send(n int, fields map[string]any) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), shardLimit)
	defer cancel()
	at := &s.all[n]
	if !at.there {
		err = s.create(ctx, n, maps.Clone(fields))
	}
	if at.there || errors.Is(err, kube.ErrExists) {
		err = s.change(ctx, n, fields)
	}
	at.there = err == nil
	return err
}

func (s *shards) change(ctx context.Context, n int, fields map[string]any) error {
	patch, err := json.Marshal(map[string]any{"data": fields})
	if err != nil {
		return err
	}
	return s.cluster.Merge(ctx, shardRef(n), patch)
}

func (s *shards) create(ctx context.Context, n int, fields map[string]any) error {
	for field, text := range fields {
		if text == nil {
			delete(fields, field)
		}
	}
	r := shardRef(n)
	_, err := s.cluster.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": r.APIVersion, "kind": r.Kind,
		"metadata": map[string]any{"namespace": r.Namespace, "name": r.Name, "labels": map[string]any{shardLabel: "true"}},
		"data":     fields,
	}})
	return err
}

// run writes what can wait, until ctx ends, and then what is left.
func (s *shards) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.later:
			if pause(ctx, shardRest) == nil && s.tidy() != nil {
				s.wake()
			}
		}
	}
	_ = s.tidy() // what it cannot write is found again
}

// tidy writes everything that is wanted, one shard after the other, up to the first
// error.
func (s *shards) tidy() error {
	for n := range s.all {
		s.mu.Lock()
		at := &s.all[n]
		if len(at.want) == 0 && !at.writing {
			s.mu.Unlock()
			continue
		}
		done := make(chan error, 1)
		at.waiting = append(at.waiting, done)
		s.begin(n, 0)
		s.mu.Unlock()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// parseShard reads the inventories of one ConfigMap, in the order of their fields.
func parseShard(u *unstructured.Unstructured) ([]Inventory, error) {
	fields, _, err := unstructured.NestedStringMap(u.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", kube.RefOf(u), err)
	}
	var out []Inventory
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		var inv Inventory
		if err := json.Unmarshal([]byte(fields[field]), &inv); err != nil {
			return nil, fmt.Errorf("field %s of %s is damaged, what it lists would be forgotten; restore it from a backup, or delete the field and apply again: %w", field, kube.RefOf(u), err)
		}
		out = append(out, inv)
	}
	return out, nil
}
