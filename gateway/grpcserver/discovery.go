package grpcserver

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// answerKey identifies an answer that may be given again. Ages go into it in
// steps, so a cached age is at most ageStep old.
type answerKey struct {
	namespace, name, port, from string
	explain                     bool
	table                       uint64
	step                        int64
}

const ageStep = 100 * time.Millisecond

// Resolve answers from the cache, or ranks.
func (s *Server) Resolve(_ context.Context, r *gatewayv1.ResolveRequest) (*gatewayv1.ResolveResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	answer, err := s.resolve(table, r, time.Now())
	if err == nil {
		s.opts.Measure.Asked(serviceOf(r), r.GetFrom())
	}
	return answer, err
}

func serviceOf(r *gatewayv1.ResolveRequest) federation.Key {
	return federation.Key{Namespace: r.GetNamespace(), Name: r.GetName()}
}

func (s *Server) resolve(table *route.Table, r *gatewayv1.ResolveRequest, now time.Time) (*gatewayv1.ResolveResponse, error) {
	key := answerKey{
		namespace: r.GetNamespace(), name: r.GetName(), port: r.GetPort(), from: r.GetFrom(), explain: r.GetExplain(),
		table: table.Revision, step: now.UnixNano() / int64(ageStep),
	}
	answer, cached := s.answers.Get(key)
	s.opts.Measure.Answer(cached)
	if cached {
		return answer, nil
	}
	answer, err := s.rank(table, r, now)
	if err != nil {
		return nil, err
	}
	s.answers.Add(key, answer)
	return answer, nil
}

// rank makes an answer; it is shared between callers and never changed.
func (s *Server) rank(table *route.Table, r *gatewayv1.ResolveRequest, now time.Time) (*gatewayv1.ResolveResponse, error) {
	service := serviceOf(r)
	place, source, err := s.placeOf(r.GetFrom())
	if err != nil {
		return nil, err
	}
	if len(table.Exports(service)) == 0 {
		return nil, messaging.Errorf(messaging.NotFound, "no member exports service %s: see \"hansa get services\"", service)
	}
	ranked := table.Rank(route.Query{Service: service, Port: r.GetPort(), From: place, Now: now})
	if ports, _ := table.Ports(service); r.GetPort() != "" && len(ranked.Tiers) == 0 && !hasPort(ports, r.GetPort()) {
		return nil, messaging.Errorf(messaging.NotFound, "service %s has no port %q: it has %s", service, r.GetPort(), portList(ports))
	}
	answer := &gatewayv1.ResolveResponse{
		Service: service.String(), Place: toPlace(place), PlaceSource: source, Revision: table.Revision,
	}
	for _, t := range ranked.Tiers {
		answer.Tiers = append(answer.Tiers, toTier(t))
	}
	if r.GetExplain() {
		answer.Explanation = append(ranked.Explanation, ranked.Conflicts...)
	}
	return answer, nil
}

// placeOf reads where the caller is.
func (s *Server) placeOf(from string) (federation.Place, string, error) {
	if from == "" {
		return s.opts.Place, "default", nil
	}
	place, err := catalogue.Parse(from)
	if err != nil {
		return federation.Place{}, "", messaging.Errorf(messaging.Invalid, "%v", err)
	}
	return place, "request", nil
}

// watchAge is how often a watched answer is sent when only its ages change.
const watchAge = 5 * time.Second

// WatchResolve sends the answer, again when its endpoints change, and every 5 s
// with new ages.
func (s *Server) WatchResolve(r *gatewayv1.WatchResolveRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchResolveResponse]) error {
	var last *gatewayv1.ResolveResponse
	var sent time.Time
	ticker := time.NewTicker(watchAge)
	defer ticker.Stop()
	for {
		changed := s.opts.Tables.Changed()
		table, err := s.table()
		if err != nil {
			return err
		}
		answer, err := s.resolve(table, r.GetQuery(), time.Now())
		if err != nil {
			return err
		}
		if last == nil || !sameEndpoints(last, answer) || time.Since(sent) >= watchAge {
			if err := stream.Send(&gatewayv1.WatchResolveResponse{Answer: answer}); err != nil {
				return err
			}
			if last == nil {
				s.opts.Measure.Asked(serviceOf(r.GetQuery()), r.GetQuery().GetFrom())
			}
			last, sent = answer, time.Now()
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-changed:
		case <-ticker.C:
		}
	}
}

// sameEndpoints compares two answers without revision and ages.
func sameEndpoints(a, b *gatewayv1.ResolveResponse) bool {
	return proto.Equal(timeless(a), timeless(b))
}

func timeless(r *gatewayv1.ResolveResponse) *gatewayv1.ResolveResponse {
	c := proto.Clone(r).(*gatewayv1.ResolveResponse)
	c.Revision, c.Explanation = 0, nil
	for _, t := range c.GetTiers() {
		for _, e := range t.GetEndpoints() {
			e.AgeMs, e.ObservedAt = 0, nil
		}
	}
	return c
}

// ListServices lists what the members export.
func (s *Server) ListServices(_ context.Context, r *gatewayv1.ListServicesRequest) (*gatewayv1.ListServicesResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListServicesResponse{}
	for _, key := range table.Services() {
		if r.GetNamespace() == "" || r.GetNamespace() == key.Namespace {
			out.Items = append(out.Items, toService(table, key))
		}
	}
	return out, nil
}

func toService(table *route.Table, key federation.Key) *gatewayv1.Service {
	ports, conflicts := table.Ports(key)
	out := &gatewayv1.Service{
		ApiVersion: apiVersion, Kind: "Service",
		Metadata: &gatewayv1.Metadata{Namespace: key.Namespace, Name: key.Name},
		Status:   &gatewayv1.ServiceStatus{Conflicts: conflicts},
	}
	for _, p := range ports {
		out.Status.Ports = append(out.Status.Ports, &gatewayv1.ServicePort{Name: p.Name, Protocol: p.Protocol, Port: p.Port})
	}
	for _, e := range table.Exports(key) {
		member := table.Members[e.Member]
		line := &gatewayv1.ServiceMember{
			Member: e.Member, Endpoints: int32(len(e.Endpoints)), State: member.Health().String(),
			ObservedAt: timestamppb.New(e.ObservedAt), Withdrawn: member.Withdrawn(),
		}
		for _, ep := range e.Endpoints {
			if ep.Ready && !member.Withdrawn() {
				line.Ready++
			}
		}
		out.Status.Type = e.Type
		out.Status.Members = append(out.Status.Members, line)
	}
	return out
}
