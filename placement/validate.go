package placement

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// maxConstraints bounds the spread constraints of one workload, with the one
// that AtMostOne implies.
const maxConstraints = 6

// Validate returns the first thing that is wrong with a placement as a document,
// naming the field, whatever the members are; nil when Place can work with it.
func Validate(p federation.PlacementSpec) error { return validate(&p) }

var checks = [...]func(*federation.PlacementSpec) error{
	validateChoices, validateMembers, validateSpread, validateReplicas, validateGeo, validateScores, validateOverrides,
}

func validate(p *federation.PlacementSpec) error {
	for _, check := range checks {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

// choice is a field that takes one of a few words; empty means its default.
type choice struct {
	field, value string
	words        []string
}

func (c choice) validate() error {
	if c.value == "" || slices.Contains(c.words, c.value) {
		return nil
	}
	return fmt.Errorf("%s %q: want %s", c.field, c.value, strings.Join(c.words, ", "))
}

var (
	modes         = []string{"Divided", "Duplicated"}
	preemptions   = []string{"Never", "LowerTiers"}
	divisions     = []string{"Capacity", "Static", "Aggregated", "Demand"}
	survivals     = []string{"None", "Member", "Zone", "Region"}
	unsatisfiable = []string{"DoNotSchedule", "ScheduleAnyway"}
	dependencies  = []string{"Follow", "None"}
	failovers     = []string{"Automatic", "Approve", "Never"}
	continuities  = []string{string(federation.KeepRunning), string(federation.AtMostOne)}
	leases        = []string{"Fast", "Balanced", "Manual"}
	takeovers     = []string{"Never", "IfNoDiff", "Always"}
	drifts        = []string{"Correct", "Report"}
	immutables    = []string{"Refuse", "Recreate"}
	deletions     = []string{"Background", "Foreground", "Orphan"}
)

func validateChoices(p *federation.PlacementSpec) error {
	for _, c := range [...]choice{
		{"dependencies", p.Dependencies, dependencies},
		{"failover.mode", p.Failover.Mode, failovers},
		{"failover.continuity", string(p.Failover.Continuity), continuities},
		{"failover.lease", p.Failover.Lease, leases},
		{"landing.takeover", p.Landing.Takeover, takeovers},
		{"landing.drift", p.Landing.Drift, drifts},
		{"landing.deletion", p.Landing.Deletion, deletions},
		{"landing.immutable", p.Landing.Immutable, immutables},
	} {
		if err := c.validate(); err != nil {
			return err
		}
	}
	if d := p.Failover.Dwell; d != "" && d != "Auto" {
		if v, err := time.ParseDuration(d); err != nil || v < 0 {
			return fmt.Errorf("failover.dwell %q: want Auto or a duration, for example \"10s\"", d)
		}
	}
	for i, name := range p.Failover.After {
		if _, err := federation.ParseKey(name); err != nil {
			return fmt.Errorf("failover.after[%d]: %w", i, err)
		}
	}
	if p.Failover.Tier < 0 || p.Failover.Tier > 4 {
		return fmt.Errorf("failover.tier %d: want 0 (first) to 4 (last)", p.Failover.Tier)
	}
	return nil
}

func validateMembers(p *federation.PlacementSpec) error {
	m := &p.Members
	if m.Required != nil {
		if err := validateSelector(*m.Required); err != nil {
			return fmt.Errorf("members.required: %w", err)
		}
	}
	for i, term := range m.Preferred {
		if term.Weight < 1 || term.Weight > 100 {
			return fmt.Errorf("members.preferred[%d].weight %d: want 1 to 100", i, term.Weight)
		}
		if err := validateSelector(term.LabelSelector); err != nil {
			return fmt.Errorf("members.preferred[%d]: %w", i, err)
		}
	}
	for i, group := range m.Groups {
		if err := validateSelector(group.Members); err != nil {
			return fmt.Errorf("members.groups[%d].members: %w", i, err)
		}
	}
	for i, t := range m.Tolerations {
		if err := (choice{fmt.Sprintf("members.tolerations[%d].operator", i), t.Operator, []string{"Equal", "Exists"}}).validate(); err != nil {
			return err
		}
		if t.Key == "" && t.Operator != "Exists" {
			return fmt.Errorf("members.tolerations[%d]: an empty key needs operator Exists", i)
		}
	}
	return nil
}

func validateSelector(sel federation.LabelSelector) error {
	for _, req := range sel.MatchExpressions {
		if err := validateRequirement(req); err != nil {
			return err
		}
	}
	return nil
}

func validateRequirement(req federation.Requirement) error {
	if req.Key == "" {
		return fmt.Errorf("an expression has no key")
	}
	want := ""
	switch req.Operator {
	case "In", "NotIn":
		if len(req.Values) == 0 {
			want = "at least one value"
		}
	case "Exists", "DoesNotExist":
		if len(req.Values) != 0 || req.Key == "kind" {
			want = "no values, and a key other than kind"
		}
	case "Gt", "Lt":
		if len(req.Values) != 1 || req.Key == "kind" || compareValues(req.Key, req.Values[0], req.Values[0]) == incomparable {
			want = "one number (or version, for kubernetesVersion)"
		}
	default:
		return fmt.Errorf("operator %q of key %s: want In, NotIn, Exists, DoesNotExist, Gt or Lt", req.Operator, req.Key)
	}
	if want != "" {
		return fmt.Errorf("operator %s of key %s: want %s, have %q", req.Operator, req.Key, want, req.Values)
	}
	return nil
}

func validateSpread(p *federation.PlacementSpec) error {
	if len(p.Spread) > maxConstraints-1 {
		return fmt.Errorf("spread: %d constraints, want at most %d", len(p.Spread), maxConstraints-1)
	}
	for i, c := range p.Spread {
		switch {
		case c.By == "":
			return fmt.Errorf("spread[%d].by is empty: want region, zone, provider, member or a label", i)
		case c.Min < 0 || c.Max < 0 || c.MaxSkew < 0:
			return fmt.Errorf("spread[%d] by %s: min, max and maxSkew must not be negative", i, c.By)
		case c.Max > 0 && c.Min > c.Max:
			return fmt.Errorf("spread[%d] by %s: min %d is above max %d", i, c.By, c.Min, c.Max)
		}
		if err := (choice{fmt.Sprintf("spread[%d].whenUnsatisfiable", i), c.WhenUnsatisfiable, unsatisfiable}).validate(); err != nil {
			return err
		}
	}
	return nil
}

func validateReplicas(p *federation.PlacementSpec) error {
	r := &p.Replicas
	for _, c := range []choice{
		{"replicas.mode", r.Mode, modes},
		{"replicas.by", r.By, divisions},
		{"preemption", p.Preemption, preemptions},
		{"failover.survive", p.Failover.Survive, survivals},
	} {
		if err := c.validate(); err != nil {
			return err
		}
	}
	if r.Min < 0 || r.Max < 0 || (r.Max > 0 && r.Min > r.Max) {
		return fmt.Errorf("replicas: min %d and max %d: want 0 <= min <= max, max 0 for no bound", r.Min, r.Max)
	}
	for i, w := range r.Weights {
		if w.Weight < 0 || w.Weight > MaxReplicas {
			return fmt.Errorf("replicas.weights[%d].weight %d: want 0 to %d", i, w.Weight, MaxReplicas)
		}
		if err := validateSelector(w.Members); err != nil {
			return fmt.Errorf("replicas.weights[%d].members: %w", i, err)
		}
	}
	return nil
}

func validateGeo(p *federation.PlacementSpec) error {
	for i, u := range p.Geo.Users {
		if err := validateUser(u); err != nil {
			return fmt.Errorf("geo.users[%d]: %w", i, err)
		}
	}
	if p.Geo.MaxLatency > 0 && len(p.Geo.Users) == 0 {
		return fmt.Errorf("geo.maxLatency %s: geo.users must say where the users are", p.Geo.MaxLatency)
	}
	for _, j := range p.Geo.Residency {
		if len(j) != 2 || strings.ToUpper(j) != j {
			return fmt.Errorf("geo.residency %q: want ISO 3166-1 alpha-2 codes in capitals, or EU", j)
		}
	}
	return nil
}

func validateUser(u federation.UserShare) error {
	place, err := catalogue.Parse(u.At)
	switch {
	case err != nil:
		return err
	case !place.Located():
		return fmt.Errorf("place %q has no coordinates: 0,0 counts as unknown", u.At)
	case !(u.Share > 0) || math.IsInf(u.Share, 0):
		return fmt.Errorf("share %v at %s: want a number above 0", u.Share, u.At)
	}
	return nil
}

func validateScores(p *federation.PlacementSpec) error {
	if len(p.Scores) == 0 {
		return nil
	}
	for _, name := range sortedKeys(p.Scores) {
		if w := p.Scores[name]; !(w >= 0) || w > 1000 {
			return fmt.Errorf("scores.%s %v: want a weight from 0 to 1000", name, w)
		}
	}
	return nil
}

func validateOverrides(p *federation.PlacementSpec) error {
	for i, o := range p.Overrides {
		if err := validateSelector(o.Members); err != nil {
			return fmt.Errorf("overrides[%d].members: %w", i, err)
		}
		if err := validateOwnReplicas(p, &o); err != nil {
			return fmt.Errorf("overrides[%d].replicas: %w", i, err)
		}
		for j, args := range o.Args {
			if len(args.Args)+len(args.Append) == 0 {
				return fmt.Errorf("overrides[%d].args[%d]: want args or append", i, j)
			}
		}
		for _, key := range append(sortedKeys(o.Labels), sortedKeys(o.Annotations)...) {
			if key == "" || strings.HasPrefix(key, "hansa.io/") {
				return fmt.Errorf("overrides[%d]: label or annotation %q: keys of hansa.io are Hansa's own, and an empty one is none", i, key)
			}
		}
	}
	return nil
}

// validateOwnReplicas refuses a number that contradicts the division, or that placement
// cannot know when it chooses members.
func validateOwnReplicas(p *federation.PlacementSpec, o *federation.Override) error {
	switch {
	case o.Replicas == 0:
		return nil
	case o.Replicas < 0 || o.Replicas > MaxReplicas:
		return fmt.Errorf("%d: want 1 to %d; members that are to have none belong into members.exclude", o.Replicas, MaxReplicas)
	case p.Replicas.Mode != "Duplicated":
		return errors.New("the replicas are divided over the members, which decides how many each has: use replicas.mode Duplicated, or replicas.by Static with weights, or replicas.min and max")
	case o.When != "":
		return errors.New("it cannot depend on when: select by members, which placement knows before it chooses")
	}
	return nil
}

// The largest replica: 2^45 bytes are 32 TiB. MaxReplicas of it still fit into
// 64 bits.
const (
	maxMilliCPU = 1 << 40
	maxMemory   = 1 << 45
)

// validateDemand bounds what arithmetic has to bear.
func validateDemand(d *Demand) error {
	if d.Replicas < 0 || d.Replicas > MaxReplicas {
		return fmt.Errorf("replicas %d: want 0 to %d", d.Replicas, MaxReplicas)
	}
	for _, r := range []*federation.Resources{&d.PerReplica, &d.PerNode} {
		if r.MilliCPU < 0 || r.MemoryBytes < 0 || r.Pods < 0 {
			return fmt.Errorf("requested resources must not be negative: %+v", *r)
		}
		if r.MilliCPU > maxMilliCPU || r.MemoryBytes > maxMemory {
			return fmt.Errorf("one replica requests %s: want at most %s", amountText(r),
				amountText(&federation.Resources{MilliCPU: maxMilliCPU, MemoryBytes: maxMemory, Pods: r.Pods}))
		}
	}
	return nil
}
