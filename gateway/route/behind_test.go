package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestBehind plays what a gateway reads and what the hub says it has, one step a line,
// and asks after each for how long something lacks.
func TestBehind(t *testing.T) {
	for name, script := range map[string]string{
		"nothing read":             "0s hub 5 = 0s",
		"at the head":              "0s read 5 = 0s, 1s hub 5 = 0s",
		"the hub is first":         "0s read 5 = 0s, 0s hub 6 = 0s, 3s hub 6 = 3s, 4s read 6 = 0s",
		"closely behind":           "0s read 5 = 0s, 0s hub 6 = 0s, 1s read 6 = 0s, 1s hub 9 = 0s, 2s read 9 = 0s, 2s hub 12 = 0s, 3s hub 12 = 1s",
		"behind while more comes":  "0s read 5 = 0s, 0s hub 6 = 0s, 1s hub 9 = 1s, 3s hub 20 = 3s, 3s read 6 = 2s, 4s hub 20 = 3s, 4s read 9 = 1s",
		"restored to before":       "0s read 5 = 0s, 0s hub 9 = 0s, 3s hub 2 = 0s, 4s hub 3 = 0s",
		"restored, still ahead":    "0s read 5 = 0s, 0s hub 9 = 0s, 3s hub 7 = 0s, 5s hub 7 = 2s, 5s read 7 = 0s",
		"read anew":                "0s read 5 = 0s, 0s hub 9 = 0s, 3s reset = 0s, 3s hub 9 = 0s, 4s read 9 = 0s, 5s hub 9 = 0s",
		"a hub that says nothing":  "0s read 5 = 0s, 0s hub 9 = 0s, 3s hub 0 = 0s",
		"another hub, from a copy": "0s read 500 = 0s, 0s hub 20 = 0s, 9s hub 21 = 0s",
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

func play(t *testing.T, script string) {
	t.Helper()
	b := NewBuilder()
	for i, line := range strings.Split(script, ", ") {
		var after, want time.Duration
		var revision federation.Revision
		command, wanted, _ := strings.Cut(line, " = ")
		word := strings.Fields(command)
		after, _ = time.ParseDuration(word[0])
		want, _ = time.ParseDuration(wanted)
		if len(word) > 2 {
			if _, err := fmt.Sscan(word[2], &revision); err != nil {
				t.Fatal(err)
			}
		}
		now := start.Add(after)
		switch word[1] {
		case "read":
			b.SetRead(subject.Exports, revision)
		case "reset":
			b.SetUnread(subject.Exports)
		case "hub":
			b.SetBeat(federation.HubBeat{Term: 1, Sequence: uint64(i + 1), Heads: map[string]federation.Revision{subject.Exports: revision}}, now)
		}
		table := b.Table()
		if got := table.Behind(now, subject.Exports); got != want {
			t.Errorf("%s: behind for %s", line, got)
		}
		if table.Behind(now) != table.Behind(now, subject.Exports) || table.Behind(now, subject.Facts) != 0 || table.Late(now) != (want > StaleAfter) {
			t.Errorf("%s: lacks %+v", line, table.Lacks)
		}
	}
}

// TestBehindIsStale: endpoints are stale while exports lack, and not for what lacks
// elsewhere.
func TestBehindIsStale(t *testing.T) {
	b := world()
	state := func(now time.Time) State {
		return b.Table().Rank(Query{Service: web, Now: now}).Tiers[0].Endpoints[0].State
	}
	b.SetRead(subject.Exports, 5)
	b.SetRead(subject.Events, 5)
	heads := map[string]federation.Revision{subject.Exports: 5, subject.Events: 8}
	beat := func(at time.Time) {
		seq := b.next.Sequence + 1
		b.SetBeat(federation.HubBeat{Term: b.next.Term, Sequence: seq, Members: lines(b), Heads: heads}, at)
	}
	beat(start)
	beat(start.Add(3 * time.Second))
	if got := state(start.Add(3 * time.Second)); got != Fresh {
		t.Errorf("%s without events", got)
	}
	heads[subject.Exports] = 6
	beat(start.Add(4 * time.Second))
	beat(start.Add(7 * time.Second))
	if got := state(start.Add(7 * time.Second)); got != Stale {
		t.Errorf("%s without exports", got)
	}
	b.SetRead(subject.Exports, 6)
	if got := state(start.Add(7 * time.Second)); got != Fresh {
		t.Errorf("%s when they were read", got)
	}
}

// TestBehindForLong: however long it goes on, what is remembered is bounded, and since
// when something lacks is not forgotten.
func TestBehindForLong(t *testing.T) {
	b := NewBuilder()
	b.SetRead(subject.Exports, 1)
	now := start
	for i := range 10_000 {
		b.SetBeat(federation.HubBeat{Term: 1, Sequence: uint64(i + 1), Heads: map[string]federation.Revision{subject.Exports: federation.Revision(i + 2)}}, now)
		now = now.Add(250 * time.Millisecond)
	}
	if got := b.Table().Behind(now); got != now.Sub(start) {
		t.Errorf("behind for %s of %s", got, now.Sub(start))
	}
	if n := len(b.read[subject.Exports].heads); n > maxHeads {
		t.Errorf("%d heads are remembered", n)
	}
}

// lines are those of the last beat.
func lines(b *Builder) []federation.MemberBeat {
	var out []federation.MemberBeat
	for _, m := range b.next.Members {
		out = append(out, m.Beat)
	}
	return out
}
