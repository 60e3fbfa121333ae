package grpcserver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/document"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Explain returns the explanation that was stored with the decision.
func (s *Server) Explain(_ context.Context, r *gatewayv1.ExplainRequest) (*gatewayv1.ExplainResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	key, err := known(table, r.GetNamespace(), r.GetName())
	if err != nil {
		return nil, err
	}
	from := table.Decided(key)
	if from == nil {
		return nil, messaging.Errorf(messaging.Unavailable, "workload %s is not decided yet: try again in a moment", key)
	}
	a, err := federationv1.DecodeAssignment(from)
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ExplainResponse{
		Workload: key.String(), Epoch: uint32(a.Epoch), Summary: a.Explanation.Summary, Rules: a.Explanation.Rules,
		Relaxation: a.Explanation.Relaxation, InputsHash: a.InputsHash, Reason: a.Reason, DecidedAt: toTime(a.DecidedAt),
	}
	for _, m := range a.Explanation.Members {
		line := &gatewayv1.MemberExplanation{
			Member: m.Member, Chosen: m.Chosen, Filter: m.Filter, Reason: m.Reason, Remedy: m.Remedy, Total: m.Total,
			Replicas: int32(m.Replicas), Fits: int32(m.Fits),
		}
		for _, score := range m.Scores {
			line.Scores = append(line.Scores, &gatewayv1.Score{Name: score.Name, Value: score.Value, Weight: score.Weight, Detail: score.Detail})
		}
		out.Members = append(out.Members, line)
	}
	for _, d := range a.Explanation.Changes {
		out.Changes = append(out.Changes, &gatewayv1.Difference{
			Member: d.Member, From: int32(d.From), To: int32(d.To), Before: d.Before, After: d.After,
		})
	}
	return out, nil
}

// Simulate asks the hub, which answers with the engine and the snapshot it
// decides with.
func (s *Server) Simulate(ctx context.Context, r *gatewayv1.SimulateRequest) (*gatewayv1.SimulateResponse, error) {
	request, err := fromSimulateRequest(r)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "%v", err)
	}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubSimulate), federationv1.EncodeSimulationRequest(request))
	if err != nil {
		return nil, err
	}
	result, err := federationv1.DecodeSimulation(b)
	if err != nil {
		return nil, err
	}
	out := toSimulation(result)
	if table, err := s.table(); err == nil {
		var unlisted int
		out.Overrides, unlisted = simulated(table, request, result)
		out.OverridesUnlisted = int32(unlisted)
	}
	return out, nil
}

func fromSimulateRequest(r *gatewayv1.SimulateRequest) (federation.SimulationRequest, error) {
	out := federation.SimulationRequest{Scale: map[federation.Key]int64{}}
	for _, text := range r.GetLose() {
		scope, err := federation.ParseScope(text)
		if err != nil {
			return out, err
		}
		out.Lose = append(out.Lose, scope)
	}
	for text, n := range r.GetScale() {
		key, err := federation.ParseKey(text)
		if err != nil {
			return out, fmt.Errorf("scale: %w", err)
		}
		out.Scale[key] = int64(n)
	}
	var err error
	if out.Policies, err = document.ReadPlacements(fromFiles(r.GetPolicies())); err != nil {
		return out, err
	}
	out.Add, out.AddFacts, err = document.ReadMembers(fromFiles(r.GetAdd()))
	return out, err
}

func toSimulation(r federation.Simulation) *gatewayv1.SimulateResponse {
	out := &gatewayv1.SimulateResponse{Fits: r.Fits, Headroom: r.Headroom, Lost: r.Lost, Rules: r.Rules, SnapshotHash: r.SnapshotHash}
	out.Moves, out.Unmet = toMoves(r.Moves), toUnmet(r.Unmet)
	return out
}

func toMoves(moves []federation.Move) []*gatewayv1.Move {
	var out []*gatewayv1.Move
	for _, m := range moves {
		out = append(out, &gatewayv1.Move{Workload: m.Workload.String(), Member: m.Member, From: int32(m.From), To: int32(m.To)})
	}
	return out
}

func toUnmet(unmet []federation.Unmet) []*gatewayv1.Unmet {
	var out []*gatewayv1.Unmet
	for _, u := range unmet {
		out = append(out, &gatewayv1.Unmet{Workload: u.Workload.String(), Replicas: int32(u.Replicas), Tier: int32(u.Tier), Reason: u.Reason})
	}
	return out
}

// GetReadiness asks the hub for an audit of the present state.
func (s *Server) GetReadiness(ctx context.Context, _ *gatewayv1.GetReadinessRequest) (*gatewayv1.GetReadinessResponse, error) {
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubReadiness), federationv1.EncodeReadinessRequest(struct{}{}))
	if err != nil {
		return nil, err
	}
	r, err := federationv1.DecodeReadiness(b)
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.GetReadinessResponse{Score: r.Score, SnapshotHash: r.SnapshotHash, CheckedAt: toTime(r.CheckedAt)}
	for _, c := range r.Scenarios {
		out.Scenarios = append(out.Scenarios, &gatewayv1.Scenario{
			Lost: c.Lost.String(), Score: c.Score, Displaced: c.Displaced, Unmet: toUnmet(c.Unmet), Short: c.Short, Fix: c.Fix,
		})
	}
	return out, nil
}

// Rebalance asks the hub to place workloads anew.
func (s *Server) Rebalance(ctx context.Context, r *gatewayv1.RebalanceRequest) (*gatewayv1.RebalanceResponse, error) {
	request := federation.RebalanceRequest{
		Workload: federation.Key{Namespace: r.GetNamespace(), Name: r.GetName()}, DryRun: r.GetDryRun(), Budget: r.GetBudget(), Who: who(ctx),
	}
	if request.Budget < 0 {
		return nil, messaging.Errorf(messaging.Invalid, "budget %d: want 0 (no bound) or more", request.Budget)
	}
	if (request.Workload.Namespace == "") != (request.Workload.Name == "") {
		return nil, messaging.Errorf(messaging.Invalid, "workload %s: want namespace and name, or neither for all workloads", request.Workload)
	}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubRebalance), federationv1.EncodeRebalanceRequest(request))
	if err != nil {
		return nil, err
	}
	result, err := federationv1.DecodeSimulation(b)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.RebalanceResponse{Moves: toMoves(result.Moves), Unmet: toUnmet(result.Unmet), SnapshotHash: result.SnapshotHash}, nil
}

// Replay asks the hub to make a stored decision again.
func (s *Server) Replay(ctx context.Context, r *gatewayv1.ReplayRequest) (*gatewayv1.ReplayResponse, error) {
	key := federation.Key{Namespace: r.GetNamespace(), Name: r.GetName()}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubReplay), federationv1.EncodeReplayRequest(key))
	if err != nil {
		return nil, err
	}
	result, err := federationv1.DecodeReplay(b)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ReplayResponse{
		Workload: result.Workload.String(), Epoch: uint32(result.Epoch), InputsHash: result.InputsHash, Same: result.Same, Detail: result.Detail,
	}, nil
}

// defaultMaxAge is how long a score counts whose writer does not say.
const defaultMaxAge = time.Hour

// SetScore hands a score from outside to the gateway.
func (s *Server) SetScore(ctx context.Context, r *gatewayv1.SetScoreRequest) (*gatewayv1.SetScoreResponse, error) {
	feed := federation.Feed{
		Name: r.GetName(), Values: r.GetValues(), MaxAge: cmp.Or(r.GetMaxAge().AsDuration(), defaultMaxAge), ReportedAt: time.Now(), Source: who(ctx),
	}
	if err := s.opts.Desired.SetScore(ctx, feed); err != nil {
		return nil, err
	}
	return &gatewayv1.SetScoreResponse{Score: toScore(feed, feed.ReportedAt)}, nil
}

// ListScores lists the scores from outside by name.
func (s *Server) ListScores(context.Context, *gatewayv1.ListScoresRequest) (*gatewayv1.ListScoresResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListScoresResponse{}
	for _, name := range slices.Sorted(maps.Keys(table.Scores)) {
		out.Scores = append(out.Scores, toScore(table.Scores[name], time.Now()))
	}
	return out, nil
}

func toScore(f federation.Feed, now time.Time) *gatewayv1.ExternalScore {
	return &gatewayv1.ExternalScore{
		Name: f.Name, Values: f.Values, MaxAge: durationpb.New(f.MaxAge), ReportedAt: toTime(f.ReportedAt), Source: f.Source, Expired: !f.Fresh(now),
	}
}
