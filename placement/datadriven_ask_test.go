package placement

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/hansa-io/hansa/federation"
)

func (s *script) simulate(d *datadriven.TestData) (string, error) {
	ask := federation.SimulationRequest{Scale: map[federation.Key]int64{}}
	for _, arg := range d.CmdArgs {
		for _, v := range arg.Vals {
			if arg.Key == "lose" {
				scope, err := federation.ParseScope(v)
				if err != nil {
					return "", err
				}
				ask.Lose = append(ask.Lose, scope)
				continue
			}
			name, n, _ := strings.Cut(v, "=")
			key, err := federation.ParseKey(name)
			if err != nil {
				return "", err
			}
			ask.Scale[key], _ = strconv.ParseInt(n, 10, 64)
		}
	}
	snap, err := s.snapshot()
	if err != nil {
		return "", err
	}
	sim, err := Simulate(snap, s.requests(), ask)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "lost %v, fits %v, headroom %.2f\n", sim.Lost, sim.Fits, sim.Headroom)
	for _, m := range sim.Moves {
		fmt.Fprintf(&b, "move %s %s %d -> %d\n", m.Workload, m.Member, m.From, m.To)
	}
	for _, u := range sim.Unmet {
		fmt.Fprintf(&b, "unmet %s %d (tier %d): %s\n", u.Workload, u.Replicas, u.Tier, u.Reason)
	}
	for _, rule := range sim.Rules {
		fmt.Fprintf(&b, "rule %s\n", rule)
	}
	return b.String(), nil
}

func (s *script) readiness() (string, error) {
	snap, err := s.snapshot()
	if err != nil {
		return "", err
	}
	report := Readiness(snap, s.requests())
	var b strings.Builder
	fmt.Fprintf(&b, "score %.0f\n", report.Score)
	for _, sc := range report.Scenarios {
		fmt.Fprintf(&b, "  lose %s: %.0f, %d displaced, %d short", sc.Lost, sc.Score, sc.Displaced, sc.Short)
		if sc.Fix != "" {
			fmt.Fprintf(&b, "; %s", sc.Fix)
		}
		fmt.Fprintln(&b)
	}
	return b.String(), nil
}
