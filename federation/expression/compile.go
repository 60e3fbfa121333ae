package expression

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

// Bounds of an expression.
const (
	// MaxText is how long an expression may be, in bytes.
	MaxText = 4096
	// maxDepth bounds how deep its parts may be nested.
	maxDepth = 50
	// maxCost bounds one evaluation, in CEL's units: about 10 ms of a core. Kubernetes
	// gives an expression ten times as much.
	maxCost = 100_000
	// mostKept bounds what a Compiler keeps for when it is asked again.
	mostKept = 1000
)

// Compiler compiles rules and conditions. The zero value is one.
type Compiler struct {
	rules, conditions *cel.Env // made when they are needed
	kept              map[string]*Condition
}

// program is one compiled expression.
type program struct {
	name string // of the field that it stands in
	run  cel.Program
}

// object is the variable that both uses know.
func object() cel.EnvOption { return cel.Variable("object", cel.MapType(cel.StringType, cel.DynType)) }

// dialect is what expressions may call.
func dialect() []cel.EnvOption {
	return []cel.EnvOption{
		cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true),
		cel.EagerlyValidateDeclarations(true), cel.ExtendedValidations(), cel.ParserRecursionLimit(maxDepth), cel.ParserExpressionSizeLimit(MaxText),
		ext.Strings(), ext.Lists(), ext.Sets(), ext.Math(), ext.Regex(), object(),
	}
}

func (c *Compiler) ruleEnv() (*cel.Env, error) {
	if c.rules != nil {
		return c.rules, nil
	}
	env, err := cel.NewEnv(dialect()...)
	c.rules = env
	return env, err
}

func (c *Compiler) conditionEnv() (*cel.Env, error) {
	if c.conditions != nil {
		return c.conditions, nil
	}
	env, err := cel.NewEnv(append(dialect(),
		ext.NativeTypes(reflect.TypeFor[Member](), ext.ParseStructTags(true)),
		cel.Variable("member", cel.ObjectType("expression.Member")),
	)...)
	c.conditions = env
	return env, err
}

// compile checks that an expression returns what is wanted, or something whose type only
// its evaluation tells.
func compile(env *cel.Env, name, text string, want *cel.Type) (program, error) {
	if len(text) > MaxText {
		return program{}, fmt.Errorf("%s has %d bytes: at most %d are possible", name, len(text), MaxText)
	}
	ast, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return program{}, fmt.Errorf("%s: %s", name, plain(err))
	}
	if got := ast.OutputType(); got.Kind() != types.DynKind && !want.IsAssignableType(got) {
		return program{}, fmt.Errorf("%s returns %s: want %s", name, got, want)
	}
	run, err := env.Program(ast, cel.CostLimit(maxCost))
	if err != nil {
		return program{}, fmt.Errorf("%s: %s", name, plain(err))
	}
	return program{name: name, run: run}, nil
}

// plain says in one line what CEL says in a picture of several.
func plain(err error) string {
	var out []string
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "|") {
			continue
		}
		line = strings.ReplaceAll(strings.TrimPrefix(line, "ERROR: <input>:"), " (in container '')", "")
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

// eval returns what the expression gives for the variables.
func (p program) eval(vars map[string]any) (any, error) {
	v, _, err := p.run.Eval(vars)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", p.name, plain(err))
	}
	return v.Value(), nil
}

func (p program) bool(vars map[string]any) (bool, error) {
	v, err := p.eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, p.wrong(v, "bool")
	}
	return b, nil
}

func (p program) number(vars map[string]any) (int64, error) {
	v, err := p.eval(vars)
	if err != nil {
		return 0, err
	}
	switch n := v.(type) {
	case int64:
		return n, nil
	case float64:
		if n == float64(int64(n)) {
			return int64(n), nil
		}
	}
	return 0, p.wrong(v, "int")
}

func (p program) text(vars map[string]any) (string, error) {
	v, err := p.eval(vars)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", p.wrong(v, "string")
	}
	return s, nil
}

func (p program) wrong(v any, want string) error {
	return fmt.Errorf("%s gave %.40v, which is no %s", p.name, v, want)
}
