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
	shelfLabel = "hansa.io/inventory"
	// shelfCount ConfigMaps of at most 1 MiB hold some 50,000 inventories. What comes
	// while one is written is gathered, so a thousand inventories need hardly more
	// writes than there are shelves.
	shelfCount = 32
	// shelfRest is the least time between two rounds of what can wait.
	shelfRest = time.Second
	// shelfLimit bounds one write.
	shelfLimit = 5 * time.Second
)

// shelves are where the inventories are: ConfigMaps whose fields are workloads. What
// waits for one of them is written by one request (group commit).
type shelves struct {
	cluster Writer
	later   chan struct{} // a token while something can be written

	mu  sync.Mutex
	all [shelfCount]shelf
}

// shelf is one of them.
type shelf struct {
	want    map[string]any // by field, what is not written yet; nil removes it
	waiting []chan<- error
	writing bool
	there   bool // the ConfigMap was seen; belongs to who writes
}

func newShelves(c Writer) *shelves {
	return &shelves{cluster: c, later: make(chan struct{}, 1)}
}

func shelfRef(n int) kube.Ref {
	return kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: Namespace, Name: fmt.Sprintf("inventories-%02d", n)}
}

func shelfOf(k federation.Key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(fieldOf(k))) // a hash takes everything
	return int(h.Sum32() % shelfCount)
}

// fieldOf: a namespace has no dot, so the field is unambiguous.
func fieldOf(k federation.Key) string { return k.Namespace + "." + k.Name }

// put writes the text of an inventory, or removes it if there is none, and returns
// when that is done.
func (s *shelves) put(ctx context.Context, k federation.Key, text string) error {
	done := make(chan error, 1)
	n := shelfOf(k)
	s.mu.Lock()
	at := s.note(n, k, text)
	at.waiting = append(at.waiting, done)
	s.begin(n)
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putLater writes it some time, and not at all if this process ends before.
func (s *shelves) putLater(k federation.Key, text string) {
	s.mu.Lock()
	s.note(shelfOf(k), k, text)
	s.mu.Unlock()
	s.wake()
}

func (s *shelves) wake() {
	select {
	case s.later <- struct{}{}:
	default:
	}
}

// note remembers what is wanted. shelves.mu is held, here and in begin.
func (s *shelves) note(n int, k federation.Key, text string) *shelf {
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

func (s *shelves) begin(n int) {
	if at := &s.all[n]; !at.writing && len(at.want) > 0 {
		at.writing = true
		go s.write(n)
	}
}

// write writes what is wanted of a shelf until somebody has to try again, or nothing
// is left.
func (s *shelves) write(n int) {
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
func (s *shelves) send(n int, fields map[string]any) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), shelfLimit)
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

func (s *shelves) change(ctx context.Context, n int, fields map[string]any) error {
	patch, err := json.Marshal(map[string]any{"data": fields})
	if err != nil {
		return err
	}
	return s.cluster.Merge(ctx, shelfRef(n), patch)
}

func (s *shelves) create(ctx context.Context, n int, fields map[string]any) error {
	for field, text := range fields {
		if text == nil {
			delete(fields, field)
		}
	}
	r := shelfRef(n)
	_, err := s.cluster.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": r.APIVersion, "kind": r.Kind,
		"metadata": map[string]any{"namespace": r.Namespace, "name": r.Name, "labels": map[string]any{shelfLabel: "true"}},
		"data":     fields,
	}})
	return err
}

// run writes what can wait, until ctx ends, and then what is left.
func (s *shelves) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.later:
			if pause(ctx, shelfRest) == nil && s.tidy() != nil {
				s.wake()
			}
		}
	}
	_ = s.tidy() // what it cannot write is found again
}

// tidy writes everything that is wanted, one shelf after the other, up to the first
// error.
func (s *shelves) tidy() error {
	for n := range s.all {
		s.mu.Lock()
		at := &s.all[n]
		if len(at.want) == 0 && !at.writing {
			s.mu.Unlock()
			continue
		}
		done := make(chan error, 1)
		at.waiting = append(at.waiting, done)
		s.begin(n)
		s.mu.Unlock()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// parseShelf reads the inventories of one ConfigMap, in the order of their fields.
func parseShelf(u *unstructured.Unstructured) ([]Inventory, error) {
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
