package script

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

type members struct {
	gatewayv1.UnimplementedMembersServiceServer
	f *federation
}

func (s members) ListMembers(context.Context, *gatewayv1.ListMembersRequest) (*gatewayv1.ListMembersResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	answer := &gatewayv1.ListMembersResponse{Frozen: s.f.frozen}
	for _, name := range slices.Sorted(maps.Keys(s.f.members)) {
		answer.Items = append(answer.Items, s.f.members[name])
	}
	return answer, nil
}

func (s members) GetMember(_ context.Context, request *gatewayv1.GetMemberRequest) (*gatewayv1.GetMemberResponse, error) {
	m := s.f.members[request.GetName()]
	if m == nil {
		return nil, status.Errorf(codes.NotFound, "member %s: not found", request.GetName())
	}
	return &gatewayv1.GetMemberResponse{Member: m, Evidence: []*gatewayv1.Evidence{
		{Observer: "hub", What: "beat", Signal: "red", AgeMs: 34_000, Detail: "phi 31"},
		{Observer: "tokyo", What: "api", Signal: "red", AgeMs: 1_200, Detail: "connection refused"},
		{Observer: "tokyo", What: "ingress", Signal: "absent", AgeMs: -1},
	}}, nil
}

// UpdateMember takes "frozen" for a member that freezes automation, so that a
// script can see the note.
func (s members) UpdateMember(_ context.Context, request *gatewayv1.UpdateMemberRequest) (*gatewayv1.UpdateMemberResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	m := s.f.members[request.GetName()]
	if m == nil {
		return nil, status.Errorf(codes.NotFound, "member %s: not found", request.GetName())
	}
	switch request.GetAction() {
	case "cordon":
		m.Spec.Cordoned = true
		s.f.frozen = "2 of 3 members lost: bring one back"
	case "uncordon":
		m.Spec.Cordoned = false
	case "drain":
		m.Spec.Draining, m.Spec.Cordoned = true, true
	case "undrain":
		m.Spec.Draining = false
	case "leave":
		switch how, _, _ := strings.Cut(request.GetArgument(), " "); {
		case how == "cancel" && m.GetSpec().GetLeaving() == "":
			return nil, status.Errorf(codes.FailedPrecondition, "member %s does not leave: there is nothing to cancel", request.GetName())
		case how == "cancel":
			m.Spec.Leaving = ""
		case how != "forget":
			m.Spec.Leaving = how
		case m.GetStatus().GetWorkloads() > 0 && m.GetStatus().GetHealth() == "Healthy":
			return nil, status.Errorf(codes.FailedPrecondition, "member %s still runs %d workloads; empty it first: hansa drain %s", request.GetName(), m.GetStatus().GetWorkloads(), request.GetName())
		}
	case "rotate":
		if request.GetName() == "frankfurt" {
			return nil, status.Error(codes.FailedPrecondition, "the agent of frankfurt has not said which credentials it has: it is too old, or was not heard yet")
		}
	case "confirm":
		return nil, status.Errorf(codes.FailedPrecondition, "member %s is not quarantined: nothing to confirm", request.GetName())
	}
	return &gatewayv1.UpdateMemberResponse{Member: m}, nil
}

func (s members) CreateToken(_ context.Context, request *gatewayv1.CreateTokenRequest) (*gatewayv1.CreateTokenResponse, error) {
	if s.f.members[request.GetMember()] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "member %s exists: choose another name", request.GetMember())
	}
	return &gatewayv1.CreateTokenResponse{Token: "127.0.0.1:1#pin#id.secret", ExpiresAt: timestamppb.New(s.f.now.Add(request.GetTtl().AsDuration()))}, nil
}

func (s members) ListTokens(context.Context, *gatewayv1.ListTokensRequest) (*gatewayv1.ListTokensResponse, error) {
	return &gatewayv1.ListTokensResponse{Tokens: []*gatewayv1.Token{
		{Id: "a1", Member: "osaka", ExpiresAt: timestamppb.New(s.f.now.Add(time.Hour))},
		{Id: "b2", Member: "seoul", ExpiresAt: timestamppb.New(s.f.now), Used: true},
	}}, nil
}

func (s members) RevokeToken(_ context.Context, request *gatewayv1.RevokeTokenRequest) (*gatewayv1.RevokeTokenResponse, error) {
	if request.GetId() != "a1" {
		return nil, status.Errorf(codes.NotFound, "token %s does not exist: see \"hansa token list\"", request.GetId())
	}
	return &gatewayv1.RevokeTokenResponse{}, nil
}

type discovery struct {
	gatewayv1.UnimplementedDiscoveryServiceServer
	f *federation
}

func (s discovery) Resolve(_ context.Context, request *gatewayv1.ResolveRequest) (*gatewayv1.ResolveResponse, error) {
	if request.GetName() != "web" {
		return nil, status.Error(codes.NotFound, "no such service")
	}
	if request.GetFrom() == "atlantis" {
		return nil, status.Error(codes.InvalidArgument, `place "atlantis" is neither in the catalogue nor LATITUDE,LONGITUDE: did you mean "atlanta"?`)
	}
	answer := &gatewayv1.ResolveResponse{
		Service: "shop/web", Revision: 41, PlaceSource: "request",
		Place: &gatewayv1.Place{Region: "ap-northeast", Latitude: 34.69, Longitude: 135.5},
		Tiers: []*gatewayv1.Tier{
			s.tier("tokyo", "ap-northeast", "10.160.0.4", 9), s.tier("virginia", "us-east", "fd00::7", 162),
		},
	}
	if request.GetExplain() {
		answer.Explanation = []string{"tier 1: 9 ms by distance", "frankfurt is withdrawn: unreachable"}
	}
	return answer, nil
}

func (s discovery) tier(member, region, address string, latency float64) *gatewayv1.Tier {
	return &gatewayv1.Tier{Member: member, Region: region, LatencyMs: latency, Endpoints: []*gatewayv1.ResolvedEndpoint{{
		Address: address, Port: 8080, PortName: "http", Protocol: "TCP", Member: member, Region: region, Zone: region + "-1a",
		State: "fresh", AgeMs: 400, Weight: 100, ObservedAt: s.f.ago(time.Second),
	}}}
}

// WatchResolve answers twice, the second time without endpoints, and goes away; who
// comes again is told the next revision and then nothing more.
func (s discovery) WatchResolve(request *gatewayv1.WatchResolveRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchResolveResponse]) error {
	answer, err := s.Resolve(stream.Context(), request.GetQuery())
	if err != nil {
		return err
	}
	empty := &gatewayv1.ResolveResponse{Service: answer.GetService(), Place: answer.GetPlace(), Revision: 42}
	answers, end := []*gatewayv1.ResolveResponse{answer, empty}, status.Error(codes.Unavailable, "the gateway has lost the bus: try again")
	if s.f.watches.Add(1) > 1 {
		answer.Revision = 43
		answers, end = answers[:1], status.Error(codes.PermissionDenied, "the token may not")
	}
	for _, a := range answers {
		if err := stream.Send(&gatewayv1.WatchResolveResponse{Answer: a}); err != nil {
			return err
		}
	}
	return end
}

func (s discovery) ListServices(context.Context, *gatewayv1.ListServicesRequest) (*gatewayv1.ListServicesResponse, error) {
	return &gatewayv1.ListServicesResponse{Items: []*gatewayv1.Service{{
		ApiVersion: apiVersion, Kind: "Service", Metadata: &gatewayv1.Metadata{Name: "web", Namespace: "shop"},
		Status: &gatewayv1.ServiceStatus{
			Type: "ClusterSetIP", Ports: []*gatewayv1.ServicePort{{Name: "http", Protocol: "TCP", Port: 80}},
			Members: []*gatewayv1.ServiceMember{
				{Member: "frankfurt", Endpoints: 2, Ready: 2, State: "expired", Withdrawn: true},
				{Member: "tokyo", Endpoints: 3, Ready: 3, State: "live"},
			},
			Conflicts: []string{"port http differs in virginia"},
		},
	}}}, nil
}

type events struct {
	gatewayv1.UnimplementedEventsServiceServer
	f *federation
}

func (s events) ListEvents(_ context.Context, request *gatewayv1.ListEventsRequest) (*gatewayv1.ListEventsResponse, error) {
	answer := &gatewayv1.ListEventsResponse{}
	for _, e := range []*gatewayv1.Event{
		{At: s.f.ago(3 * time.Hour), Type: "Apply", About: "workload/shop/web", Who: "admin", Text: "3 objects from configs/samples/shop"},
		{At: s.f.ago(5 * time.Minute), Type: "Health", About: "member/frankfurt", Who: "hub", Text: "suspect → unreachable: probe refused"},
		{At: s.f.ago(4 * time.Minute), Type: "Assignment", About: "workload/shop/web", Who: "hub", Text: "epoch 2: tokyo 3, virginia 2"},
	} {
		if about := request.GetAbout(); about == "" || about == e.GetAbout() {
			answer.Items = append(answer.Items, e)
		}
	}
	if limit := int(request.GetLimit()); limit > 0 && len(answer.GetItems()) > limit {
		answer.Items = answer.GetItems()[len(answer.GetItems())-limit:]
	}
	return answer, nil
}

// GetStatus tells of a hub that is silent once automation is frozen, of a full disk
// while virginia is drained, and of a gateway that is behind while tokyo is.
func (s events) GetStatus(context.Context, *gatewayv1.GetStatusRequest) (*gatewayv1.GetStatusResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	answer := &gatewayv1.GetStatusResponse{
		Version: "v1.2.3", HubAgeMs: 120, HubTerm: 3, BusConnected: true, Revision: 41, Synced: true,
		Members: 3, MembersHealthy: 2, Workloads: 2, WorkloadsReady: 1, Frozen: s.f.frozen,
	}
	if s.f.members["virginia"].GetSpec().GetDraining() {
		answer.Full = "the bus has 9 MiB left: make room on /data"
	}
	if strings.HasPrefix(s.f.frozen, "2 of 3") {
		answer.HubAgeMs = 12_000
	}
	if s.f.members["tokyo"].GetSpec().GetDraining() {
		answer.Behind = []*gatewayv1.BucketLag{{Bucket: "exports", Records: 12, ForMs: 3100}, {Bucket: "events", Records: 1, ForMs: 200}}
	}
	return answer, nil
}
