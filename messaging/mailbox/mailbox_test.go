package mailbox

import (
	"sync"
	"testing"
	"testing/synctest"
)

func TestOrderAndLimit(t *testing.T) {
	b := New[int]()
	for i := range 3 {
		b.Put(i)
	}
	if b.PutBelow(9, 3) {
		t.Error("a full box takes more")
	}
	if !b.PutBelow(3, 4) {
		t.Error("a box with room refuses")
	}
	b.Put(4) // no limit
	<-b.Ready()
	if got := b.Take(); len(got) != 5 || got[0] != 0 || got[3] != 3 || got[4] != 4 {
		t.Errorf("got %v", got)
	}
	if b.Len() != 0 || len(b.Take()) != 0 {
		t.Error("items are there twice")
	}
	select {
	case <-b.Ready():
		t.Error("an empty box says that something waits")
	default:
	}
}

// TestNoLostWakeUp: the receiver gets everything that many put, each sender's items
// in their order, and waits when nothing is there.
func TestNoLostWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 8, 500
		type item struct{ sender, n int }
		b := New[item]()
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				for n := range each {
					b.Put(item{s, n})
				}
			})
		}
		next := [senders]int{}
		for got := 0; got < senders*each; {
			<-b.Ready() // a lost wake-up is a deadlock here
			for _, i := range b.Take() {
				if next[i.sender] != i.n {
					t.Fatalf("sender %d: got %d, want %d", i.sender, i.n, next[i.sender])
				}
				next[i.sender]++
				got++
			}
		}
		all.Wait()
		// A token may be left of items that were taken with others; after it the box
		// is silent until the next Put.
		select {
		case <-b.Ready():
			if left := b.Take(); len(left) > 0 {
				t.Fatalf("%d items too many", len(left))
			}
		default:
		}
		woken := false
		go func() { <-b.Ready(); woken = true }()
		synctest.Wait()
		if woken {
			t.Fatal("woken by nothing")
		}
		b.Put(item{})
		synctest.Wait()
		if !woken {
			t.Error("not woken by a put")
		}
	})
}

func BenchmarkPutTake(b *testing.B) {
	box := New[int]()
	for i := range b.N {
		box.Put(i)
		if i%64 == 63 {
			<-box.Ready()
			box.Take()
		}
	}
}
