package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// orderly reads the works of a member, and checks that no version of a work comes after
// a newer one.
type orderly struct {
	t      *testing.T
	newest map[string]federation.Revision
	come   []messaging.Change
}

var errEnough = errors.New("enough")

// until reads until done says so, and acknowledges all but the last batch.
func (o *orderly) until(c *Conn, done func(messaging.Change) bool) {
	o.t.Helper()
	if o.newest == nil {
		o.newest = map[string]federation.Revision{}
	}
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	err := c.Works().Follow(ctx, func(changes []messaging.Change) error {
		ends := false
		for _, ch := range changes {
			if !ch.Synced && ch.Revision < o.newest[ch.Key] {
				o.t.Errorf("%s: version %d after %d", ch.Key, ch.Revision, o.newest[ch.Key])
			}
			o.newest[ch.Key] = max(o.newest[ch.Key], ch.Revision)
			o.come = append(o.come, ch)
			ends = ends || done(ch)
		}
		if ends {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		o.t.Fatalf("following ends with %v", err)
	}
}

func synced(c messaging.Change) bool { return c.Synced }

// TestAwayForDays: however much changed while an agent was away, only the last version
// of each work comes, deletions among them, once, and at once; and nothing comes again
// to one that still holds what it has acknowledged.
func TestAwayForDays(t *testing.T) {
	const works, rounds, inFlight = 1000, 100, 100
	w := open(t)
	hub := w.dial(t, HubRole)
	credentials, account := w.credentials(t, "tokyo")
	bucket, err := hub.WorkBucket(t.Context(), account)
	must(t, err)
	last := write(t, bucket, works, 1, -1)
	agent, err := w.dialAs(credentials, "tokyo", account)
	must(t, err)
	first := orderly{t: t}
	first.until(agent, func(c messaging.Change) bool { return c.Revision >= last-inFlight })
	agent.Close() // it dies with orders that it has not acknowledged
	for range rounds - 1 {
		write(t, bucket, works, 1, -1)
	}
	last = write(t, bucket, works, 10, 0) // every tenth is deleted

	agent, err = w.dialAs(credentials, "tokyo", account)
	must(t, err)
	t.Cleanup(agent.Close)
	began := time.Now()
	back := orderly{t: t, newest: first.newest}
	back.until(agent, synced)
	took := time.Since(began)
	deleted, versions := 0, len(back.come)-1 // but for the mark
	for _, c := range back.come[:versions] {
		if c.Deleted {
			deleted++
		}
	}
	t.Logf("%d updates, %d messages, %d of them deletions, %v", rounds*works, versions, deleted, took)
	if versions > works || deleted != works/10 || len(back.newest) != works+1 {
		t.Errorf("%d versions of %d works, %d deleted", versions, len(back.newest)-1, deleted)
	}
	if took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	awaitAcknowledged(t, hub, account, last)

	must(t, hub.ReplayWorks(t.Context(), account, last))
	idle := orderly{t: t}
	idle.until(agent, synced)
	if len(idle.come) != 1 {
		t.Errorf("%d orders come again to one that holds them", len(idle.come)-1)
	}
	must(t, hub.ReplayWorks(t.Context(), account, last-1)) // it lost the last one
	again := orderly{t: t}
	again.until(agent, synced)
	if len(again.come) != works+1 {
		t.Errorf("%d orders come again to one that lost some", len(again.come)-1)
	}
}

// TestInFlight: what was given to a life that ended is given to the next one at once.
func TestInFlight(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	credentials, account := w.credentials(t, "tokyo")
	bucket, err := hub.WorkBucket(t.Context(), account)
	must(t, err)
	const works = 20
	last := write(t, bucket, works, 1, -1)
	agent, err := w.dialAs(credentials, "tokyo", account)
	must(t, err)
	first := orderly{t: t}
	first.until(agent, func(c messaging.Change) bool { return c.Revision == last })
	agent.Close()
	must(t, hub.ReplayWorks(t.Context(), account, last)) // it stored them, and died before it could say so
	agent, err = w.dialAs(credentials, "tokyo", account)
	must(t, err)
	t.Cleanup(agent.Close)
	began := time.Now()
	next := orderly{t: t, newest: first.newest}
	next.until(agent, synced)
	if took := time.Since(began); len(next.come) != works+1 || took > 10*time.Second {
		t.Errorf("%d of %d orders after %v", len(next.come)-1, works, took)
	}
}

// write writes a version of every work, or deletes those whose number divides by one of
// which remains rest, and returns the last revision.
func write(t *testing.T, b messaging.Bucket, works, by, rest int) federation.Revision {
	t.Helper()
	var all []messaging.Write
	for i := range works {
		v := messaging.Write{Key: fmt.Sprintf("shop.web-%d", i), Value: []byte(strings.Repeat("x", 200)), Expected: messaging.AnyRevision}
		if v.Delete = i%by == rest; v.Delete {
			v.Value = nil
		}
		all = append(all, v)
	}
	revisions, err := b.WriteAll(t.Context(), all)
	must(t, err)
	return slices.Max(revisions)
}

// awaitAcknowledged waits until the server knows that everything was taken.
func awaitAcknowledged(t *testing.T, hub *Conn, account string, last federation.Revision) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		c, err := hub.js.Consumer(ctx, subject.WorkBucket(account), account)
		must(t, err)
		if c.CachedInfo().AckFloor.Stream >= uint64(last) {
			return
		}
	}
}

// TestPatient: a connection is there before its server is. Until then everything fails
// at once, and from then on it works, subscriptions too.
func TestPatient(t *testing.T) {
	w := open(t)
	credentials, account := w.credentials(t, "tokyo")
	address := strings.TrimPrefix(w.server.URL(), "tls://")
	options := w.options
	options.Listen = address
	w.server.Shutdown()
	dial := DialOptions{URLs: []string{"tls://" + address}, CA: w.ca, Credentials: credentials, Name: "tokyo", Account: account}
	if _, err := Dial(dial); err == nil {
		t.Error("one that is not patient waits")
	}
	dial.Patient, dial.Log = true, slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := Dial(dial)
	must(t, err)
	t.Cleanup(c.Close)
	heard := make(chan messaging.Message, 1)
	_, err = c.Subscribe(t.Context(), subject.MemberDownBeat(), func(m messaging.Message) { heard <- m })
	must(t, err)
	if err := c.Publish(subject.MemberBeat(), nil); !errors.Is(err, messaging.ErrDisconnected) {
		t.Errorf("a publish without a server: %v", err)
	}
	if _, err := c.Request(t.Context(), subject.MemberUp(subject.UpHello), nil); !errors.Is(err, messaging.ErrDisconnected) {
		t.Errorf("a request without a server: %v", err)
	}
	server, err := StartServer(options)
	must(t, err)
	t.Cleanup(server.Shutdown)
	hub, err := server.Dial(HubRole)
	must(t, err)
	t.Cleanup(hub.Close)
	beats := time.NewTicker(20 * time.Millisecond)
	defer beats.Stop()
	limit := time.After(20 * time.Second)
	for {
		select {
		case <-heard:
			return
		case <-beats.C:
			must(t, hub.Publish(subject.DownBeat(account), nil))
		case <-limit:
			t.Fatal("nothing is heard")
		}
	}
}
