package landing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

const (
	// pageCount pages are written before the shards have to have what is on them. A page
	// has at most pageLimit bytes, but for one whose only entry is larger.
	pageCount = 32
	pageLimit = 64 << 10
	// pageBurst is how close together entries come that belong to a burst, and
	// pageGather how long the first of a burst waits for others.
	pageBurst  = 2 * time.Millisecond
	pageGather = 15 * time.Millisecond
	// journalRest is the least time between two times that the shards are written. It is
	// longer than a thousand works take to land, so that this is not in their way.
	journalRest = 5 * time.Second
)

// The fields of pages, and of the record that says up to which page the shards have
// everything.
const (
	pageField = "page"
	upToField = "upTo"
)

// journal is the write-ahead log of the inventories: a ring of ConfigMaps. What comes
// while a page is written goes onto the next one (group commit), so a thousand
// inventories cost a few writes, and the shards are written later.
//
//  1. What put has returned for is found by recover, whatever happens then.
//  2. A page is written over only when the shards have what is on it.
type journal struct {
	cluster Writer
	shards  *shards
	later   chan struct{} // a token while the shards lack something

	mu      sync.Mutex
	waiting []waiting
	writing bool
	last    time.Time // of the last put
	number  uint64    // of the last page that was written, or may have been
	folded  uint64    // up to here the shards have everything

	folding sync.Mutex // held while the shards are written
	there   [pageCount]bool
	marked  bool
}

// entry is what a workload has here from then on.
type entry struct {
	Workload  federation.Key  `json:"workload"`
	Inventory json.RawMessage `json:"inventory,omitempty"` // nothing: none
}

// waiting is an entry that is not written yet.
type waiting struct {
	entry
	done chan<- error
}

// page is one write.
type page struct {
	Number  uint64  `json:"number"`
	Entries []entry `json:"entries"`
}

func newJournal(c Writer) *journal {
	return &journal{cluster: c, shards: &shards{cluster: c}, later: make(chan struct{}, 1)}
}

// put writes the text of an inventory, or that there is none, and returns when that is
// done.
func (j *journal) put(ctx context.Context, k federation.Key, text string) error {
	done := make(chan error, 1)
	j.mu.Lock()
	j.putLater(k, text) // before the page, so that whoever writes the shards after it writes this
	j.waiting = append(j.waiting, waiting{entry{k, json.RawMessage(text)}, done})
	gather, now := time.Duration(0), time.Now()
	if now.Sub(j.last) < pageBurst {
		gather = pageGather
	}
	j.last = now
	if !j.writing {
		j.writing = true
		time.AfterFunc(gather, j.write)
	}
	j.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putLater writes it some time, and not at all if this process ends before.
func (j *journal) putLater(k federation.Key, text string) {
	j.shards.note(k, text)
	j.wake()
}

func (j *journal) wake() {
	select {
	case j.later <- struct{}{}:
	default:
	}
}

// write writes pages until nothing waits.
func (j *journal) write() {
	for {
		batch := j.take()
		if len(batch) == 0 {
			return
		}
		p := page{}
		for _, w := range batch {
			p.Entries = append(p.Entries, w.entry)
		}
		err := j.send(p)
		for _, w := range batch {
			w.done <- err
		}
	}
}

// take returns what fits onto a page.
func (j *journal) take() (batch []waiting) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, 0
	for ; n < len(j.waiting); n++ {
		size += len(j.waiting[n].Inventory)
		if n > 0 && size > pageLimit {
			break
		}
	}
	batch, j.waiting = j.waiting[:n:n], slices.Clone(j.waiting[n:])
	j.writing = n > 0
	return batch
}

// send writes a page over the oldest one.
func (j *journal) send(p page) error {
	j.mu.Lock()
	full := j.number-j.folded >= pageCount
	j.mu.Unlock()
	if full {
		if err := j.fold(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	j.number++
	p.Number = j.number
	j.mu.Unlock()
	text, err := json.Marshal(p)
	if err != nil {
		panic("write a page of the journal: " + err.Error()) // every field is plain data
	}
	n := p.Number % pageCount
	return save(j.cluster, record{pageRef(n), journalPages, map[string]any{pageField: string(text)}}, &j.there[n])
}

func pageRef(n uint64) kube.Ref { return recordRef(fmt.Sprintf("inventories-journal-%02d", n)) }

// markRef is the record that says up to which page the shards have everything.
func markRef() kube.Ref { return recordRef("inventories-journal") }

// fold brings the shards to what the journal says, and notes that.
func (j *journal) fold() error {
	j.folding.Lock()
	defer j.folding.Unlock()
	j.mu.Lock()
	upTo, had := j.number, j.folded
	j.mu.Unlock()
	if err := j.shards.write(); err != nil || upTo == had {
		return err
	}
	if err := save(j.cluster, record{markRef(), journalPages, map[string]any{upToField: strconv.FormatUint(upTo, 10)}}, &j.marked); err != nil {
		return err
	}
	j.mu.Lock()
	j.folded = upTo
	j.mu.Unlock()
	return nil
}

// run brings the shards up to date from time to time, until ctx ends, and then once more.
func (j *journal) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-j.later:
			if pause(ctx, journalRest) == nil && j.fold() != nil {
				j.wake()
			}
		}
	}
	_ = j.fold() // what it cannot write is found again
}

// recover reads what an earlier life has left: what the shards have, and then what the
// journal says since. Entries without an inventory are of workloads that are gone.
func (j *journal) recover(records []unstructured.Unstructured) (list []Inventory, err error) {
	at := map[federation.Key]Inventory{}
	var pages []page
	for i := range records {
		switch u := &records[i]; {
		case kube.RefOf(u) == markRef():
			if j.folded, err = parseMark(u); err != nil {
				return nil, err
			}
		case u.GetLabels()[recordLabel] == journalPages:
			p, err := parsePage(u)
			if err != nil {
				return nil, err
			}
			pages = append(pages, p)
		default:
			all, err := parseShard(u)
			if err != nil {
				return nil, err
			}
			for _, inv := range all {
				at[inv.Workload] = inv
			}
		}
	}
	j.number = j.folded
	slices.SortFunc(pages, func(a, b page) int { return cmp.Compare(a.Number, b.Number) })
	for _, p := range pages {
		if p.Number <= j.folded {
			continue
		}
		j.number = p.Number
		if err := j.replay(p, at); err != nil {
			return nil, err
		}
	}
	for _, inv := range at {
		list = append(list, inv)
	}
	slices.SortFunc(list, func(a, b Inventory) int { return a.Workload.Compare(b.Workload) })
	return list, nil
}

func (j *journal) replay(p page, at map[federation.Key]Inventory) error {
	for _, e := range p.Entries {
		j.putLater(e.Workload, string(e.Inventory))
		if len(e.Inventory) == 0 {
			delete(at, e.Workload)
			continue
		}
		var inv Inventory
		if err := json.Unmarshal(e.Inventory, &inv); err != nil {
			return fmt.Errorf("page %d of the journal of inventories is damaged at %s: %w", p.Number, e.Workload, err)
		}
		at[e.Workload] = inv
	}
	return nil
}

func parsePage(u *unstructured.Unstructured) (p page, err error) {
	text, _, err := unstructured.NestedString(u.Object, "data", pageField)
	if err == nil {
		err = json.Unmarshal([]byte(text), &p)
	}
	if err != nil {
		return p, fmt.Errorf("%s is damaged, what it lists would be forgotten; restore it from a backup, or delete it and apply again: %w", kube.RefOf(u), err)
	}
	return p, nil
}

func parseMark(u *unstructured.Unstructured) (uint64, error) {
	text, _, err := unstructured.NestedString(u.Object, "data", upToField)
	if err != nil {
		return 0, fmt.Errorf("%s is damaged: %w", kube.RefOf(u), err)
	}
	upTo, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is damaged, and without it what is gone would come back; restore it from a backup: %w", kube.RefOf(u), err)
	}
	return upTo, nil
}
