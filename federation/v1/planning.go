package federationv1

import (
	"encoding/json"
	"fmt"

	"github.com/hansa-io/hansa/federation"
)

// EncodeSimulationRequest writes a SimulationRequest.
func EncodeSimulationRequest(r federation.SimulationRequest) []byte {
	m := &SimulationRequest{
		Lose:  each(r.Lose, federation.Scope.String),
		Scale: make(map[string]int64, len(r.Scale)),
		Add:   each(r.Add, fromMemberSpec), AddFacts: each(r.AddFacts, fromMemberFacts),
		Policies: make(map[string][]byte, len(r.Policies)),
	}
	for k, n := range r.Scale {
		m.Scale[k.String()] = n
	}
	for k, p := range r.Policies {
		m.Policies[k.String()], _ = json.Marshal(p) // fails for a patch that is not JSON only, which readers refuse
	}
	return encode(m)
}

// DecodeSimulationRequest reads what EncodeSimulationRequest wrote.
func DecodeSimulationRequest(b []byte) (federation.SimulationRequest, error) {
	return decode("simulation request", b, &SimulationRequest{}, func(m *SimulationRequest) (federation.SimulationRequest, error) {
		out := federation.SimulationRequest{
			Add: each(m.GetAdd(), toMemberSpec), AddFacts: each(m.GetAddFacts(), toMemberFacts),
			Scale: make(map[federation.Key]int64, len(m.GetScale())), Policies: make(map[federation.Key]federation.PlacementSpec, len(m.GetPolicies())),
		}
		var err error
		if out.Lose, err = eachErr(m.GetLose(), federation.ParseScope); err != nil {
			return federation.SimulationRequest{}, err
		}
		for k, n := range m.GetScale() {
			key, err := federation.ParseKey(k)
			if err != nil {
				return federation.SimulationRequest{}, err
			}
			out.Scale[key] = n
		}
		for k, text := range m.GetPolicies() {
			key, err := federation.ParseKey(k)
			if err != nil {
				return federation.SimulationRequest{}, err
			}
			var spec federation.PlacementSpec
			if err := json.Unmarshal(text, &spec); err != nil {
				return federation.SimulationRequest{}, fmt.Errorf("placement of %s: %w", k, err)
			}
			out.Policies[key] = spec
		}
		return out, nil
	})
}

// EncodeSimulation writes a Simulation.
func EncodeSimulation(s federation.Simulation) []byte {
	return encode(&Simulation{
		Moves: each(s.Moves, func(v federation.Move) *Move {
			return &Move{Workload: fromKey(v.Workload), Member: v.Member, From: v.From, To: v.To}
		}),
		Unmet: each(s.Unmet, fromUnmet),
		Fits:  s.Fits, Headroom: s.Headroom, Lost: s.Lost, Rules: s.Rules, SnapshotHash: s.SnapshotHash,
	})
}

// DecodeSimulation reads what EncodeSimulation wrote.
func DecodeSimulation(b []byte) (federation.Simulation, error) {
	return decode("simulation", b, &Simulation{}, func(m *Simulation) (federation.Simulation, error) {
		return federation.Simulation{
			Moves: each(m.GetMoves(), func(v *Move) federation.Move {
				return federation.Move{Workload: toKey(v.GetWorkload()), Member: v.GetMember(), From: v.GetFrom(), To: v.GetTo()}
			}),
			Unmet: each(m.GetUnmet(), toUnmet),
			Fits:  m.GetFits(), Headroom: m.GetHeadroom(), Lost: m.GetLost(), Rules: m.GetRules(), SnapshotHash: m.GetSnapshotHash(),
		}, nil
	})
}

func fromUnmet(u federation.Unmet) *Unmet {
	return &Unmet{Workload: fromKey(u.Workload), Replicas: u.Replicas, Tier: int32(u.Tier), Reason: u.Reason}
}

func toUnmet(u *Unmet) federation.Unmet {
	return federation.Unmet{Workload: toKey(u.GetWorkload()), Replicas: u.GetReplicas(), Tier: int(u.GetTier()), Reason: u.GetReason()}
}

// EncodeReadiness writes a Readiness.
func EncodeReadiness(r federation.Readiness) []byte {
	return encode(&Readiness{
		Score: r.Score, SnapshotHash: r.SnapshotHash, CheckedAt: fromTime(r.CheckedAt),
		Scenarios: each(r.Scenarios, func(s federation.Scenario) *Scenario {
			return &Scenario{
				Lost: s.Lost.String(), Score: s.Score, Displaced: s.Displaced, Unmet: each(s.Unmet, fromUnmet), Short: s.Short, Fix: s.Fix,
			}
		}),
	})
}

// DecodeReadiness reads what EncodeReadiness wrote.
func DecodeReadiness(b []byte) (federation.Readiness, error) {
	return decode("readiness", b, &Readiness{}, func(m *Readiness) (federation.Readiness, error) {
		scenarios, err := eachErr(m.GetScenarios(), func(s *Scenario) (federation.Scenario, error) {
			lost, err := federation.ParseScope(s.GetLost())
			return federation.Scenario{
				Lost: lost, Score: s.GetScore(), Displaced: s.GetDisplaced(), Unmet: each(s.GetUnmet(), toUnmet),
				Short: s.GetShort(), Fix: s.GetFix(),
			}, err
		})
		return federation.Readiness{
			Score: m.GetScore(), Scenarios: scenarios, SnapshotHash: m.GetSnapshotHash(), CheckedAt: toTime(m.GetCheckedAt()),
		}, err
	})
}

// EncodeReadinessRequest writes the request, which says nothing.
func EncodeReadinessRequest(struct{}) []byte { return encode(&ReadinessRequest{}) }

// DecodeReadinessRequest reads what EncodeReadinessRequest wrote.
func DecodeReadinessRequest(b []byte) (struct{}, error) {
	return decode("readiness request", b, &ReadinessRequest{}, func(*ReadinessRequest) (struct{}, error) { return struct{}{}, nil })
}

// EncodeRebalanceRequest writes a RebalanceRequest.
func EncodeRebalanceRequest(r federation.RebalanceRequest) []byte {
	return encode(&RebalanceRequest{Workload: fromKey(r.Workload), DryRun: r.DryRun, Budget: r.Budget, Who: r.Who})
}

// DecodeRebalanceRequest reads what EncodeRebalanceRequest wrote.
func DecodeRebalanceRequest(b []byte) (federation.RebalanceRequest, error) {
	return decode("rebalance request", b, &RebalanceRequest{}, func(m *RebalanceRequest) (federation.RebalanceRequest, error) {
		return federation.RebalanceRequest{
			Workload: toKey(m.GetWorkload()), DryRun: m.GetDryRun(), Budget: m.GetBudget(), Who: m.GetWho(),
		}, nil
	})
}

// EncodeReplayRequest writes the key of the workload whose decision is made again.
func EncodeReplayRequest(k federation.Key) []byte {
	return encode(&ReplayRequest{Workload: fromKey(k)})
}

// DecodeReplayRequest reads what EncodeReplayRequest wrote.
func DecodeReplayRequest(b []byte) (federation.Key, error) {
	return decode("replay request", b, &ReplayRequest{}, func(m *ReplayRequest) (federation.Key, error) {
		return toNamedKey(m.GetWorkload())
	})
}

// EncodeReplay writes a Replay.
func EncodeReplay(r federation.Replay) []byte {
	return encode(&Replay{Workload: fromKey(r.Workload), Epoch: uint64(r.Epoch), InputsHash: r.InputsHash, Same: r.Same, Detail: r.Detail})
}

// DecodeReplay reads what EncodeReplay wrote.
func DecodeReplay(b []byte) (federation.Replay, error) {
	return decode("replay", b, &Replay{}, func(m *Replay) (federation.Replay, error) {
		return federation.Replay{
			Workload: toKey(m.GetWorkload()), Epoch: federation.Epoch(m.GetEpoch()), InputsHash: m.GetInputsHash(),
			Same: m.GetSame(), Detail: m.GetDetail(),
		}, nil
	})
}

// EncodeFeed writes a Feed.
func EncodeFeed(f federation.Feed) []byte {
	return encode(&Feed{
		Name: f.Name, Values: f.Values, MaxAge: fromDuration(f.MaxAge), ReportedAt: fromTime(f.ReportedAt), Source: f.Source,
	})
}

// DecodeFeed reads what EncodeFeed wrote.
func DecodeFeed(b []byte) (federation.Feed, error) {
	return decode("score feed", b, &Feed{}, func(m *Feed) (federation.Feed, error) {
		return federation.Feed{
			Name: m.GetName(), Values: m.GetValues(), MaxAge: toDuration(m.GetMaxAge()), ReportedAt: toTime(m.GetReportedAt()),
			Source: m.GetSource(),
		}, named("name", m.GetName())
	})
}
