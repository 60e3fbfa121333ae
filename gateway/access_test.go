package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestRoles: each method needs its role, and each role may what those before it
// may. What the gateway refuses never reaches the hub.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	const nobody, viewers, operators, admins = 0, 1, 2, 3
	workloads, recovery := gatewayv1.NewWorkloadsServiceClient(w.conn), gatewayv1.NewRecoveryServiceClient(w.conn)
	members, discovery := gatewayv1.NewMembersServiceClient(w.conn), gatewayv1.NewDiscoveryServiceClient(w.conn)
	for _, c := range []struct {
		name string
		need int
		call func(context.Context) error
	}{
		{"Resolve", viewers, func(ctx context.Context) error {
			_, err := discovery.Resolve(ctx, &gatewayv1.ResolveRequest{})
			return err
		}},
		{"WatchWorkloads", viewers, func(ctx context.Context) error {
			stream, err := workloads.WatchWorkloads(ctx, &gatewayv1.WatchWorkloadsRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		}},
		{"ListMembers", viewers, func(ctx context.Context) error {
			_, err := members.ListMembers(ctx, &gatewayv1.ListMembersRequest{})
			return err
		}},
		{"Apply", operators, func(ctx context.Context) error {
			_, err := workloads.Apply(ctx, &gatewayv1.ApplyRequest{})
			return err
		}},
		{"Delete", operators, func(ctx context.Context) error {
			_, err := workloads.Delete(ctx, &gatewayv1.DeleteRequest{})
			return err
		}},
		{"StartOperation", operators, func(ctx context.Context) error {
			_, err := recovery.StartOperation(ctx, &gatewayv1.StartOperationRequest{})
			return err
		}},
		{"AbortOperation", operators, func(ctx context.Context) error {
			_, err := recovery.AbortOperation(ctx, &gatewayv1.AbortOperationRequest{})
			return err
		}},
		{"ApproveOperation", operators, func(ctx context.Context) error {
			_, err := recovery.ApproveOperation(ctx, &gatewayv1.ApproveOperationRequest{})
			return err
		}},
		{"Freeze", operators, func(ctx context.Context) error {
			_, err := recovery.Freeze(ctx, &gatewayv1.FreezeRequest{})
			return err
		}},
		{"CreateToken", admins, func(ctx context.Context) error {
			_, err := members.CreateToken(ctx, &gatewayv1.CreateTokenRequest{})
			return err
		}},
		{"ListTokens", admins, func(ctx context.Context) error {
			_, err := members.ListTokens(ctx, &gatewayv1.ListTokensRequest{})
			return err
		}},
		{"RevokeToken", admins, func(ctx context.Context) error {
			_, err := members.RevokeToken(ctx, &gatewayv1.RevokeTokenRequest{})
			return err
		}},
		{"UpdateMember", admins, func(ctx context.Context) error {
			_, err := members.UpdateMember(ctx, &gatewayv1.UpdateMemberRequest{})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for role, token := range []string{"wrong-token-0123456789", viewer, operator, admin} {
				code := status.Code(c.call(w.as(token)))
				switch {
				case role == nobody && code != codes.Unauthenticated:
					t.Errorf("an unknown token: %s", code)
				case role != nobody && role < c.need && code != codes.PermissionDenied:
					t.Errorf("role %d: %s", role, code)
				case role >= c.need && (code == codes.PermissionDenied || code == codes.Unauthenticated):
					t.Errorf("role %d: %s", role, code)
				}
			}
		})
	}
	_, err := members.UpdateMember(w.as(operator), &gatewayv1.UpdateMemberRequest{Name: "tokyo", Action: "leave"})
	refused(t, err, codes.PermissionDenied, "olga may not do this: it needs the role admin")
	_, err = workloads.Apply(w.as(viewer), &gatewayv1.ApplyRequest{Files: files(good)})
	refused(t, err, codes.PermissionDenied, "eve may not do this: it needs the role operator")
	if n := len(w.stored(subject.Workloads)); n != 0 {
		t.Errorf("a viewer wrote %d records", n)
	}
	_, err = workloads.ListWorkloads(t.Context(), &gatewayv1.ListWorkloadsRequest{})
	refused(t, err, codes.Unauthenticated, `no token: send "authorization: Bearer TOKEN"`)
	_, err = workloads.ListWorkloads(w.as("wrong-token-0123456789"), &gatewayv1.ListWorkloadsRequest{})
	refused(t, err, codes.Unauthenticated, "the token is not known to this gateway")
}

// TestTokenAndJoin: a token has where to join; joining needs no other identity.
func TestTokenAndJoin(t *testing.T) {
	w := newWorld(t)
	w.hub(subject.HubToken, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeTokenRequest(b)
		if err != nil || r.TTL != time.Hour {
			return nil, messaging.Errorf(messaging.Invalid, "TTL %v", r.TTL)
		}
		return federationv1.EncodeTokenReply(federation.TokenReply{ID: "id", Secret: "secret", ExpiresAt: began}), nil
	})
	w.hub(subject.HubJoin, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeJoinRequest(b)
		if err != nil || r.TokenSecret != "secret" {
			return nil, messaging.Errorf(messaging.Denied, "join of %s: the token is not known", r.Member)
		}
		return federationv1.EncodeJoinReply(federation.JoinReply{UserJWT: "jwt " + r.Place.Region, Account: "A1", BusURLs: []string{"tls://b"}}), nil
	})
	members := gatewayv1.NewMembersServiceClient(w.conn)
	token, err := members.CreateToken(w.as(admin), &gatewayv1.CreateTokenRequest{Member: "osaka"})
	must(t, err)
	parts := strings.Split(token.GetToken(), "#")
	if len(parts) != 3 || parts[0] != w.gateway.Addr() || len(parts[1]) != 43 || parts[2] != "id.secret" || !token.GetExpiresAt().AsTime().Equal(began) {
		t.Errorf("got %v", token)
	}
	_, err = members.CreateToken(w.as(admin), &gatewayv1.CreateTokenRequest{Ttl: durationpb.New(time.Hour)})
	refused(t, err, codes.InvalidArgument, "a join token is bound to a member's name: name the member")

	join := gatewayv1.NewJoinServiceClient(w.conn)
	joined, err := join.Join(t.Context(), &gatewayv1.JoinRequest{TokenSecret: "secret", Member: "osaka", Place: &gatewayv1.Place{Region: "ap-northeast"}})
	must(t, err)
	if joined.GetUserJwt() != "jwt ap-northeast" || joined.GetAccount() != "A1" {
		t.Errorf("got %v", joined)
	}
	_, err = join.Join(t.Context(), &gatewayv1.JoinRequest{TokenSecret: "guess", Member: "osaka"})
	refused(t, err, codes.PermissionDenied, "join of osaka: the token is not known")
}

// TestReflectionAndHealth: what grpcurl and load balancers use, without a token.
func TestReflectionAndHealth(t *testing.T) {
	w := newWorld(t)
	stream, err := reflectpb.NewServerReflectionClient(w.conn).ServerReflectionInfo(t.Context())
	must(t, err)
	must(t, stream.Send(&reflectpb.ServerReflectionRequest{MessageRequest: &reflectpb.ServerReflectionRequest_ListServices{}}))
	got, err := stream.Recv()
	must(t, err)
	var names []string
	for _, s := range got.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"Discovery", "Workloads", "Members", "Join", "Recovery", "Events"} {
		if !slices.Contains(names, "hansa.gateway.v1."+want+"Service") {
			t.Errorf("%sService is not listed: %v", want, names)
		}
	}
	checked, err := healthpb.NewHealthClient(w.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	must(t, err)
	for {
		now, err := checked.Recv()
		must(t, err)
		if now.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return
		}
	}
}

// TestBeforeSync: a gateway that has not read everything says so everywhere, and
// answers nothing from half a picture.
func TestBeforeSync(t *testing.T) {
	w := newBus(t) // without buckets there is nothing to read
	w.start()
	const early = "the gateway has not read all records yet: try again in a moment"
	_, err := gatewayv1.NewDiscoveryServiceClient(w.conn).Resolve(w.as(viewer), &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"})
	refused(t, err, codes.Unavailable, early)
	_, err = gatewayv1.NewWorkloadsServiceClient(w.conn).Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(good)})
	refused(t, err, codes.Unavailable, early)
	got, err := gatewayv1.NewEventsServiceClient(w.conn).GetStatus(w.as(viewer), &gatewayv1.GetStatusRequest{})
	must(t, err)
	if got.GetSynced() || got.GetHubAgeMs() != -1 {
		t.Errorf("got %v", got)
	}
	if code, body := w.call("", http.MethodGet, "/readyz", nil); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "not every record") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := w.call("", http.MethodGet, "/healthz", nil); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	if code, body := w.call(viewer, http.MethodGet, "/v1/members", nil); code != http.StatusServiceUnavailable || !strings.Contains(string(body), early) {
		t.Errorf("/v1/members: %d %s", code, body)
	}

	must(t, w.records.EnsureBuckets(t.Context()))
	w.until("synced", func() bool { return w.gateway.Table().Synced })
	if code, _ := w.call("", http.MethodGet, "/readyz", nil); code != http.StatusOK {
		t.Errorf("/readyz after sync: %d", code)
	}
}

// TestJSON: the JSON side gives the same answers and refusals as gRPC.
func TestJSON(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 2)
	for _, c := range []struct {
		name, token, method, path string
		body                      any
		code                      int
		want                      string // in the body
	}{
		{"resolve", viewer, "GET", "/v1/services/shop/web/endpoints?from=paris", nil, 200, `"address":"10.2.0.1"`},
		{"services", viewer, "GET", "/v1/services", nil, 200, `"name":"web"`},
		{"workloads", viewer, "GET", "/v1/workloads?namespace=shop", nil, 200, `"state":"Ready"`},
		{"workload", viewer, "GET", "/v1/workloads/shop/web", nil, 200, `"v1/ConfigMap shop/web"`},
		{"explain", viewer, "GET", "/v1/workloads/shop/web/explain", nil, 200, `"summary":"1 member"`},
		{"members", viewer, "GET", "/v1/members", nil, 200, `"name":"tokyo"`},
		{"operations", viewer, "GET", "/v1/operations", nil, 200, `{}`},
		{"events", viewer, "GET", "/v1/events", nil, 200, `{}`},
		{"status", viewer, "GET", "/v1/status", nil, 200, `"version":"v1.2.3"`},
		{"dry run", operator, "POST", "/v1/workloads:apply", map[string]any{"files": []any{map[string]any{"name": "a", "content": []byte(good)}}, "dryRun": true}, 200, `"action":"configured"`},
		{"malformed document", operator, "POST", "/v1/workloads:apply", map[string]any{"files": []any{map[string]any{"name": "a", "content": []byte("a: [")}}}, 400, "a: line 1: did not find expected node content"},
		{"unknown field", operator, "POST", "/v1/workloads:apply", map[string]any{"fils": 1}, 400, "unknown field"},
		{"unknown place", viewer, "GET", "/v1/services/shop/web/endpoints?from=osakka", nil, 400, "is not in the catalogue: did you mean osaka?"},
		{"unknown member", viewer, "GET", "/v1/members/tokio", nil, 404, "does not exist"},
		{"unknown workload", viewer, "GET", "/v1/workloads/shop/wob", nil, 404, "does not exist"},
		{"unknown path", viewer, "GET", "/v1/nonsense", nil, 404, "Not Found"},
		{"no hub", admin, "POST", "/v1/members/tokyo/cordon", nil, 503, "no hub answers"},
		{"no token", "", "GET", "/v1/members", nil, 401, "no token"},
		{"viewer applies", viewer, "POST", "/v1/workloads:apply", map[string]any{}, 403, "needs the role operator"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := w.call(c.token, c.method, c.path, c.body)
			var compact strings.Builder
			for _, field := range strings.Split(string(body), `": `) { // the encoder puts blanks where it likes
				compact.WriteString(field + `":`)
			}
			if text := strings.TrimSuffix(compact.String(), `":`); code != c.code || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s", code, body)
			}
			if !json.Valid(body) {
				t.Errorf("not JSON: %s", body)
			}
		})
	}
	if n := len(w.stored(subject.Workloads)); n != 1 {
		t.Errorf("%d workloads are stored", n)
	}
}

// TestJSONWatch: a watch over HTTP sends one JSON line for each message.
func TestJSONWatch(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.gateway.Addr()+"/v1/workloads:watch", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+viewer)
	resp, err := w.web.Do(r)
	must(t, err)
	defer resp.Body.Close()
	decoder := json.NewDecoder(resp.Body)
	for i := range 2 {
		var line struct {
			Result struct {
				Workload *struct{ Metadata struct{ Name string } }
				Synced   bool
			}
		}
		must(t, decoder.Decode(&line))
		if first := i == 0; first != (line.Result.Workload != nil) || first == line.Result.Synced {
			t.Errorf("line %d: %+v", i, line)
		}
	}
}

// TestEveryPathIsServed: what OpenAPI lists is there, and asks for a token.
func TestEveryPathIsServed(t *testing.T) {
	w := newWorld(t)
	code, body := w.call("", http.MethodGet, "/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]any
	}
	if code != http.StatusOK || json.Unmarshal(body, &doc) != nil || len(doc.Paths) < 15 {
		t.Fatalf("/openapi.json: %d, %d paths", code, len(doc.Paths))
	}
	fill := strings.NewReplacer("{", "", "}", "")
	for path, methods := range doc.Paths {
		for method := range methods {
			var in any
			if method == "post" {
				in = map[string]any{}
			}
			if code, body := w.call("", strings.ToUpper(method), fill.Replace(path), in); code != http.StatusUnauthorized {
				t.Errorf("%s %s: %d %s", method, path, code, body)
			}
		}
	}
}
