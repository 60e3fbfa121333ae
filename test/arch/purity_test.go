package arch

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// clock is what package time has besides values: reading it makes a decision
// depend on something that is not in its arguments.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// impure is what a pure package must not use, by package.
var impure = map[string][]string{
	"time": clock,
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// purityLaw finds what the import law cannot see: clock reads, timers, goroutines,
// channels and standard output.
func purityLaw(s *source) []finding {
	names := map[string]string{}
	for name := range impure {
		if as := importedAs(s.file, name); as != "" {
			names[as] = name
		}
	}
	var out []finding
	add := func(n ast.Node, subject string) {
		out = append(out, finding{
			law: "pure", path: s.path, line: s.line(n.Pos()), subject: subject,
			text: "pure package uses " + subject + ": take it as an argument, or return it as an effect",
		})
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if subject := impurity(n, names); subject != "" {
			add(n, subject)
		}
		return true
	})
	return out
}

// impurity names what a node does that a pure package must not; names maps the
// local names of the packages in impure to their paths.
func impurity(n ast.Node, names map[string]string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "go"
	case *ast.SelectStmt:
		return "select"
	case *ast.ChanType:
		return "chan"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "<-"
		}
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		if !ok {
			return ""
		}
		if name := names[x.Name]; name != "" && slices.Contains(impure[name], n.Sel.Name) {
			return name + "." + n.Sel.Name
		}
	}
	return ""
}

func TestPurePackagesArePure(t *testing.T) {
	var found []finding
	for _, s := range code(t) {
		if r, ok := rowOf(s.dir); ok && r.kind <= pure {
			found = append(found, purityLaw(s)...)
		}
	}
	judge(t, "pure", found)
}

func TestPurityLawSeesBreaches(t *testing.T) {
	s := snippet(t, "placement/a.go", `package placement
import ("fmt"; clock "time")
func f(c chan int) {
	go f(c)
	select {}
	<-c
	fmt.Println(clock.Now(), clock.Second, fmt.Sprint())
}`)
	if got, want := strings.Join(subjects(purityLaw(s)), " "), "<- chan fmt.Println go select time.Now"; got != want {
		t.Errorf("sees %q, want %q", got, want)
	}
}

// sleepLaw finds waiting by the clock in tests: wait for the state instead.
func sleepLaw(s *source) []finding {
	as := importedAs(s.file, "time")
	if as == "" {
		return nil
	}
	var out []finding
	ast.Inspect(s.file, func(n ast.Node) bool {
		if impurity(n, map[string]string{as: "time"}) == "time.Sleep" {
			out = append(out, finding{
				law: "sleep", path: s.path, line: s.line(n.Pos()), subject: "time.Sleep",
				text: "a test sleeps: wait for the state, in a synctest bubble or on a channel",
			})
		}
		return true
	})
	return out
}

func TestTestsDoNotSleep(t *testing.T) {
	var found []finding
	for _, s := range tree(t) {
		if s.test() || strings.HasPrefix(s.dir, "test/") || s.dir == "messaging/messagingtest" {
			found = append(found, sleepLaw(s)...)
		}
	}
	judge(t, "sleep", found)
}

func TestSleepLawSeesBreaches(t *testing.T) {
	s := snippet(t, "a/a_test.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(time.Second) }")
	if len(sleepLaw(s)) != 1 {
		t.Error("time.Sleep in a test is not seen")
	}
}
