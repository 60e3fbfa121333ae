package expression

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"

	"github.com/hansa-io/hansa/federation"
)

// maxMessage bounds the message that a rule gives, in bytes.
const maxMessage = 1024

// Rule is a compiled status rule.
type Rule struct {
	ready, progressing, failed, replicas, readyReplicas, message *program
}

// Outcome is what a rule tells of an object.
type Outcome struct {
	// State is Ready, Progressing or Failed, or "" when the rule leaves it open.
	State federation.WorkState
	// Ready is how many replicas are ready; Counted says that the rule tells it.
	Ready   int64
	Counted bool
	Message string
}

// Rule compiles a rule; the error names the field that is wrong.
func (c *Compiler) Rule(s federation.StatusRuleSpec) (*Rule, error) {
	if s.Ready == "" && s.Progressing == "" && s.Failed == "" && (s.Replicas == "" || s.ReadyReplicas == "") {
		return nil, errors.New("it tells no state: give ready, progressing or failed, or replicas and readyReplicas")
	}
	env, err := c.ruleEnv()
	if err != nil {
		return nil, fmt.Errorf("prepare to compile a status rule: %w", err)
	}
	r := &Rule{}
	for _, field := range []struct {
		name, text string
		want       *cel.Type
		into       **program
	}{
		{"ready", s.Ready, cel.BoolType, &r.ready},
		{"progressing", s.Progressing, cel.BoolType, &r.progressing},
		{"failed", s.Failed, cel.BoolType, &r.failed},
		{"replicas", s.Replicas, cel.IntType, &r.replicas},
		{"readyReplicas", s.ReadyReplicas, cel.IntType, &r.readyReplicas},
		{"message", s.Message, cel.StringType, &r.message},
	} {
		if field.text == "" {
			continue
		}
		p, err := compile(env, field.name, field.text, field.want)
		if err != nil {
			return nil, err
		}
		*field.into = &p
	}
	return r, nil
}

// Evaluate tells the state of an object. With an error the outcome has what could be
// told all the same; its state is not Ready unless only the message went wrong.
func (r *Rule) Evaluate(object map[string]any) (Outcome, error) {
	vars := map[string]any{"object": object}
	var out Outcome
	var wrong []error
	holds := func(p *program) bool {
		if p == nil {
			return false
		}
		ok, err := p.bool(vars)
		wrong = append(wrong, err)
		return ok
	}
	count := func(p *program) (int64, bool) {
		if p == nil {
			return 0, false
		}
		n, err := p.number(vars)
		wrong = append(wrong, err)
		return max(0, n), err == nil
	}
	failed, progressing, ready := holds(r.failed), holds(r.progressing), holds(r.ready)
	wanted, known := count(r.replicas)
	out.Ready, out.Counted = count(r.readyReplicas)
	short := known && out.Counted && out.Ready < wanted
	switch {
	case failed:
		out.State = federation.WorkFailed
	case progressing, r.ready != nil && !ready, r.ready == nil && short, inOneLine(wrong) != nil:
		out.State = federation.WorkProgressing
	case r.ready != nil, known && out.Counted:
		out.State = federation.WorkReady
	}
	if short {
		out.Message = fmt.Sprintf("%d of %d replicas are ready", out.Ready, wanted)
	}
	if r.message != nil {
		text, err := r.message.text(vars)
		if err == nil && text != "" {
			out.Message = cut(text)
		}
		wrong = append(wrong, err)
	}
	return out, inOneLine(wrong)
}

// inOneLine joins what went wrong; nil when nothing did.
func inOneLine(wrong []error) error {
	var lines []string
	for _, err := range wrong {
		if err != nil {
			lines = append(lines, err.Error())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "; "))
}

// cut shortens a text to what a status may carry.
func cut(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	s = s[:maxMessage]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
