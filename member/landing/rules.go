package landing

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
	"github.com/hansa-io/hansa/member/kube"
)

// rules are the status rules that came with one work. They are never changed; nil means
// none.
type rules struct {
	digest string
	byKind map[federation.GroupKind]*ruling
}

// ruling is one rule of a work, and what it told last.
type ruling struct {
	name     string
	compiled compiled

	mu   sync.Mutex
	told map[kube.Ref]telling // so that nothing is evaluated twice
}

// telling is what a rule told of one version of an object.
type telling struct {
	version string // no two objects of a cluster have the same
	verdict verdict
}

// compiled is a rule that can be evaluated, or why it cannot.
type compiled struct {
	rule *expression.Rule
	err  error
}

// compiler compiles rules, each once for all works that it comes with.
type compiler struct {
	mu  sync.Mutex
	cel expression.Compiler
	had map[federation.StatusRuleSpec]compiled
}

// mostCompiled bounds what is kept of rules that no work may have any more.
const mostCompiled = 1000

// compile makes the rules of a work ready.
func (c *compiler) compile(list []federation.StatusRule) *rules {
	if len(list) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.had == nil || len(c.had) > mostCompiled {
		c.had = map[federation.StatusRuleSpec]compiled{}
	}
	out := &rules{digest: federation.RulesDigest(list), byKind: map[federation.GroupKind]*ruling{}}
	for _, r := range list {
		done, known := c.had[r.Spec]
		if !known {
			done.rule, done.err = c.cel.Rule(r.Spec)
			c.had[r.Spec] = done
		}
		out.byKind[r.Spec.Target] = &ruling{name: r.Name, compiled: done, told: map[kube.Ref]telling{}}
	}
	return out
}

// name is the digest of the rules, empty for none.
func (r *rules) name() string {
	if r == nil {
		return ""
	}
	return r.digest
}

// judge tells the state of an object by the rule for its kind or, where there is none, by
// Kubernetes' conventions.
func (r *rules) judge(u *unstructured.Unstructured) verdict {
	if r == nil {
		return conventions(u)
	}
	kind := u.GroupVersionKind()
	ruling := r.byKind[federation.GroupKind{Group: kind.Group, Kind: kind.Kind}]
	if ruling == nil || u.GetDeletionTimestamp() != nil {
		return conventions(u)
	}
	ruling.mu.Lock()
	defer ruling.mu.Unlock()
	at := kube.RefOf(u)
	if last, known := ruling.told[at]; known && last.version == u.GetResourceVersion() {
		return last.verdict
	}
	v := ruling.judge(u)
	ruling.told[at] = telling{u.GetResourceVersion(), v}
	return v
}

// judge evaluates the rule. What goes wrong is told, and keeps the object from being
// ready.
func (r *ruling) judge(u *unstructured.Unstructured) verdict {
	if r.compiled.err != nil {
		return verdict{federation.WorkProgressing, fmt.Sprintf("StatusRule %s is not understood by this agent: %v", r.name, r.compiled.err), readyOf(u)}
	}
	out, err := r.compiled.rule.Evaluate(u.Object)
	v := verdict{out.State, out.Message, out.Ready}
	usual := conventions(u)
	if !out.Counted {
		v.ready = usual.ready
	}
	switch {
	case err != nil:
		v.message = join(v.message, fmt.Sprintf("StatusRule %s: %v", r.name, err))
	case v.state == "":
		v.state, v.message = usual.state, join(v.message, usual.message)
	case v.state == federation.WorkReady && !current(u):
		v.state, v.message = federation.WorkProgressing, join(v.message, "its controller has not seen its present spec yet")
	}
	return v
}

// current is observed for objects that say what their controllers have seen; others are.
func current(u *unstructured.Unstructured) bool {
	_, says, err := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	return !says || err != nil || observed(u)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
