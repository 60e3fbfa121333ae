package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// maxDocLines is the most that a package doc may have; a longer one hides what
// it says.
const maxDocLines = 60

// packageDocLaw wants exactly one doc in each package that people write, which
// begins as Go's tools expect.
func packageDocLaw(files []*source) []finding {
	var docs []*source
	for _, s := range files {
		if s.file.Doc != nil && !s.generated() {
			docs = append(docs, s)
		}
	}
	first := files[0]
	f := finding{law: "package-doc", path: first.path, line: 1, subject: first.dir}
	switch {
	case len(docs) == 0:
		f.text = "package without a doc: say in doc.go what it is for"
	case len(docs) > 1:
		f.path, f.text = docs[1].path, "second package doc; the first is in "+docs[0].path
	default:
		f.path, f.text = docs[0].path, docText(docs[0])
	}
	if f.text == "" {
		return nil
	}
	return []finding{f}
}

// docText says what is wrong with the one doc of a package.
func docText(s *source) string {
	want := "Package " + s.file.Name.Name + " "
	if s.file.Name.Name == "main" {
		want = "Command "
	}
	text := s.file.Doc.Text()
	switch {
	case !strings.HasPrefix(text, want):
		return fmt.Sprintf("package doc does not begin with %q", want)
	case strings.Count(text, "\n") > maxDocLines:
		return fmt.Sprintf("package doc of %d lines, and %d is the budget", strings.Count(text, "\n"), maxDocLines)
	}
	return ""
}

// exportedDocLaw wants a doc for each exported identifier. In a group of
// constants or variables the doc of the group is enough.
func exportedDocLaw(s *source) []finding {
	var out []finding
	add := func(n ast.Node, subject string) {
		out = append(out, finding{law: "exported-doc", path: s.path, line: s.line(n.Pos()), subject: subject, text: "exported and without a doc"})
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				add(d, functionName(d))
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if name := undocumented(d, spec); name != "" {
					add(spec, name)
				}
			}
		}
	}
	return out
}

// exportedReceiver reports whether users of the package can see the function: it
// has no receiver, or an exported one.
func exportedReceiver(f *ast.FuncDecl) bool {
	return f.Recv == nil || ast.IsExported(strings.Split(functionName(f), ".")[0])
}

// undocumented returns the exported name of a spec that has no doc.
func undocumented(d *ast.GenDecl, spec ast.Spec) string {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
			return spec.Name.Name
		}
	case *ast.ValueSpec:
		if spec.Doc != nil || spec.Comment != nil || d.Doc != nil {
			return ""
		}
		if i := slices.IndexFunc(spec.Names, (*ast.Ident).IsExported); i >= 0 {
			return spec.Names[i].Name
		}
	}
	return ""
}

func TestPackagesAreDocumented(t *testing.T) {
	packages := map[string][]*source{}
	for _, s := range tree(t) {
		external := strings.HasSuffix(s.file.Name.Name, "_test")
		if !external {
			packages[s.dir] = append(packages[s.dir], s)
		}
	}
	var found []finding
	for _, files := range packages {
		if slices.ContainsFunc(files, func(s *source) bool { return !s.generated() }) {
			found = append(found, packageDocLaw(files)...)
		}
	}
	judge(t, "package-doc", found)
}

func TestExportedIdentifiersAreDocumented(t *testing.T) {
	var found []finding
	for _, s := range code(t) {
		found = append(found, exportedDocLaw(s)...)
	}
	judge(t, "exported-doc", found)
}

func TestDocLawsSeeBreaches(t *testing.T) {
	for text, want := range map[string]string{
		"package a":                        "without a doc",
		"// About a.\npackage a":           "does not begin with",
		"// Package a does.\npackage a":    "",
		"// Command a does.\npackage main": "",
		"// Package a does.\n" + strings.Repeat("//\n// x\n", 31) + "package a": "is the budget",
	} {
		found := packageDocLaw([]*source{snippet(t, "a/a.go", text)})
		got := ""
		if len(found) > 0 {
			got = found[0].text
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	s := snippet(t, "a/a.go", `package a
const A = 1
const B = 1 // B is
var ( C = 1; d = 2 )
type E struct{}
func F() {}
func (E) G() {}
func (h) H() {}
func (*E) i() {}
// J is.
type J int`)
	if got, want := strings.Join(subjects(exportedDocLaw(s)), " "), "A C E E.G F"; got != want {
		t.Errorf("sees %q, want %q", got, want)
	}
}
