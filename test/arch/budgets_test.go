package arch

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

// The budgets. They hold for code that people write and that ships; a long table
// in a test harms nobody, a long file of tests does.
const (
	maxFileLines        = 400
	maxFunctionLines    = 60
	maxNesting          = 3
	maxParameters       = 4 // without receiver and context
	maxInterfaceMethods = 5
	shortFunction       = 30
	shareOfShort        = 0.9
)

func over(s *source, law string, n ast.Node, subject string, size, limit int) []finding {
	if size <= limit {
		return nil
	}
	return []finding{{
		law: law, path: s.path, line: s.line(n.Pos()), subject: subject, size: size,
		text: fmt.Sprintf("%d, and %d is the budget", size, limit),
	}}
}

func fileLaw(s *source) []finding {
	return over(s, "file-lines", s.file, s.file.Name.Name, strings.Count(string(s.text), "\n"), maxFileLines)
}

// functions lists the functions and methods of a file that have a body.
func functions(s *source) []*ast.FuncDecl {
	var out []*ast.FuncDecl
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			out = append(out, f)
		}
	}
	return out
}

// functionName is "Hub.execute", or "New" for a function.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	return receiverName(f.Recv.List[0].Type) + "." + f.Name.Name
}

func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

func functionLaw(s *source) []finding {
	var out []finding
	for _, f := range functions(s) {
		name := functionName(f)
		out = append(out, over(s, "function-lines", f, name, s.lines(f), maxFunctionLines)...)
		out = append(out, over(s, "nesting", f, name, deepest(f.Body), maxNesting)...)
		out = append(out, over(s, "parameters", f, name, parameters(f.Type), maxParameters)...)
	}
	return out
}

// deepest is how many if, for, switch and select lie in one another. An else-if
// is no level of its own; a function literal starts again at zero.
func deepest(body *ast.BlockStmt) int {
	most := 0
	var walk func(n ast.Node, level int)
	walk = func(n ast.Node, level int) {
		most = max(most, level)
		ast.Inspect(n, func(c ast.Node) bool {
			switch c := c.(type) {
			case nil:
				return false
			case *ast.FuncLit:
				most = max(most, deepest(c.Body))
				return false
			case *ast.IfStmt:
				if c == n {
					return true
				}
				walkIf(c, level+1, walk)
				return false
			case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
				if c == n {
					return true
				}
				walk(c, level+1)
				return false
			}
			return true
		})
	}
	walk(body, 0)
	return most
}

// walkIf walks a chain of if and else-if at one level.
func walkIf(c *ast.IfStmt, level int, walk func(ast.Node, int)) {
	walk(c.Body, level)
	switch e := c.Else.(type) {
	case *ast.IfStmt:
		walkIf(e, level, walk)
	case *ast.BlockStmt:
		walk(e, level)
	}
}

// parameters counts what a caller has to keep apart: not a context, which always
// comes first, and not the test.
func parameters(f *ast.FuncType) int {
	count := 0
	for _, field := range f.Params.List {
		if sel, ok := unstar(field.Type).(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "context" || x.Name == "testing") {
				continue
			}
		}
		count += max(1, len(field.Names))
	}
	return count
}

func unstar(e ast.Expr) ast.Expr {
	if star, ok := e.(*ast.StarExpr); ok {
		return star.X
	}
	return e
}

func interfaceLaw(s *source) []finding {
	var out []finding
	ast.Inspect(s.file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if i, ok := spec.Type.(*ast.InterfaceType); ok {
			out = append(out, over(s, "interface-methods", spec, spec.Name.Name, i.Methods.NumFields(), maxInterfaceMethods)...)
		}
		return true
	})
	return out
}

func TestBudgets(t *testing.T) {
	byLaw := map[string][]finding{"file-lines": nil, "function-lines": nil, "nesting": nil, "parameters": nil, "interface-methods": nil}
	add := func(found []finding) {
		for _, f := range found {
			byLaw[f.law] = append(byLaw[f.law], f)
		}
	}
	for _, s := range tree(t) {
		if s.generated() {
			continue
		}
		add(fileLaw(s))
		if !s.test() {
			add(functionLaw(s))
			add(interfaceLaw(s))
		}
	}
	for law, found := range byLaw {
		t.Run(law, func(t *testing.T) { judge(t, law, found) })
	}
}

func TestMostFunctionsAreShort(t *testing.T) {
	all, short := 0, 0
	for _, s := range code(t) {
		for _, f := range functions(s) {
			all++
			if s.lines(f) < shortFunction {
				short++
			}
		}
	}
	if share := float64(short) / float64(all); share < shareOfShort {
		t.Errorf("%.1f %% of %d functions have less than %d lines, and %.0f %% is the budget", 100*share, all, shortFunction, 100*shareOfShort)
	}
}

func TestBudgetLawsSeeBreaches(t *testing.T) {
	long := "package a\nfunc (l *List[T]) F() {\n" + strings.Repeat("\t_ = 0\n", 60) + "}\n"
	if got := functionLaw(snippet(t, "a/a.go", long)); len(got) != 1 || got[0].subject != "List.F" || got[0].size != 62 {
		t.Errorf("a function of 62 lines gives %v", got)
	}
	if got := fileLaw(snippet(t, "a/a.go", "package a\n"+strings.Repeat("\n", 400))); len(got) != 1 {
		t.Errorf("a file of 401 lines gives %v", got)
	}
	wide := "package a\ntype I interface { A(); B(); C(); D(); E(); F() }\nfunc G(ctx context.Context, a, b, c, d int, t *testing.T) {}\nfunc H(a, b, c, d, e int) {}\n"
	s := snippet(t, "a/a.go", wide)
	if got := strings.Join(subjects(append(functionLaw(s), interfaceLaw(s)...)), " "); got != "H I" {
		t.Errorf("six methods and five parameters give %q", got)
	}
}

func TestNestingIsCounted(t *testing.T) {
	for body, want := range map[string]int{
		"":                                                0,
		"if a { } else if b { } else { }":                 1,
		"for { if a { switch b { case 1: } } }":           3,
		"if a { } else { for { } }":                       2,
		"for { f(func() { if a { } }) }":                  1,
		"switch { case a: if b { } }":                     2,
		"for { if a { } else if b { for { if c { } } } }": 4,
	} {
		s := snippet(t, "a/a.go", "package a\nfunc f() {\n"+body+"\n}")
		if got := deepest(functions(s)[0].Body); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
}
