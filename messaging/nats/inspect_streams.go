package nats

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/subject"
)

// streamsOf is what a server says about the streams of an account.
type streamsOf struct {
	Accounts []struct {
		Streams []streamDetail `json:"stream_detail"`
	} `json:"account_details"`
}

func (s streamsOf) all() []streamDetail {
	var out []streamDetail
	for _, a := range s.Accounts {
		out = append(out, a.Streams...)
	}
	return out
}

type streamDetail struct {
	Name      string                   `json:"name"`
	Cluster   *jetstream.ClusterInfo   `json:"cluster"`
	Config    jetstream.StreamConfig   `json:"config"`
	State     jetstream.StreamState    `json:"state"`
	Consumers []jetstream.ConsumerInfo `json:"consumer_detail"`
}

// streams are those that there should be and those that there are, and their readers.
func (i *Inspector) streams(seen *inspection, members map[string]string) ([]federation.BusStream, []federation.BusConsumer) {
	wanted := map[string]jetstream.StreamConfig{}
	for _, name := range subject.Durable() {
		wanted[streamName(name)] = bucketConfig(name, jetstream.FileStorage)
	}
	for _, name := range subject.Rebuilt() {
		wanted[streamName(name)] = bucketConfig(name, i.hub.rebuiltStorage())
	}
	for account := range members {
		wanted[subject.WorkBucket(account)] = workConfig(account)
	}
	found := map[string]federation.BusStream{}
	var consumers []federation.BusConsumer
	for _, one := range seen.streams {
		for _, d := range one.Data.all() {
			config, known := wanted[d.Name]
			config.Replicas = i.hub.replicas
			s := merge(found[d.Name], d, one.Server.Name)
			if known && s.Leader == one.Server.Name {
				s.Wrong = differences(d.Config, config)
			}
			found[d.Name] = s
			consumers = append(consumers, consumersOf(d, one.Server.Name)...)
		}
	}
	for name := range wanted {
		if _, ok := found[name]; !ok && len(seen.streams) > 0 {
			found[name] = federation.BusStream{Stream: name, Missing: true}
		}
	}
	var streams []federation.BusStream
	for _, s := range found {
		s.Bucket, s.Member = bucketOf(s.Stream), memberOf(s.Stream, members)
		streams = append(streams, s)
	}
	for n, c := range consumers {
		consumers[n].Bucket, consumers[n].Member = bucketOf(c.Stream), memberOf(c.Stream, members)
	}
	slices.SortFunc(streams, func(a, b federation.BusStream) int {
		return cmp.Or(-cmp.Compare(badness(a), badness(b)), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Stream, b.Stream))
	})
	slices.SortFunc(consumers, func(a, b federation.BusConsumer) int {
		return cmp.Or(-cmp.Compare(a.Pending+a.Unacked, b.Pending+b.Unacked), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Name, b.Name))
	})
	return streams, consumers
}

// merge adds what one server says of a stream. What its leader says counts.
func merge(s federation.BusStream, d streamDetail, name string) federation.BusStream {
	leads := d.Cluster == nil || d.Cluster.Leader == name
	if s.Leader != "" && !leads {
		return s
	}
	s.Stream, s.Records, s.Bytes = d.Name, int64(d.State.Msgs), int64(d.State.Bytes)
	if !leads {
		return s
	}
	s.Leader = name
	if d.Cluster != nil {
		for _, r := range d.Cluster.Replicas {
			s.Replicas = append(s.Replicas, federation.BusReplica{Server: r.Name, Current: r.Current, Offline: r.Offline, Lag: int64(r.Lag)})
		}
		slices.SortFunc(s.Replicas, func(a, b federation.BusReplica) int { return cmp.Compare(a.Server, b.Server) })
	}
	return s
}

// consumersOf are the readers of a stream that the server leads.
func consumersOf(d streamDetail, name string) []federation.BusConsumer {
	var out []federation.BusConsumer
	for _, c := range d.Consumers {
		if c.Cluster != nil && c.Cluster.Leader != "" && c.Cluster.Leader != name {
			continue
		}
		out = append(out, federation.BusConsumer{
			Stream: d.Name, Name: c.Name, Durable: c.Config.Durable != "", Pending: int64(c.NumPending),
			Unacked: int64(c.NumAckPending), Redelivered: int64(c.NumRedelivered),
		})
	}
	return out
}

// memberOf is the member whose works a stream has; empty for other streams.
func memberOf(stream string, members map[string]string) string {
	account, ok := strings.CutPrefix(stream, subject.WorkBucket(""))
	if !ok {
		return ""
	}
	return members[account]
}

// badness orders streams: what cannot be used comes first.
func badness(s federation.BusStream) int {
	switch {
	case s.Missing:
		return 4
	case s.Leader == "":
		return 3
	case len(s.Wrong) > 0:
		return 2
	case slices.ContainsFunc(s.Replicas, func(r federation.BusReplica) bool { return r.Offline || !r.Current }):
		return 1
	}
	return 0
}
