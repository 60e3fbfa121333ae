package grpcserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// ListMembers lists the members with health, capacity and age of the last beat.
func (s *Server) ListMembers(_ context.Context, _ *gatewayv1.ListMembersRequest) (*gatewayv1.ListMembersResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListMembersResponse{Frozen: table.Frozen}
	for _, name := range slices.Sorted(maps.Keys(table.Members)) {
		if table.Members[name].Spec.Name != "" {
			out.Items = append(out.Items, toMember(table, name, time.Now()))
		}
	}
	return out, nil
}

// GetMember returns one member; the evidence is asked of the hub.
func (s *Server) GetMember(ctx context.Context, r *gatewayv1.GetMemberRequest) (*gatewayv1.GetMemberResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	if table.Members[r.GetName()].Spec.Name == "" {
		return nil, messaging.Errorf(messaging.NotFound, "member %q does not exist: see \"hansa get members\"", r.GetName())
	}
	out := &gatewayv1.GetMemberResponse{Member: toMember(table, r.GetName(), time.Now())}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubDescribe), federationv1.EncodeDescribeRequest(r.GetName()))
	if err != nil {
		return nil, err
	}
	evidence, err := federationv1.DecodeEvidence(b)
	if err != nil {
		return nil, err
	}
	for _, e := range evidence {
		out.Evidence = append(out.Evidence, &gatewayv1.Evidence{
			Observer: e.Observer, What: e.What, Signal: e.Signal.String(), AgeMs: toAge(e.Age), Detail: e.Detail,
		})
	}
	return out, nil
}

func toMember(table *route.Table, name string, now time.Time) *gatewayv1.Member {
	m := table.Members[name]
	health := m.Health()
	late := table.Behind(now, subject.Members, subject.Health, subject.Facts) > route.StaleAfter
	return &gatewayv1.Member{
		ApiVersion: apiVersion, Kind: "Member",
		Metadata: &gatewayv1.Metadata{
			Name: name, Labels: m.Spec.Labels, CreationTimestamp: toTime(m.Spec.JoinedAt),
			ResourceVersion: strconv.FormatUint(uint64(m.Revision), 10),
		},
		Spec: &gatewayv1.MemberSpec{
			Place: toPlace(m.Spec.Place), Cordoned: m.Spec.Cordoned, Draining: m.Spec.Draining, Taints: toTaints(m.Spec.Taints),
			Leaving: string(m.Spec.Leaving.Remains),
		},
		Status: &gatewayv1.MemberStatus{
			Health: health.String(), Verdict: m.Record.Verdict, Reason: m.Record.Reason, Since: toTime(m.Record.Since),
			LastBeatAgeMs: toAge(table.HeardAge(name, now)),
			Nodes:         int32(m.Facts.Nodes), NodesReady: int32(m.Facts.NodesReady), NodeKind: m.Facts.NodeKind,
			NodeKinds:         counts(m.Facts.NodeKinds),
			KubernetesVersion: m.Facts.KubernetesVersion, Capacity: quantities(m.Facts.Allocatable), Free: quantities(m.Facts.Free),
			Incarnation: uint32(m.Beat.Incarnation), Stale: late || !health.Known(), ObservedAt: toTime(m.Facts.ObservedAt),
			Workloads: int32(table.On(name)), Masked: m.Record.Masked, CredentialsExpireAt: toTime(m.Spec.User.ExpiresAt),
		},
	}
}

func counts(m map[string]int64) map[string]int32 {
	out := make(map[string]int32, len(m))
	for name, n := range m {
		out[name] = int32(n)
	}
	return out
}

func toTaints(taints []federation.Taint) []*gatewayv1.Taint {
	var out []*gatewayv1.Taint
	for _, t := range taints {
		out = append(out, &gatewayv1.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// UpdateMember asks the hub to change a member.
func (s *Server) UpdateMember(ctx context.Context, r *gatewayv1.UpdateMemberRequest) (*gatewayv1.UpdateMemberResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	change := federation.MemberChange{Member: r.GetName(), Action: r.GetAction(), Argument: r.GetArgument(), Who: who(ctx)}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubMember), federationv1.EncodeMemberChange(change))
	if err != nil {
		return nil, err
	}
	spec, err := federationv1.DecodeMemberSpec(b)
	if err != nil {
		return nil, err
	}
	member := toMember(table, r.GetName(), time.Now())
	member.Spec.Cordoned, member.Spec.Draining, member.Spec.Taints = spec.Cordoned, spec.Draining, toTaints(spec.Taints)
	member.Spec.Leaving, member.Metadata.Labels = string(spec.Leaving.Remains), spec.Labels
	return &gatewayv1.UpdateMemberResponse{Member: member}, nil
}

// defaultTTL is how long a join token lives when its request does not say.
const defaultTTL = time.Hour

// CreateToken asks the hub for a token and adds where to join: this gateway's
// address as the caller knows it, and the hash of this gateway's key, so that the
// agent needs no CA to know whom it talks to.
func (s *Server) CreateToken(ctx context.Context, r *gatewayv1.CreateTokenRequest) (*gatewayv1.CreateTokenResponse, error) {
	ttl := r.GetTtl().AsDuration()
	if ttl == 0 {
		ttl = defaultTTL
	}
	request := federation.TokenRequest{Member: r.GetMember(), TTL: ttl}
	if request.Member == "" {
		return nil, messaging.Errorf(messaging.Invalid, "a join token is bound to a member's name: name the member")
	}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubToken), federationv1.EncodeTokenRequest(request))
	if err != nil {
		return nil, err
	}
	token, err := federationv1.DecodeTokenReply(b)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.CreateTokenResponse{
		Token: fmt.Sprintf("%s#%s#%s.%s", authority(ctx), s.pin(), token.ID, token.Secret), ExpiresAt: timestamppb.New(token.ExpiresAt),
	}, nil
}

// ListTokens lists the join tokens.
func (s *Server) ListTokens(ctx context.Context, _ *gatewayv1.ListTokensRequest) (*gatewayv1.ListTokensResponse, error) {
	tokens, err := s.tokens(ctx, federation.TokensRequest{})
	return &gatewayv1.ListTokensResponse{Tokens: tokens}, err
}

// RevokeToken removes a join token.
func (s *Server) RevokeToken(ctx context.Context, r *gatewayv1.RevokeTokenRequest) (*gatewayv1.RevokeTokenResponse, error) {
	if r.GetId() == "" {
		return nil, messaging.Errorf(messaging.Invalid, "name the token to revoke by its id")
	}
	tokens, err := s.tokens(ctx, federation.TokensRequest{Revoke: r.GetId()})
	return &gatewayv1.RevokeTokenResponse{Tokens: tokens}, err
}

func (s *Server) tokens(ctx context.Context, r federation.TokensRequest) ([]*gatewayv1.Token, error) {
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubTokens), federationv1.EncodeTokensRequest(r))
	if err != nil {
		return nil, err
	}
	reply, err := federationv1.DecodeTokensReply(b)
	var out []*gatewayv1.Token
	for _, t := range reply.Tokens {
		out = append(out, &gatewayv1.Token{
			Id: t.ID, Member: t.Member, ExpiresAt: timestamppb.New(t.ExpiresAt), Used: t.Used, Expired: time.Now().After(t.ExpiresAt),
		})
	}
	return out, err
}

// authority is the host:port that the caller dialled.
func authority(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if a := md.Get(":authority"); len(a) > 0 {
		return a[0]
	}
	return ""
}

// pin is the SHA-256 of the certificate's public key, base64url.
func (s *Server) pin() string {
	hash := sha256.Sum256(s.opts.Certificate.Present().Leaf.RawSubjectPublicKeyInfo)
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// Join passes the request on to the hub, which alone checks the token.
func (s *Server) Join(ctx context.Context, r *gatewayv1.JoinRequest) (*gatewayv1.JoinResponse, error) {
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubJoin), federationv1.EncodeJoinRequest(federation.JoinRequest{
		TokenID: r.GetTokenId(), TokenSecret: r.GetTokenSecret(), Member: r.GetMember(), Place: fromPlace(r.GetPlace()),
		Labels: r.GetLabels(), ClusterID: r.GetClusterId(), ProbeURL: r.GetProbeUrl(), ProbeCA: r.GetProbeCa(),
		UserKey: r.GetUserKey(), SealKey: r.GetSealKey(), Version: r.GetVersion(), Federation: r.GetFederation(),
	}))
	if err != nil {
		return nil, err
	}
	reply, err := federationv1.DecodeJoinReply(b)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.JoinResponse{
		UserJwt: reply.UserJWT, BusUrls: reply.BusURLs, BusCa: reply.BusCA, Account: reply.Account, ExpiresAt: toTime(reply.ExpiresAt),
		Federation: reply.Federation,
	}, nil
}

// Renew passes the request on to the hub, which alone checks it.
func (s *Server) Renew(ctx context.Context, r *gatewayv1.RenewRequest) (*gatewayv1.RenewResponse, error) {
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubRotate), federationv1.EncodeRotation(federation.Rotation{
		Member: r.GetMember(), ClusterID: r.GetClusterId(), Key: r.GetUserKey(), NewKey: r.GetNewUserKey(), At: r.GetAt().AsTime(), Signature: r.GetSignature(),
	}))
	if err != nil {
		return nil, err
	}
	reply, err := federationv1.DecodeRotationReply(b)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.RenewResponse{UserJwt: reply.UserJWT}, nil
}
