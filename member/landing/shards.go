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
	// recordLabel is on every ConfigMap that is written here; its value is one of the
	// two below.
	recordLabel  = "hansa.io/inventory"
	shardRecord  = "true"
	journalPages = "journal"
	// shardCount ConfigMaps of at most 1 MiB hold some 50,000 inventories.
	shardCount = 32
	// recordLimit bounds one write.
	recordLimit = 5 * time.Second
)

// shards are where the inventories are: ConfigMaps whose fields are workloads. What they
// lack is in the journal.
type shards struct {
	cluster Writer
	there   [shardCount]bool // were seen; belongs to who writes

	mu   sync.Mutex
	want [shardCount]map[string]any // by field, what is not written yet; nil removes it
}

func shardRef(n int) kube.Ref { return recordRef(fmt.Sprintf("inventories-%02d", n)) }

func recordRef(name string) kube.Ref {
	return kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: Namespace, Name: name}
}

func shardOf(k federation.Key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(fieldOf(k))) // a hash takes everything
	return int(h.Sum32() % shardCount)
}

// fieldOf: a namespace has no dot, so the field is unambiguous.
func fieldOf(k federation.Key) string { return k.Namespace + "." + k.Name }

// note remembers the text of an inventory, which is empty when it goes.
func (s *shards) note(k federation.Key, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := &s.want[shardOf(k)]
	if *want == nil {
		*want = map[string]any{}
	}
	(*want)[fieldOf(k)] = text
	if text == "" {
		(*want)[fieldOf(k)] = nil
	}
}

// write writes everything that is wanted, one shard after the other, up to the first
// error. It is called by one at a time.
func (s *shards) write() error {
	for n := range s.want {
		s.mu.Lock()
		want := s.want[n]
		s.want[n] = nil
		s.mu.Unlock()
		if len(want) == 0 {
			continue
		}
		if err := save(s.cluster, record{shardRef(n), shardRecord, want}, &s.there[n]); err != nil {
			s.mu.Lock()
			maps.Copy(want, s.want[n]) // what is wanted since then is newer
			s.want[n] = want
			s.mu.Unlock()
			return err
		}
	}
	return nil
}

// record is a ConfigMap of this package with the fields that change; nil removes one.
type record struct {
	kube.Ref
	label  string
	fields map[string]any
}

// save changes the fields of a record, and makes it if it is not there.
func save(c Writer, r record, there *bool) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), recordLimit)
	defer cancel()
	if !*there {
		err = r.create(ctx, c)
	}
	if *there || errors.Is(err, kube.ErrExists) {
		err = r.change(ctx, c)
	}
	*there = err == nil
	return err
}

func (r record) change(ctx context.Context, c Writer) error {
	patch, err := json.Marshal(map[string]any{"data": r.fields})
	if err != nil {
		return err
	}
	return c.Merge(ctx, r.Ref, patch)
}

func (r record) create(ctx context.Context, c Writer) error {
	fields := maps.Clone(r.fields)
	maps.DeleteFunc(fields, func(_ string, text any) bool { return text == nil })
	_, err := c.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": r.APIVersion, "kind": r.Kind,
		"metadata": map[string]any{"namespace": r.Namespace, "name": r.Name, "labels": map[string]any{recordLabel: r.label}},
		"data":     fields,
	}})
	return err
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
