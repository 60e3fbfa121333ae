package mirror

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// TestLedger compares the ledger with a map.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, model, last := newLedger(), map[string]messaging.Entry{}, federation.Revision(0)
		revision := func() federation.Revision {
			return federation.Revision(rapid.Uint64Range(0, uint64(last)+1).Draw(t, "revision"))
		}
		key := func() string { return fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key")) }
		discard := func(gone func(messaging.Entry) bool) {
			for k, e := range model {
				if gone(e) {
					delete(model, k)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				last++
				e := messaging.Entry{Key: key(), Revision: last, Deleted: rapid.Bool().Draw(t, "deleted")}
				l.put(e)
				model[e.Key] = e
			},
			"remove": func(*rapid.T) { k := key(); l.remove(k); delete(model, k) },
			"drop": func(*rapid.T) {
				r := revision()
				l.drop(r)
				discard(func(e messaging.Entry) bool { return e.Revision < r })
			},
			"forget": func(*rapid.T) {
				r := revision()
				l.forget(r)
				discard(func(e messaging.Entry) bool { return e.Deleted && e.Revision <= r })
			},
			"": func(t *rapid.T) {
				from := revision()
				var want, got []messaging.Entry
				size := 0
				for _, e := range model {
					if size += len(e.Key); e.Revision > from {
						want = append(want, e)
					}
				}
				slices.SortFunc(want, func(a, b messaging.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
				for _, n := range l.after(from) {
					got = append(got, n.Entry)
				}
				if !slices.EqualFunc(got, want, same) || l.size != size {
					t.Fatalf("after %d: %v of %d bytes, want %v of %d", from, got, l.size, want, size)
				}
			},
		})
	})
}
