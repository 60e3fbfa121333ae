package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging/subject"
)

// Gather makes this server the leader of every stream, of every consumer of works, and
// of the cluster. The hub that decides asks for it: its writes take the shortest way,
// and whichever other server dies, nothing has to be elected. It does nothing when the
// server is alone. hub is a connection with the hub's rights.
func (s *Server) Gather(ctx context.Context, hub *Conn) error {
	if s.servers == 1 {
		return nil
	}
	runs := s.server.Load()
	if runs == nil {
		return nil // it is being started again
	}
	name := runs.Name()
	var errs []error
	if !runs.JetStreamIsLeader() {
		errs = append(errs, s.system.cede(ctx, "$JS.API.META.LEADER.STEPDOWN", name))
	}
	streams := hub.js.ListStreams(ctx)
	for info := range streams.Info() {
		if err := hub.gatherStream(ctx, info, name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, streams.Err())...)
}

func (c *Conn) gatherStream(ctx context.Context, info *jetstream.StreamInfo, name string) error {
	stream := info.Config.Name
	if led(info.Cluster, name) {
		return c.gatherConsumer(ctx, stream, name)
	}
	if err := c.cede(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, name); err != nil {
		return err
	}
	return c.gatherConsumer(ctx, stream, name)
}

// gatherConsumer moves the durable consumer of a stream of works.
func (c *Conn) gatherConsumer(ctx context.Context, stream, name string) error {
	account, ok := strings.CutPrefix(stream, subject.WorkBucket(""))
	if !ok {
		return nil
	}
	consumer, err := c.js.Consumer(bounded(ctx), stream, account)
	if err != nil {
		return wrap(err, "find the leader of the consumer of %s", stream)
	}
	if led(consumer.CachedInfo().Cluster, name) {
		return nil
	}
	return c.cede(ctx, "$JS.API.CONSUMER.LEADER.STEPDOWN."+stream+"."+account, name)
}

// led reports whether the server leads, or nobody has to.
func led(c *jetstream.ClusterInfo, name string) bool {
	return c == nil || len(c.Replicas) == 0 || c.Leader == name
}

// cede asks a leader to make way for the named server.
func (c *Conn) cede(ctx context.Context, subj, name string) error {
	request, err := json.Marshal(map[string]any{"placement": map[string]string{"preferred": name}})
	if err != nil {
		return err
	}
	reply, err := c.nc.RequestWithContext(bounded(ctx), subj, request)
	if err != nil {
		return wrap(err, "ask for the lead by %s", subj)
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fmt.Errorf("ask for the lead by %s: %w", subj, err)
	}
	if answer.Error != nil {
		return wrap(answer.Error, "ask for the lead by %s", subj)
	}
	return nil
}
