package nats

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// at is a moment, in seconds.
func at(s int) time.Time { return time.Unix(int64(s), 0) }

// TestJudge: a stream that was made at 0 and has the messages 5 to 100 of the
// moments 50 to 1000. The hub started at 95, when 9 was the last one, and at 500,
// when 49 was: the message 50 of the moment 500 came just after.
func TestJudge(t *testing.T) {
	info := &jetstream.StreamInfo{
		Created: at(0),
		Config:  jetstream.StreamConfig{Metadata: map[string]string{startsKey: formatStarts([]start{{9, at(95)}, {49, at(499)}})}},
		State:   jetstream.StreamState{Msgs: 80, FirstSeq: 5, FirstTime: at(50), LastSeq: 100, LastTime: at(1000)},
	}
	life := extent(info).Life
	for _, c := range []struct {
		name     string
		revision federation.Revision
		at       int
		want     verdict
	}{
		{"all of it", 100, 1000, holds},
		{"a part", 70, 700, holds},
		{"before the last start", 49, 490, holds},
		{"before both starts", 7, 70, holds},
		{"before the first message that is left", 3, 30, holds},
		{"idle at the last start", 49, 498, holds},
		{"more than the last start found", 60, 450, lost},
		{"more than the first start found", 12, 90, lost},
		{"more than there is", 101, 1001, behind},
		{"more than the last start found, and more than there is", 120, 450, lost},
		{"older than the first message that is left", 6, 40, lost},
	} {
		if got := judge(messaging.Cursor{Life: life, Revision: c.revision, At: at(c.at)}, info); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := judge(messaging.Cursor{Life: "x", Revision: 70, At: at(700)}, info); got != lost {
		t.Errorf("another stream: %v", got)
	}
}

// TestStarts: their number is bounded, and a reader from before the oldest cannot
// be judged.
func TestStarts(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	for range keptStarts + 2 {
		must(t, hub.AwaitBuckets(t.Context(), silent))
	}
	b, err := hub.Bucket(t.Context(), "health")
	must(t, err)
	info, err := b.(*bucket).info(t.Context())
	must(t, err)
	starts := parseStarts(info.Config.Metadata)
	if len(starts) != keptStarts {
		t.Fatalf("%d starts are kept", len(starts))
	}
	c := extent(info).Cursor
	if c.At = starts[0].at.Add(-time.Second); judge(c, info) != lost {
		t.Error("a reader from before the oldest start that is known goes on")
	}
	if c.At = info.TimeStamp; judge(c, info) != holds {
		t.Error("a reader of today does not go on")
	}
	for _, text := range []string{"", "x", "1", "1@", "@1", "1@x,2", fmt.Sprint(-1, "@1")} {
		if got := parseStarts(map[string]string{startsKey: text}); len(got) != 0 {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
