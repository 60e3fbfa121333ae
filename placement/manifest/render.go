package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
	"github.com/hansa-io/hansa/placement"
)

// The annotations that Render puts on every object's metadata (never on a pod
// template, so that a new epoch restarts nothing).
const (
	WorkloadAnnotation = "hansa.io/workload" // "shop/web"
	EpochAnnotation    = "hansa.io/epoch"    // decimal
)

// Target is the member to render for, and the whole assignment: a member's part
// of a Job depends on the parts of the others.
type Target struct {
	Member federation.MemberSpec
	Facts  federation.MemberFacts // for overrides that select by facts
	Shares []federation.AssignedMember
	Epoch  federation.Epoch
	// Expressions compiles the conditions of overrides; nil: one is made.
	Expressions *expression.Compiler
}

// Render returns the workload's objects as they shall be in the target's member,
// in the order of the workload: with that member's replicas, overrides applied,
// and annotated with workload and epoch. The error names the object or override.
func Render(w federation.Workload, t Target) ([]federation.Object, error) {
	docs, absent, err := divided(&w, t)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", w.Key, err)
	}
	if err := override(&w, t, docs, nil); err != nil {
		return nil, fmt.Errorf("render %s for %s: %w", w.Key, t.Member.Name, err)
	}
	out := make([]federation.Object, 0, len(docs))
	for i, doc := range docs {
		if absent[i] {
			continue
		}
		if err := annotate(doc, w.Key, t.Epoch); err != nil {
			return nil, fmt.Errorf("render %s: annotate %s: %w", w.Key, w.Objects[i].ID(), err)
		}
		o := w.Objects[i]
		if o.Raw, err = encode(doc); err != nil {
			return nil, fmt.Errorf("render %s: encode %s: %w", w.Key, o.ID(), err)
		}
		out = append(out, o)
	}
	return out, nil
}

// Alike reports that Render makes the same for every member, whatever its share.
func Alike(w *federation.Workload) bool {
	return w.Placement.Replicas.Mode == "Duplicated" && len(w.Placement.Overrides) == 0
}

// document is an object as decoded JSON; numbers keep their text.
type document = map[string]any

func decodeAll(objects []federation.Object) ([]document, error) {
	docs := make([]document, len(objects))
	for i := range objects {
		dec := json.NewDecoder(bytes.NewReader(objects[i].Raw))
		dec.UseNumber()
		if err := dec.Decode(&docs[i]); err != nil {
			return nil, fmt.Errorf("decode %s: %w", objects[i].ID(), err)
		}
		if docs[i] == nil {
			return nil, fmt.Errorf("decode %s: it is null, want an object", objects[i].ID())
		}
	}
	return docs, nil
}

func encode(doc document) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// divide sets the member's part in every component, and tells which objects the
// member does not get.
func divide(w *federation.Workload, shares []federation.AssignedMember, at int, docs []document) (map[int]bool, error) {
	if w.Placement.Replicas.Mode == "Duplicated" {
		return nil, nil
	}
	all, err := components(w.Objects)
	if err != nil {
		return nil, err
	}
	weights := weightsOf(shares)
	var lead, placed int64
	for i := range all {
		lead = max(lead, all[i].replicas)
	}
	for _, v := range weights {
		placed += v
	}
	absent := map[int]bool{}
	for i := range all {
		c := &all[i]
		if c.kind == "DaemonSet" {
			continue
		}
		gone, err := c.set(docs[c.object], weights, at, portion(c.replicas, placed, lead))
		if err != nil {
			return nil, fmt.Errorf("set replicas of %s: %w", w.Objects[c.object].ID(), err)
		}
		absent[c.object] = gone
	}
	return absent, nil
}

func weightsOf(shares []federation.AssignedMember) []int64 {
	weights := make([]int64, len(shares))
	for i := range shares {
		weights[i] = min(max(shares[i].Replicas, 0), placement.MaxReplicas)
	}
	return weights
}

// portion is what is left of a component when only placed of lead replicas have
// a place; at least 1 of a component that is wanted at all.
func portion(replicas, placed, lead int64) int64 {
	if placed >= lead || lead == 0 {
		return replicas
	}
	return max((replicas*placed+lead/2)/lead, min(replicas, placed, 1))
}

// set writes the member's part of the component's total into the document, and
// reports whether the member does not get the object at all.
func (c *component) set(doc document, weights []int64, at int, total int64) (bool, error) {
	part := apportion(total, weights)[at]
	spec, err := mapAt(doc, "spec")
	if err != nil {
		return false, err
	}
	switch c.kind {
	case "Pod":
		return part == 0, nil
	case "Job":
		return part == 0, c.setCompletions(spec, weights, at, part)
	case "CronJob":
		if spec, err = mapAt(spec, "jobTemplate", "spec"); err != nil {
			return false, err
		}
		return part == 0, c.setCompletions(spec, weights, at, part)
	}
	spec["replicas"] = part
	return false, nil
}

// setCompletions divides a Job: parallelism as the replicas, completions in the
// same proportion. Without completions (a work queue) only parallelism is set.
func (c *component) setCompletions(spec document, weights []int64, at int, part int64) error {
	spec["parallelism"] = part
	if c.completions != nil {
		spec["completions"] = apportion(*c.completions, weights)[at]
	}
	return nil
}

// apportion divides total by weights after Sainte-Laguë (Webster): each next one
// goes to the largest weight/(2n+1), the first of equal ones. It starts from the
// rounded quotas, which is the same method at a divisor near the right one, and
// then adds or takes away.
func apportion(total int64, weights []int64) []int64 {
	out := make([]int64, len(weights))
	var sum, given int64
	for _, w := range weights {
		sum += w
	}
	if sum == 0 || total <= 0 {
		return out
	}
	for i, w := range weights {
		out[i] = (2*total*w + sum) / (2 * sum)
		given += out[i]
	}
	for ; given < total; given++ {
		out[next(weights, out)]++
	}
	for ; given > total; given-- {
		out[last(weights, out)]--
	}
	return out
}

func next(weights, n []int64) int {
	best := -1
	for i, w := range weights {
		if w > 0 && (best < 0 || w*(2*n[best]+1) > weights[best]*(2*n[i]+1)) {
			best = i
		}
	}
	return best
}

func last(weights, n []int64) int {
	worst := -1
	for i, w := range weights {
		if n[i] > 0 && (worst < 0 || w*(2*n[worst]-1) <= weights[worst]*(2*n[i]-1)) {
			worst = i
		}
	}
	return worst
}

func annotate(doc document, key federation.Key, epoch federation.Epoch) error {
	annotations, err := mapAt(doc, "metadata", "annotations")
	if err != nil {
		return err
	}
	annotations[WorkloadAnnotation] = key.String()
	annotations[EpochAnnotation] = strconv.FormatUint(uint64(epoch), 10)
	return nil
}

// mapAt walks down the fields and makes those that are missing.
func mapAt(doc document, fields ...string) (document, error) {
	for _, field := range fields {
		switch v := doc[field].(type) {
		case document:
			doc = v
		case nil:
			made := document{}
			doc[field] = made
			doc = made
		default:
			return nil, fmt.Errorf("field %s is not an object", field)
		}
	}
	return doc, nil
}
