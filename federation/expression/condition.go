package expression

import (
	"encoding/json"
	"fmt"

	"github.com/google/cel-go/cel"

	"github.com/hansa-io/hansa/federation"
)

// Member is what conditions know of a member, under the names that selectors have for it.
type Member struct {
	Name              string            `cel:"name"`
	Labels            map[string]string `cel:"labels"`
	Region            string            `cel:"region"`
	Zone              string            `cel:"zone"`
	Provider          string            `cel:"provider"`
	Jurisdiction      string            `cel:"jurisdiction"`
	KubernetesVersion string            `cel:"kubernetesVersion"`
	NodeKind          string            `cel:"nodeKind"`
	Kinds             []string          `cel:"kinds"`
	Nodes             int64             `cel:"nodes"`
}

// MemberOf is what conditions know of the member with that record and those facts.
func MemberOf(m federation.MemberSpec, f federation.MemberFacts) Member {
	return Member{
		Name: m.Name, Labels: m.Labels, Region: m.Place.Region, Zone: m.Place.Zone, Provider: m.Place.Provider, Jurisdiction: m.Place.Jurisdiction,
		KubernetesVersion: f.KubernetesVersion, NodeKind: f.NodeKind, Kinds: f.Kinds, Nodes: f.Nodes,
	}
}

// Condition is a compiled condition of an override.
type Condition struct{ program }

// Condition compiles a condition. What was compiled before is kept.
func (c *Compiler) Condition(text string) (*Condition, error) {
	if known := c.kept[text]; known != nil {
		return known, nil
	}
	env, err := c.conditionEnv()
	if err != nil {
		return nil, fmt.Errorf("prepare to compile a condition: %w", err)
	}
	p, err := compile(env, "when", text, cel.BoolType)
	if err != nil {
		return nil, err
	}
	if c.kept == nil || len(c.kept) >= mostKept {
		c.kept = map[string]*Condition{}
	}
	c.kept[text] = &Condition{p}
	return c.kept[text], nil
}

// Holds reports whether the override counts for the object in the member. Numbers of the
// object may be json.Number.
func (c *Condition) Holds(m Member, object map[string]any) (bool, error) {
	return c.bool(map[string]any{"member": m, "object": numbers(object)})
}

// numbers returns a copy of decoded JSON in which numbers are what CEL takes them for.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[k] = numbers(one)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = numbers(one)
		}
		return out
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	}
	return v
}
