package placement

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Match reports whether the selector matches the member by its labels and
// facts, exactly as Place decides. An empty selector matches every member.
//
// Keys are those that federation.Requirement lists; a fact hides a label of the
// same key. As in Kubernetes, NotIn and DoesNotExist match members that do not
// have the key. Gt and Lt compare numbers, and versions for kubernetesVersion
// ("1.36" < "v1.36.2" < "v1.37.0").
func Match(sel federation.LabelSelector, spec federation.MemberSpec, facts federation.MemberFacts) (bool, error) {
	if err := validateSelector(sel); err != nil {
		return false, err
	}
	m := Member{Spec: spec, Facts: facts}
	m.Spec.Place = catalogue.Resolve(spec.Place)
	return m.firstMismatch(sel) == "", nil
}

// ReplicasIn is how many replicas of a workload that is not divided a member should run:
// what the last override says that matches it, else the manifest's number. One that is
// scaled to 0 has none anywhere.
func ReplicasIn(p *federation.PlacementSpec, manifest int64, m Member) int64 {
	m.Spec.Place = catalogue.Resolve(m.Spec.Place)
	return m.replicas(p, manifest)
}

func (m *Member) replicas(p *federation.PlacementSpec, manifest int64) int64 {
	if manifest == 0 {
		return 0
	}
	for i := len(p.Overrides) - 1; i >= 0; i-- {
		if o := &p.Overrides[i]; o.Replicas > 0 && m.firstMismatch(o.Members) == "" {
			return o.Replicas
		}
	}
	return manifest
}

// firstMismatch returns "" when the selector matches, and otherwise what about
// the member is not as wanted: `region is "us-east", wanted In [eu-central]`.
func (m *Member) firstMismatch(sel federation.LabelSelector) string {
	for _, key := range sortedKeys(sel.MatchLabels) {
		req := federation.Requirement{Key: key, Operator: "In", Values: []string{sel.MatchLabels[key]}}
		if !m.satisfies(req) {
			return m.mismatch(req)
		}
	}
	for _, req := range sel.MatchExpressions {
		if !m.satisfies(req) {
			return m.mismatch(req)
		}
	}
	return ""
}

func (m *Member) mismatch(req federation.Requirement) string {
	wanted := req.Operator
	if len(req.Values) > 0 {
		wanted += " [" + strings.Join(req.Values, " ") + "]"
	}
	switch value, ok := m.value(req.Key); {
	case req.Key == "kind":
		return "kind: wanted " + wanted
	case ok:
		return fmt.Sprintf("%s is %q, wanted %s", req.Key, value, wanted)
	}
	return fmt.Sprintf("has no %s, wanted %s", req.Key, wanted)
}

func (m *Member) satisfies(req federation.Requirement) bool {
	if req.Key == "kind" {
		return m.servesSome(req.Values) == (req.Operator == "In")
	}
	value, ok := m.value(req.Key)
	switch req.Operator {
	case "In":
		return ok && equalsSome(req.Key, value, req.Values)
	case "NotIn":
		return !ok || !equalsSome(req.Key, value, req.Values)
	case "Exists":
		return ok
	case "DoesNotExist":
		return !ok
	case "Gt":
		return ok && compareValues(req.Key, value, req.Values[0]) > 0
	case "Lt":
		return ok && compareValues(req.Key, value, req.Values[0]) == -1
	}
	return false
}

func (m *Member) servesSome(kinds []string) bool {
	for _, want := range kinds {
		for _, kind := range m.Facts.Kinds {
			if kind == want {
				return true
			}
		}
	}
	return false
}

// value returns a fact, or the label of that key when there is no such fact.
func (m *Member) value(key string) (string, bool) {
	if fact := m.fact(key); fact != "" {
		return fact, true
	}
	v, ok := m.Spec.Labels[key]
	return v, ok
}

func (m *Member) fact(key string) string {
	switch key {
	case "name":
		return m.Spec.Name
	case "region":
		return m.Spec.Place.Region
	case "zone":
		return m.Spec.Place.Zone
	case "provider":
		return m.Spec.Place.Provider
	case "jurisdiction":
		return m.Spec.Place.Jurisdiction
	case "kubernetesVersion":
		return m.Facts.KubernetesVersion
	case "nodeKind":
		return m.Facts.NodeKind
	case "nodes":
		return strconv.FormatInt(m.Facts.Nodes, 10)
	case "free.cpu":
		return strconv.FormatFloat(float64(m.Facts.Free.MilliCPU)/1000, 'f', -1, 64)
	case "free.memory":
		return strconv.FormatInt(m.Facts.Free.MemoryBytes, 10)
	case "free.pods":
		return strconv.FormatInt(m.Facts.Free.Pods, 10)
	}
	return ""
}

// indexed lists the facts with few values, which the snapshot indexes as it
// does labels. The others are compared member by member.
var indexed = []string{"name", "region", "zone", "provider", "jurisdiction", "nodeKind"}

func isIndexed(req federation.Requirement) bool {
	if req.Operator == "Gt" || req.Operator == "Lt" {
		return false
	}
	switch req.Key {
	case "kubernetesVersion", "nodes", "free.cpu", "free.memory", "free.pods":
		return false
	}
	return true
}

func equalsSome(key, value string, wanted []string) bool {
	for _, w := range wanted {
		if value == w || (key == "kubernetesVersion" && compareVersions(value, w) == 0) {
			return true
		}
	}
	return false
}

// incomparable is what compareValues returns for a value that is no number.
const incomparable = -2

func compareValues(key, value, wanted string) int {
	if key == "kubernetesVersion" {
		return compareVersions(value, wanted)
	}
	a, errA := strconv.ParseFloat(value, 64)
	b, errB := strconv.ParseFloat(wanted, 64)
	switch {
	case errA != nil || errB != nil:
		return incomparable
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareVersions compares the dotted numbers of "v1.37.2" and the like; what
// follows a dash or plus does not count, and missing parts are 0.
func compareVersions(a, b string) int {
	x, y := versionParts(a), versionParts(b)
	for i := range x {
		if x[i] != y[i] {
			if x[i] < y[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func versionParts(v string) (parts [3]int) {
	v = strings.TrimPrefix(v, "v")
	if i := strings.IndexAny(v, "-+"); i >= 0 {
		v = v[:i]
	}
	for i := range parts {
		var part string
		part, v, _ = strings.Cut(v, ".")
		parts[i], _ = strconv.Atoi(part)
	}
	return parts
}
