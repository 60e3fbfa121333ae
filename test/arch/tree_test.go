package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hansa-io/hansa"

// root is the top of the repository, seen from this folder.
const root = "../.."

// source is one parsed Go file. Paths are slash-separated and relative to root.
type source struct {
	path string // "federation/hub/hub.go"
	dir  string // "federation/hub"; "." for the root
	text []byte
	set  *token.FileSet
	file *ast.File
}

func (s *source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) generated() bool { return ast.IsGenerated(s.file) }

func (s *source) line(pos token.Pos) int { return s.set.Position(pos).Line }

// lines is how many lines a node covers.
func (s *source) lines(n ast.Node) int { return s.line(n.End()) - s.line(n.Pos()) + 1 }

// finding is one breach of a law.
type finding struct {
	law     string // "function-lines"
	path    string // the file
	line    int
	subject string // what breaks it, stable when lines move: "Hub.execute"
	size    int    // the measure; 0 for laws that are kept or not
	text    string // what is wrong and what to do
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s (%s %s)", f.path, f.line, f.text, f.law, f.subject)
}

// parse reads one file from memory.
func parse(name string, text []byte) (*source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{path: name, dir: path.Dir(name), text: text, set: set, file: file}, nil
}

// tree parses every Go file of the module that a build could use.
func tree(t *testing.T) []*source {
	t.Helper()
	var all []*source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipped(name, entry.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(relative), text)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func skipped(name, base string) error {
	hidden := strings.HasPrefix(base, ".") && name != root
	if hidden || base == "testdata" || base == "bin" || base == "zz_scratch" {
		return filepath.SkipDir
	}
	return nil
}

// code is the tree without tests and generated files: what the budgets are about.
func code(t *testing.T) []*source {
	t.Helper()
	return slices.DeleteFunc(tree(t), func(s *source) bool { return s.test() || s.generated() })
}

// snippet parses a breach that a law has to see.
func snippet(t *testing.T, name, text string) *source {
	t.Helper()
	s, err := parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// subjects lists what the findings are about.
func subjects(findings []finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.subject)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
