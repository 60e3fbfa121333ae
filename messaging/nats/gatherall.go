package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Every server of a bus answers a question of the system account; how many there are is
// not known for sure. The answers are complete when no other came for a while.
const (
	gatherQuiet = 300 * time.Millisecond
	gatherLimit = 3 * time.Second
)

// said is one server's answer.
type said[T any] struct {
	Server struct {
		Name string `json:"name"`
		ID   string `json:"id"`
	} `json:"server"`
	Data  T `json:"data"`
	Error *struct {
		Description string `json:"description"`
	} `json:"error"`

	offset func(time.Time) time.Duration // how far a clock that says so is before ours
}

// askAll asks all servers and returns what they say.
func askAll[T any](ctx context.Context, nc *nats.Conn, subj string, request any) ([]said[T], error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, gatherLimit)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, wrap(err, "ask the servers by %s", subj)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	asked := time.Now()
	if err := nc.PublishRequest(subj, inbox, body); err != nil {
		return nil, wrap(err, "ask the servers by %s", subj)
	}
	var out []said[T]
	for {
		m, err := nextWithin(ctx, sub, len(out) > 0)
		if err != nil && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return nil, wrap(err, "ask the servers by %s", subj)
		}
		middle := asked.Add(time.Since(asked) / 2)
		var one said[T]
		if err := json.Unmarshal(m.Data, &one); err != nil {
			return nil, fmt.Errorf("ask the servers by %s: %w", subj, err)
		}
		if one.Error != nil {
			return nil, fmt.Errorf("ask the servers by %s: %s: %s", subj, one.Server.Name, one.Error.Description)
		}
		one.offset = func(now time.Time) time.Duration { return now.Sub(middle) }
		out = append(out, one)
	}
}

// nextWithin waits for an answer, for a while when others have come already.
func nextWithin(ctx context.Context, sub *nats.Subscription, others bool) (*nats.Msg, error) {
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, gatherQuiet)
		defer cancel()
	}
	return sub.NextMsgWithContext(ctx)
}
