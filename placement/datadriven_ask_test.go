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

// taintOf reads "key=value:Effect".
func taintOf(text string) federation.Taint {
	pair, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	return federation.Taint{Key: key, Value: value, Effect: federation.TaintEffect(effect)}
}

// taintedClass reads taints, and then the room of each node.
func taintedClass(texts []string) federation.NodeClass {
	var class federation.NodeClass
	var all int64
	for _, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			class.Taints = append(class.Taints, taintOf(text))
			continue
		}
		class.Nodes++
		class.Free = append(class.Free, unitOf(n))
		all += n
	}
	class.Room = unitOf(all)
	return class
}
