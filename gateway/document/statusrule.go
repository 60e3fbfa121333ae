package document

import (
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
)

// MaxRules is how many StatusRules there may be.
const MaxRules = 256

func (in *input) addRule(d located, h header) error {
	doc, err := readOwn[federation.StatusRuleSpec](d, h)
	if err != nil {
		return err
	}
	switch {
	case h.Metadata.Namespace != "":
		return d.errorf(d.line, "StatusRule %s: metadata.namespace must not be set: a rule is for its kind everywhere", h.Metadata.Name)
	case doc.Spec.Target.Kind == "":
		return d.errorf(d.line, "StatusRule %s: spec.target.kind must be set: the kind whose state it tells", h.Metadata.Name)
	case strings.Contains(doc.Spec.Target.Group, "/"):
		return d.errorf(d.line, "StatusRule %s: spec.target.group %q: give the group without a version", h.Metadata.Name, doc.Spec.Target.Group)
	}
	in.rules = append(in.rules, ruleAt{at: d, name: h.Metadata.Name, spec: doc.Spec})
	return nil
}

// statusRules checks the rules, each by itself and whether two are for one kind, and
// returns them by name.
func (in input) statusRules() ([]federation.StatusRule, error) {
	if len(in.rules) > MaxRules {
		return nil, in.rules[0].at.errorf(in.rules[0].at.line, "%d StatusRules: there may be at most %d", len(in.rules), MaxRules)
	}
	var compiler expression.Compiler
	var out []federation.StatusRule
	for i, r := range in.rules {
		if _, err := compiler.Rule(r.spec); err != nil {
			return nil, r.at.errorf(r.at.line, "StatusRule %s: %v", r.name, err)
		}
		for _, other := range in.rules[:i] {
			if other.spec.Target == r.spec.Target {
				return nil, r.at.errorf(r.at.line, "StatusRule %s is for %s, as StatusRule %s is: make one of them", r.name, r.spec.Target, other.name)
			}
		}
		out = append(out, federation.StatusRule{Name: r.name, Spec: r.spec})
	}
	slices.SortFunc(out, func(a, b federation.StatusRule) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
