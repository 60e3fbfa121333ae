package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

var errEnough = errors.New("enough")

// follow: the snapshot, the mark, then changes in their order, with deletions.
func follow(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("old"), 0))
	must[federation.Revision](t)(b.Put(ctx, "a.gone", []byte("x"), 0))
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), messaging.AnyRevision))
	must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("2"), 0))
	if err := b.Delete(ctx, "a.gone", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	head := must[federation.Revision](t)(b.Put(ctx, "a.marker", nil, 0)) + 1
	if err := b.Delete(ctx, "a.marker", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	var seen []string
	var last federation.Revision
	err := b.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			if c.Revision != head {
				t.Errorf("synced up to %d, the last write was %d", c.Revision, head)
			}
			seen = append(seen, "synced")
			must[federation.Revision](t)(b.Put(ctx, "a.c", []byte("3"), 0))
			return b.Delete(ctx, "a.b", messaging.AnyRevision)
		case c.Deleted:
			seen = append(seen, "-"+c.Key)
			return errEnough
		}
		if c.Revision <= last {
			t.Errorf("revision %d after %d", c.Revision, last)
		}
		last = c.Revision
		seen = append(seen, c.Key+"="+string(c.Value))
		return nil
	})
	wants(t, err, errEnough)
	if got, want := fmt.Sprint(seen), "[a.a=1 a.b=2 synced a.c=3 -a.b]"; got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
}

func followFilter(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	for _, key := range []string{"a.a", "b.a", "a.b"} {
		must[federation.Revision](t)(b.Put(ctx, key, []byte(key), 0))
	}
	var seen []string
	err := b.Follow(ctx, "a.>", func(c messaging.Change) error {
		if c.Synced {
			return errEnough
		}
		seen = append(seen, c.Key)
		return nil
	})
	wants(t, err, errEnough)
	if fmt.Sprint(seen) != "[a.a a.b]" {
		t.Errorf("saw %v", seen)
	}
}

// followEnds: with its context, also when nothing happens; an empty bucket is synced.
func followEnds(t *testing.T, r Roles) {
	ctx, stop := context.WithCancel(bounded(t))
	err := bucket(t, r).Follow(ctx, "", func(c messaging.Change) error {
		if !c.Synced {
			t.Errorf("an empty bucket says %+v", c)
		}
		stop()
		return nil
	})
	wants(t, err, context.Canceled)
}

// followDeletes: what was told and is deleted before Synced does not stay.
func followDeletes(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	for _, key := range []string{"a.a", "a.b", "a.c"} {
		must[federation.Revision](t)(b.Put(ctx, key, nil, 0))
	}
	held, first := map[string]bool{}, true
	err := b.Follow(ctx, "", func(c messaging.Change) error {
		if first {
			first = false
			if err := b.Delete(ctx, "a.a", messaging.AnyRevision); err != nil {
				t.Error(err)
			}
			must[federation.Revision](t)(b.Put(ctx, "end", nil, 0))
		}
		switch {
		case c.Deleted:
			delete(held, c.Key)
		case c.Key == "end":
			return errEnough
		case !c.Synced:
			held[c.Key] = true
		}
		return nil
	})
	wants(t, err, errEnough)
	if fmt.Sprint(held) != "map[a.b:true a.c:true]" {
		t.Errorf("the reader holds %v", held)
	}
}
