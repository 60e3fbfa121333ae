package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// covers reports whether a pattern ("dir", "dir/..." or "...") names dir.
func covers(pattern, dir string) bool {
	if pattern == "..." || pattern == dir {
		return true
	}
	stem, all := strings.CutSuffix(pattern, "/...")
	return all && (dir == stem || strings.HasPrefix(dir, stem+"/"))
}

func anyCovers(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, dir) })
}

func rowOf(dir string) (row, bool) {
	i := slices.IndexFunc(table, func(r row) bool { return covers(r.dir, dir) })
	if i < 0 {
		return row{}, false
	}
	return table[i], true
}

// dependencyOf finds the row of a module's package with the longest prefix.
func dependencyOf(name string) (dependency, bool) {
	var best dependency
	for _, d := range dependencies {
		if (name == d.prefix || strings.HasPrefix(name, d.prefix+"/")) && len(d.prefix) > len(best.prefix) {
			best = d
		}
	}
	return best, best.prefix != ""
}

// importLaw checks every import of one file against the three tables. What tests
// import of this module is free; modules are restricted in tests as well, except
// those that only tests may use.
func importLaw(s *source) []finding {
	r, ok := rowOf(s.dir)
	if !ok {
		return []finding{{law: "import", path: s.path, line: 1, subject: s.dir, text: "package " + s.dir + " has no row in the import law: decide its layer"}}
	}
	var out []finding
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser accepted it
		}
		if text := refusal(s, r, name); text != "" {
			out = append(out, finding{law: "import", path: s.path, line: s.line(spec.Pos()), subject: name, text: text})
		}
	}
	return out
}

// refusal says why the package of file s may not import name; empty when it may.
func refusal(s *source, r row, name string) string {
	own, isOwn := strings.CutPrefix(name, module+"/")
	switch {
	case isOwn && s.test():
		return ""
	case isOwn:
		return ownRefusal(s.dir, r, own)
	case strings.Contains(strings.Split(name, "/")[0], "."):
		return moduleRefusal(s, name)
	case !s.test() && r.kind <= pure && !slices.Contains(pureStandard, name):
		return fmt.Sprintf("pure package %s imports %s", s.dir, name)
	}
	return ""
}

func ownRefusal(dir string, r row, own string) string {
	for _, edge := range never {
		if covers(edge.from, dir) && covers(edge.to, own) {
			return fmt.Sprintf("%s imports %s: %s", dir, own, edge.because)
		}
	}
	if own == "federation" || anyCovers(r.may, own) {
		return ""
	}
	return fmt.Sprintf("%s imports %s, which its row does not permit", dir, own)
}

func moduleRefusal(s *source, name string) string {
	d, ok := dependencyOf(name)
	switch {
	case !ok:
		return fmt.Sprintf("%s has no row in the table of dependencies: say who may import it, and why", name)
	case anyCovers(d.by, s.dir), strings.HasPrefix(s.dir, "test/"), s.test() && d.by == nil:
		return ""
	case d.by == nil && path.Base(s.dir) == "messagingtest":
		return ""
	}
	return fmt.Sprintf("%s imports %s, which only %v may: %s", s.dir, name, d.by, d.because)
}

func TestImports(t *testing.T) {
	var found []finding
	for _, s := range tree(t) {
		if !s.generated() {
			found = append(found, importLaw(s)...)
		}
	}
	judge(t, "import", found)
}

func TestImportLawSeesBreaches(t *testing.T) {
	for _, c := range []struct{ file, imports, refused string }{
		{"gateway/route/a.go", "time", ""},
		{"gateway/route/a.go", "os", "os"},
		{"gateway/route/a.go", "sync", "sync"},
		{"gateway/route/a.go", module + "/placement", module + "/placement"},
		{"gateway/route/a.go", module + "/federation", ""},
		{"gateway/route/a_test.go", module + "/messaging/inproc", ""},
		{"gateway/route/a_test.go", "pgregory.net/rapid", ""},
		{"gateway/route/a.go", "pgregory.net/rapid", "pgregory.net/rapid"},
		{"gateway/serve.go", module + "/federation/hub", module + "/federation/hub"},
		{"gateway/serve.go", "github.com/nats-io/nats.go", "github.com/nats-io/nats.go"},
		{"gateway/serve_test.go", "github.com/nats-io/nats.go", "github.com/nats-io/nats.go"},
		{"messaging/nats/kv.go", "github.com/nats-io/nats.go/jetstream", ""},
		{"member/agent.go", "k8s.io/client-go/rest", "k8s.io/client-go/rest"},
		{"member/kube/kube.go", "k8s.io/client-go/rest", ""},
		{"member/kube/kube.go", "k8s.io/kubernetes/pkg/api", "k8s.io/kubernetes/pkg/api"},
		{"main.go", module + "/member/cluster", module + "/member/cluster"},
		{"common/a.go", "fmt", "common"},
		{"main.go", "example.org/new", "example.org/new"},
	} {
		s := snippet(t, c.file, "package x\nimport _ "+strconv.Quote(c.imports))
		if got := strings.Join(subjects(importLaw(s)), " "); got != c.refused {
			t.Errorf("%s imports %s: refused %q, want %q", c.file, c.imports, got, c.refused)
		}
	}
}

// importedAs returns the name under which a file uses package name, or "".
func importedAs(file *ast.File, name string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(name) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(name)
	}
	return ""
}
