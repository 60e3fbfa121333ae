package federation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// StatusRule tells the state of the objects of one kind, stored in bucket
// "statusrules" under its name. The members that run such objects get it with them.
type StatusRule struct {
	Name      string
	Revision  Revision // of the record; given by the store
	Spec      StatusRuleSpec
	Source    string // as that of a Workload
	AppliedAt time.Time
	AppliedBy string
}

// StatusRuleSpec is the spec of a StatusRule document (hansa.io/v1alpha1): CEL
// expressions over "object", the whole object as its API server has it. An empty one is
// not given; one of Ready, Progressing, Failed, or both counts, has to be.
type StatusRuleSpec struct {
	Target GroupKind `json:"target"`
	// Ready, Progressing and Failed are true or false; Failed counts before Progressing,
	// that before Ready. What is neither failed nor progressing and has no Ready is ready
	// when its counts say so or, without counts, as Kubernetes' conventions do.
	Ready       string `json:"ready,omitempty"`
	Progressing string `json:"progressing,omitempty"`
	Failed      string `json:"failed,omitempty"`
	// Replicas and ReadyReplicas are whole numbers; the latter is counted as ready
	// replicas of the workload.
	Replicas      string `json:"replicas,omitempty"`
	ReadyReplicas string `json:"readyReplicas,omitempty"`
	// Message is a text that is shown with the state.
	Message string `json:"message,omitempty"`
}

// GroupKind is a kind of any version of its API group, which is empty for the core's.
type GroupKind struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
}

// String returns "Cluster.postgresql.cnpg.io", and "Pod" for kinds of the core.
func (g GroupKind) String() string {
	if g.Group == "" {
		return g.Kind
	}
	return g.Kind + "." + g.Group
}

// GroupKind returns the object's kind without the version.
func (o Object) GroupKind() GroupKind {
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		group = ""
	}
	return GroupKind{Group: group, Kind: o.Kind}
}

// RulesDigest is equal for rules that say the same; empty without rules.
func RulesDigest(rules []StatusRule) string {
	if len(rules) == 0 {
		return ""
	}
	h := sha256.New()
	for _, r := range rules {
		b, err := json.Marshal(r.Spec)
		if err != nil {
			panic("digest a status rule: " + err.Error()) // a struct of texts
		}
		fmt.Fprintf(h, "%q %s\n", r.Name, b) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
