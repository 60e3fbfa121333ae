package nats

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// startsKey is the entry of a stream's metadata that lists the hub's starts.
const startsKey = "hansa-starts"

// keptStarts bounds how many starts a stream remembers.
const keptStarts = 32

// inFlight is how long a message may have its time before it is in the stream. No
// server loses something and starts again within it.
const inFlight = 50 * time.Millisecond

// start is one start of a hub: what it found in the stream. A server that lost the
// end of a stream, or that was given an older copy of it, did so before the hub
// started; so whoever read beyond last before at has read what may be gone.
type start struct {
	last uint64 // sequence
	at   time.Time
}

// starting is one start of a hub under way.
type starting struct {
	mu      sync.Mutex
	streams map[string]bool // that have it
}

func (s *starting) done(stream string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[stream]
}

// noteStart adds the start to the metadata of every bucket's stream that does not have
// it yet.
func (c *Conn) noteStart(ctx context.Context, s *starting) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range append(subject.Durable(), subject.Rebuilt()...) {
		group.Go(func() error { return c.noteStartIn(ctx, streamName(name), s) })
	}
	return group.Wait()
}

func (c *Conn) noteStartIn(ctx context.Context, name string, s *starting) error {
	if s.done(name) {
		return nil
	}
	stream, err := c.js.Stream(bounded(ctx), name)
	if err != nil {
		return wrap(err, "look at stream %s", name)
	}
	info := stream.CachedInfo()
	config := info.Config
	config.Metadata = maps.Clone(config.Metadata)
	if config.Metadata == nil {
		config.Metadata = map[string]string{}
	}
	starts := append(parseStarts(config.Metadata), start{last: info.State.LastSeq, at: info.TimeStamp})
	config.Metadata[startsKey] = formatStarts(starts[max(0, len(starts)-keptStarts):])
	if _, err := c.js.UpdateStream(bounded(ctx), config); err != nil {
		return wrap(err, "note the start in stream %s", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name] = true
	return nil
}

func formatStarts(starts []start) string {
	text := make([]string, len(starts))
	for i, s := range starts {
		text[i] = fmt.Sprintf("%d@%d", s.last, s.at.UnixNano())
	}
	return strings.Join(text, ",")
}

// parseStarts is the inverse; what cannot be read counts as none.
func parseStarts(metadata map[string]string) []start {
	var out []start
	for text := range strings.SplitSeq(metadata[startsKey], ",") {
		var s start
		var nanos int64
		if n, err := fmt.Sscanf(text, "%d@%d", &s.last, &nanos); n == 2 && err == nil {
			s.at = time.Unix(0, nanos)
			out = append(out, s)
		}
	}
	return out
}

// extent is what a stream holds, by the answer of its leader.
func extent(info *jetstream.StreamInfo) messaging.Extent {
	var e messaging.Extent
	e.Life = info.Created.UTC().Format(time.RFC3339Nano)
	e.Revision, e.At, e.Oldest = revision(info.State.LastSeq), info.TimeStamp, revision(info.State.FirstSeq)
	return e
}

// verdict says whether a stream still has what a reader has read.
type verdict int

const (
	holds  verdict = iota
	behind         // it ends before the cursor: it was cut back, or its leader has yet to apply the end
	lost           // it is another stream, or one with another past
)

// judge compares a cursor with a stream. Beside the identity of the stream it looks
// at two things that a stream can tell which was cut back and has grown again since:
// the starts of the hub, and its first record, which is younger than the reader when
// the stream was emptied without the hub (a memory stream of an external server).
func judge(c messaging.Cursor, info *jetstream.StreamInfo) verdict {
	now := extent(info)
	if c.Life != now.Life {
		return lost
	}
	starts := parseStarts(info.Config.Metadata)
	if len(starts) == keptStarts && c.At.Before(starts[0].at) {
		return lost // it was away for longer than the stream remembers
	}
	for _, s := range starts {
		if c.Revision > revision(s.last) && c.At.Before(s.at.Add(-inFlight)) {
			return lost
		}
	}
	switch {
	case info.State.Msgs > 0 && now.Oldest <= c.Revision && info.State.FirstTime.After(c.At):
		return lost
	case c.Revision > now.Revision:
		return behind
	}
	return holds
}
