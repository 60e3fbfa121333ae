package decision

import (
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// cmdRule writes a status rule, or removes it: rule NAME [KIND READY...].
func (r *rig) cmdRule(args []string) {
	if len(args) == 1 {
		delete(r.store, "statusrules:"+args[0])
		r.step(RuleRemoved{args[0]})
		return
	}
	group := "apps"
	if args[1] == "ConfigMap" {
		group = ""
	}
	rule := federation.StatusRule{Name: args[0], Spec: federation.StatusRuleSpec{
		Target: federation.GroupKind{Group: group, Kind: args[1]}, Ready: strings.Join(args[2:], " "),
	}}
	r.put("statusrules:"+rule.Name, rule)
	r.step(RuleChanged{rule})
}

// withRules says which rules come with a work.
func withRules(e PutWork) string {
	var out string
	for _, rule := range e.Work.StatusRules {
		out += ", rule " + rule.Name + ": " + rule.Spec.Ready
	}
	return out
}
