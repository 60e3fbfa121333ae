package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

const life = 30 * 24 * time.Hour

// world is what outlives an agent: its disk, and hub and bus as far as they matter here.
// A JWT is the JSON of its user; a seed is the key's name.
type world struct {
	t    *testing.T
	disk State
	keys int // made so far

	mu      sync.Mutex
	known   federation.BusUser // by the hub, as the present one
	next    federation.BusUser
	ended   []string // keys that the bus refuses
	off     int      // requests off the bus
	away    bool     // neither hub nor bus is there
	refusal error    // the hub's answer to a request for a user
	ops     int      // what was done so far, in this life
	dies    int      // at which of them the agent dies; 0: never
	after   bool     // it dies after it was done, not before
	end     context.CancelFunc
	log     strings.Builder
}

var errDied = errors.New("died")

// do carries out something, unless the agent dies first.
func (w *world) do(act func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops++
	if w.dies != 0 && w.ops > w.dies {
		return errDied
	}
	dies := w.ops == w.dies
	if dies && !w.after {
		w.end()
		return errDied
	}
	err := act()
	if dies {
		w.end()
		return errDied
	}
	return err
}

func (w *world) read(jwt string) (u federation.BusUser, err error) {
	return u, json.Unmarshal([]byte(jwt), &u)
}

func (w *world) sign(key string) (string, federation.BusUser) {
	u := federation.BusUser{Key: key, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(life)}
	b, err := json.Marshal(u)
	if err != nil {
		w.t.Error(err)
	}
	return string(b), u
}

// takes reports whether the bus takes the credentials.
func (w *world) takes(c Credentials) bool {
	u, err := w.read(c.JWT)
	return err == nil && !w.away && u.Key == string(c.Seed) && time.Now().Before(u.ExpiresAt) && !slices.Contains(w.ended, u.Key)
}

func (w *world) ask(off bool) func(context.Context, federation.Rotation) (federation.RotationReply, error) {
	return func(_ context.Context, r federation.Rotation) (reply federation.RotationReply, err error) {
		err = w.do(func() error {
			switch {
			case w.away:
				return messaging.ErrDisconnected
			case w.refusal != nil:
				return w.refusal
			case r.Key != w.known.Key && r.Key != w.next.Key || string(r.Signature) != r.Key+" "+string(r.Text()):
				return messaging.Errorf(messaging.Denied, "not your key")
			case w.next.Key != "" && w.next.Key != r.NewKey && w.next.Key != r.Key:
				return messaging.Errorf(messaging.Refused, "another key waits")
			}
			if off {
				w.off++
			}
			if r.Key == w.next.Key {
				w.known = w.next
			}
			reply.UserJWT, w.next = w.sign(r.NewKey)
			return nil
		})
		return reply, err
	}
}

func (w *world) rotated(_ context.Context, r federation.Rotated) error {
	return w.do(func() error {
		switch {
		case w.away:
			return messaging.ErrDisconnected
		case r.User.Key == w.known.Key:
			return nil
		case r.User.Key != w.next.Key:
			return messaging.Errorf(messaging.Denied, "no user of yours")
		}
		w.ended = append(w.ended, w.known.Key)
		w.known, w.next = w.next, federation.BusUser{}
		return nil
	})
}

// link is a connection to the bus.
type link struct {
	w      *world
	k      *Keeper
	uses   string
	server string
	bad    error // what Trusts says
	fresh  int   // how often it was told of other servers
}

func (l *link) Switch(ctx context.Context) error {
	c := l.k.Credentials()
	if l.uses == c.JWT && l.w.takes(c) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.w.do(func() error {
		if !l.w.takes(c) {
			return context.DeadlineExceeded
		}
		l.uses = c.JWT
		return nil
	})
}

func (l *link) Refresh() error             { l.fresh++; return nil }
func (l *link) Trusts([]byte) error        { return l.bad }
func (l *link) Server() string             { return l.server }
func (l *link) Move(context.Context) error { return nil }

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	w.disk.Seed = []byte("K0")
	w.disk.JWT, w.known = w.sign("K0")
	return w
}

// begins starts a life of the agent on what its disk has.
func (w *world) begins() (k *Keeper, links []*link, end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.end, w.ops = cancel, 0
	k = New(Options{
		Member: "tokyo", ClusterID: "c", Incarnation: 1, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Keys: Keys{
			New: func() (string, []byte, error) {
				w.keys++
				name := fmt.Sprintf("K%d", w.keys)
				return name, []byte(name), nil
			},
			Sign: func(seed, text []byte) ([]byte, error) { return []byte(string(seed) + " " + string(text)), nil },
			Read: w.read,
		},
		Hub:  Hub{Bus: w.ask(false), Gateway: w.ask(true), Rotated: w.rotated},
		Save: func(s State) error { return w.do(func() error { w.disk = s; return nil }) },
	}, w.disk)
	links = []*link{{w: w, k: k}, {w: w, k: k}}
	k.Use(links[0], links[1])
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := k.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	return k, links, func() { cancel(); ended.Wait() }
}

// inOrder checks that everybody agrees on one user, which is this one.
func (w *world) inOrder(key string) {
	w.t.Helper()
	if w.known.Key != key || string(w.disk.Seed) != key || w.next.Key != "" || !w.takes(w.disk.Credentials) {
		w.t.Errorf("want %s: the hub has %q, next %q, the disk %q, ended %v", key, w.known.Key, w.next.Key, w.disk.Seed, w.ended)
	}
}

// pass lets d pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// TestRenewal: at two thirds of its life the user is replaced, and the old one ends.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, links, end := w.begins()
		defer end()
		pass(life / 3 * 2)
		w.inOrder("K0")
		pass(life / 12)
		w.inOrder("K1")
		pass(10 * life)
		if links[0].uses != w.disk.JWT || links[1].uses != w.disk.JWT || len(w.ended) < 13 || len(w.ended) > 16 || w.off > 0 {
			t.Errorf("%d users in ten lives, %d of them off the bus", len(w.ended), w.off)
		}
	})
}

// TestDying: wherever an agent dies, the next life has credentials that work, and ends
// with one user that everybody knows.
func TestDying(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%v", at, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { die(t, at, after) })
			})
		}
	}
}

func die(t *testing.T, at int, after bool) {
	w := newWorld(t)
	w.dies, w.after = at, after
	_, _, end := w.begins()
	pass(life/3*2 + life/12)
	end()
	if !w.takes(w.disk.Credentials) {
		t.Fatalf("the bus does not take %q: ended %v", w.disk.Seed, w.ended)
	}
	w.dies = 0
	_, _, end = w.begins()
	pass(time.Hour)
	end()
	w.inOrder(fmt.Sprintf("K%d", w.keys))
	if unsaved := at == 4 && !after; w.keys > 2 || w.keys == 2 && !unsaved || w.off > 0 {
		t.Errorf("%d keys were made, %d users off the bus", w.keys, w.off)
	}
}

// TestOrder: the hub has a user replaced at once, once.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k, _, end := w.begins()
		defer end()
		for _, o := range []federation.RotationOrder{{Member: "osaka", Key: "K0"}, {Member: "tokyo", Key: "other"}} {
			k.Order(o)
			pass(time.Minute)
			w.inOrder("K0")
		}
		for range 3 {
			k.Order(federation.RotationOrder{Member: "tokyo", Key: "K0"})
			pass(time.Minute)
			w.inOrder("K1")
		}
	})
}

// TestAway: an agent that was off for forty days gets another user by a gateway; one that
// is no member any more says so once, and asks seldom.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pass(life / 3 * 4)
		_, _, end := w.begins()
		pass(time.Minute)
		end()
		w.inOrder("K1")
		if w.off != 1 {
			t.Errorf("%d users off the bus", w.off)
		}

		w.ended = append(w.ended, "K1")
		w.refusal = messaging.Errorf(messaging.NotFound, "tokyo is no member any more: join again with a new token")
		w.log.Reset()
		k, _, end := w.begins()
		k.Refused()
		w.ops = 0
		pass(24 * time.Hour)
		end()
		if n := strings.Count(w.log.String(), "level=WARN"); n != 1 || !strings.Contains(w.log.String(), "no member any more") {
			t.Errorf("told %d times:\n%s", n, &w.log)
		}
		if w.ops > 300 {
			t.Errorf("it did %d things in a day", w.ops)
		}
	})
}

// TestBusIsAway: who cannot reach the bus is not refused, and tells the hub when that is
// back.
func TestBusIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.away = true
		k, _, end := w.begins()
		defer end()
		pass(time.Hour)
		if strings.Contains(w.log.String(), "WARN") {
			t.Errorf("told:\n%s", &w.log)
		}
		w.mu.Lock()
		w.away, w.known = false, federation.BusUser{}
		w.next = federation.BusUser{Key: "K0"} // a hub whose records are older
		w.mu.Unlock()
		pass(time.Minute)
		if w.known.Key != "K0" {
			t.Error("the hub is not told")
		}
		w.mu.Lock()
		w.known, w.next = federation.BusUser{}, federation.BusUser{Key: "K0"}
		w.mu.Unlock()
		k.Tell()
		pass(time.Minute)
		if w.known.Key != "K0" {
			t.Error("another hub is not told")
		}
	})
}

// TestBadAnswers: what is not the user that was wanted is not used.
func TestBadAnswers(t *testing.T) {
	for name, answer := range map[string]string{"nothing": "", "no JWT": "{", "another key": `{"key":"X"}`} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k := New(Options{
				Member: "tokyo", Log: slog.New(slog.DiscardHandler), Save: func(s State) error { w.disk = s; return nil },
				Keys: Keys{New: func() (string, []byte, error) { return "K1", []byte("K1"), nil }, Sign: func(_, text []byte) ([]byte, error) { return text, nil }, Read: w.read},
				Hub: Hub{Bus: func(context.Context, federation.Rotation) (federation.RotationReply, error) {
					return federation.RotationReply{UserJWT: answer}, nil
				}},
			}, w.disk)
			k.Order(federation.RotationOrder{Member: "tokyo", Key: "K0"})
			if _, err := k.step(t.Context(), time.Now()); err == nil || string(w.disk.Seed) != "K0" || w.disk.Next == nil {
				t.Errorf("%v, and the disk has %+v", err, w.disk)
			}
		})
	}
}

// TestLearn: where the bus is now is written down and used; nobody is cut off by what a
// hub says.
func TestLearn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk.BusURLs, w.disk.BusCA = []string{"tls://a:1"}, []byte("old")
		k, links, end := w.begins()
		defer end()
		links[0].server, links[1].server = "a:1", ""
		learn := func(urls []string, ca, wantURLs, wantCA string) {
			t.Helper()
			k.Learn(urls, []byte(ca))
			if got := strings.Join(w.disk.BusURLs, " "); got != wantURLs || string(w.disk.BusCA) != wantCA {
				t.Errorf("%q and %q", got, w.disk.BusCA)
			}
			if c := k.Credentials(); strings.Join(c.BusURLs, " ") != wantURLs || string(c.BusCA) != wantCA {
				t.Errorf("not used: %+v", c)
			}
		}
		learn(nil, "", "tls://a:1", "old")
		learn([]string{"tls://a:1"}, "old", "tls://a:1", "old")
		if links[0].fresh != 0 {
			t.Error("nothing is new, and told")
		}
		learn([]string{"tls://a:1", "tls://b:1"}, "both", "tls://a:1 tls://b:1", "both")
		if links[0].fresh != 1 || links[1].fresh != 1 {
			t.Error("the connections are not told")
		}
		learn([]string{"tls://wrong:1"}, "", "tls://wrong:1 tls://a:1", "both")
		links[1].bad = errors.New("not signed by it")
		learn([]string{"tls://a:1"}, "foreign", "tls://a:1", "both")
		learn(make([]string, mostURLs+1), "", "tls://a:1", "both")
	})
}
