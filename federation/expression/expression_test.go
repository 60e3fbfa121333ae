package expression

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return numbers(out).(map[string]any)
}

func TestRuleTellsTheState(t *testing.T) {
	database := federation.StatusRuleSpec{
		Ready:         `object.?status.?phase.orValue("") == "Running"`,
		Failed:        `object.?status.?phase.orValue("") == "Broken"`,
		Progressing:   `object.?status.?observed.orValue(0) < object.metadata.generation`,
		Replicas:      `object.spec.instances`,
		ReadyReplicas: `object.?status.?ready.orValue(0)`,
		Message:       `object.?status.?reason.orValue("")`,
	}
	counted := federation.StatusRuleSpec{Replicas: database.Replicas, ReadyReplicas: database.ReadyReplicas}
	for _, c := range []struct {
		name   string
		rule   federation.StatusRuleSpec
		object string
		want   Outcome
		wrong  string // part of the error
	}{
		{"new", database, `{"metadata":{"generation":1},"spec":{"instances":3}}`, Outcome{State: "Progressing", Counted: true, Message: "0 of 3 replicas are ready"}, ""},
		{
			"running", database, `{"metadata":{"generation":1},"spec":{"instances":3},"status":{"phase":"Running","observed":1,"ready":3}}`,
			Outcome{State: "Ready", Ready: 3, Counted: true},
			"",
		},
		{
			"changed since", database, `{"metadata":{"generation":2},"spec":{"instances":3},"status":{"phase":"Running","observed":1,"ready":3}}`,
			Outcome{State: "Progressing", Ready: 3, Counted: true},
			"",
		},
		{
			"failed counts first", database, `{"metadata":{"generation":2},"spec":{"instances":3},"status":{"phase":"Broken","ready":1,"reason":"disk full"}}`,
			Outcome{State: "Failed", Ready: 1, Counted: true, Message: "disk full"},
			"",
		},
		{"counts are short", counted, `{"spec":{"instances":2},"status":{"ready":1}}`, Outcome{State: "Progressing", Ready: 1, Counted: true, Message: "1 of 2 replicas are ready"}, ""},
		{"counts suffice", counted, `{"spec":{"instances":2},"status":{"ready":2}}`, Outcome{State: "Ready", Ready: 2, Counted: true}, ""},
		{"open", federation.StatusRuleSpec{Failed: `false`}, `{}`, Outcome{}, ""},
		{"a field is missing", federation.StatusRuleSpec{Ready: `object.status.up`}, `{"spec":{}}`, Outcome{State: "Progressing"}, "ready: no such key: status"},
		{"another type", federation.StatusRuleSpec{Ready: `object.status`}, `{"status":"up"}`, Outcome{State: "Progressing"}, "ready gave up, which is no bool"},
		{
			"an error keeps from being ready",
			federation.StatusRuleSpec{Ready: `true`, ReadyReplicas: `object.status`},
			`{"status":1.5}`,
			Outcome{State: "Progressing"},
			"readyReplicas gave 1.5, which is no int",
		},
		{"a message that goes wrong", federation.StatusRuleSpec{Ready: `true`, Message: `object.status`}, `{}`, Outcome{State: "Ready"}, "message: no such key: status"},
		{"a whole number as a double", counted, `{"spec":{"instances":2.0},"status":{"ready":2.0}}`, Outcome{State: "Ready", Ready: 2, Counted: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, err := new(Compiler).Rule(c.rule)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rule.Evaluate(decoded(t, c.object))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			switch {
			case c.wrong == "" && err != nil:
				t.Error(err)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("error %v: want %q", err, c.wrong)
			}
		})
	}
}

func TestRuleIsRefused(t *testing.T) {
	for _, c := range []struct {
		rule federation.StatusRuleSpec
		want string
	}{
		{federation.StatusRuleSpec{}, "it tells no state"},
		{federation.StatusRuleSpec{Replicas: "1"}, "it tells no state"},
		{federation.StatusRuleSpec{Ready: `object.status.phase ==`}, "ready: 1:23: Syntax error"},
		{federation.StatusRuleSpec{Ready: `"yes"`}, "ready returns string: want bool"},
		{federation.StatusRuleSpec{Ready: `true`, ReadyReplicas: `1.5`}, "readyReplicas returns double: want int"},
		{federation.StatusRuleSpec{Ready: `true`, Message: `1 + 1`}, "message returns int: want string"},
		{federation.StatusRuleSpec{Ready: `status.phase == "up"`}, "undeclared reference to 'status'"},
		{federation.StatusRuleSpec{Ready: `object.spec.phase`}, ""}, // only its evaluation tells what phase is
		{federation.StatusRuleSpec{Ready: `"a".matches("[")`}, "invalid matches argument"},
		{federation.StatusRuleSpec{Ready: "true || " + strings.Repeat(" ", MaxText) + "false"}, "at most 4096 are possible"},
		{federation.StatusRuleSpec{Ready: strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200)}, "recursion"},
	} {
		_, err := new(Compiler).Rule(c.rule)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+.60v: %v", c.rule, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+.60v: got %v, want %q", c.rule, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("not one line: %v", err)
		}
	}
}

// TestCostIsBounded: four nested loops over a thousand items would run for hours.
func TestCostIsBounded(t *testing.T) {
	rule, err := new(Compiler).Rule(federation.StatusRuleSpec{
		Ready: `object.a.all(w, object.a.all(x, object.a.all(y, object.a.all(z, w + x + y + z >= 0))))`,
	})
	if err != nil {
		t.Fatal(err)
	}
	items := make([]any, 1000)
	for i := range items {
		items[i] = int64(i)
	}
	out, err := rule.Evaluate(map[string]any{"a": items})
	if err == nil || !strings.Contains(err.Error(), "cost limit exceeded") || out.State != federation.WorkProgressing {
		t.Fatalf("got %+v and %v: want the cost limit", out, err)
	}
}

func TestConditionHolds(t *testing.T) {
	member := MemberOf(
		federation.MemberSpec{Name: "tokyo", Labels: map[string]string{"tier": "gold"}, Place: federation.Place{Region: "ap-northeast", Zone: "ap-northeast-1a", Provider: "onprem"}},
		federation.MemberFacts{Nodes: 3, Kinds: []string{"apps/v1/Deployment"}, KubernetesVersion: "v1.37.2", NodeKind: "simulated"},
	)
	object := map[string]any{"kind": "Deployment", "spec": map[string]any{"replicas": json.Number("4"), "ratio": json.Number("0.5")}}
	compiler := &Compiler{}
	for text, want := range map[string]bool{
		`member.region == "ap-northeast" && member.labels.tier == "gold"`: true,
		`member.?labels[?"rack"].orValue("") == "7"`:                      false,
		`"apps/v1/Deployment" in member.kinds && member.nodes > 2`:        true,
		`member.name.startsWith("tok") && member.provider != "aws"`:       true,
		`object.kind == "Deployment" && object.spec.replicas >= 4`:        true,
		`object.spec.ratio < 0.5`:                                         false,
	} {
		condition, err := compiler.Condition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := condition.Holds(member, object); err != nil || got != want {
			t.Errorf("%s: got %v and %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`member.regio == "eu"`: "undefined field 'regio'",
		`member.region`:        "when returns string: want bool",
		`cluster.name == "a"`:  "undeclared reference to 'cluster'",
	} {
		if _, err := compiler.Condition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	condition, err := compiler.Condition(`member.labels.rack == "7"`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := condition.Holds(member, object); err == nil || !strings.Contains(err.Error(), "when: no such key: rack") {
		t.Errorf("got %v: want the label that is missing", err)
	}
}

// FuzzRule: whatever users write is compiled or refused, and what is compiled gives an
// outcome or an error.
func FuzzRule(f *testing.F) {
	f.Add(`object.status.phase == "up"`, `size(object.spec.list)`, `"%s".format([object.kind])`)
	f.Add(`has(object.a.b) && object.a.b.all(x, x > 1)`, `int(object.n) / 0`, `math.greatest(1, 2) == 2 ? "a" : "b"`)
	f.Fuzz(func(t *testing.T, ready, counted, message string) {
		rule, err := new(Compiler).Rule(federation.StatusRuleSpec{Ready: ready, ReadyReplicas: counted, Message: message})
		if err != nil {
			return
		}
		out, err := rule.Evaluate(map[string]any{"kind": "A", "n": int64(1), "spec": map[string]any{"list": []any{1.5, "x", nil, true}}})
		if err != nil && out.State == federation.WorkReady && strings.HasPrefix(err.Error(), "ready") {
			t.Fatalf("ready in spite of %v", err)
		}
	})
}
