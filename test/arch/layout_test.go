package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/test/script"
)

// top is all that may stand at the top of the repository, dot files aside.
var top = []string{
	"LICENSE", "Makefile", "README.md", "configs", "federation", "gateway", "go.mod", "go.sum",
	"main.go", "member", "messaging", "placement", "test",
	"bin", // built, ignored by git
}

// vague are names that say nothing about what a package is for.
var vague = []string{"util", "utils", "common", "pkg", "types", "helpers", "internal", "misc", "shared", "base"}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var found []finding
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(top, e.Name()) {
			found = append(found, finding{law: "top", path: e.Name(), subject: e.Name(), text: "not one of the names that stand at the top"})
		}
	}
	judge(t, "top", found)
}

func TestPackageNamesSaySomething(t *testing.T) {
	for _, s := range tree(t) {
		if slices.Contains(vague, s.file.Name.Name) || slices.Contains(vague, filepath.Base(s.dir)) {
			t.Errorf("%s: name the package after its idea", s.path)
		}
	}
}

// linked lists the packages of a binary that begin with one of the prefixes.
func linked(t *testing.T, dir string, prefixes ...string) []string {
	t.Helper()
	command := exec.Command("go", "list", "-deps", "./"+dir)
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list -deps ./%s: %v", dir, err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
}

func TestHansaLinksNoControlPlane(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "main.go")); err != nil {
		t.Skip("main.go is not there")
	}
	got := linked(t, ".", "k8s.io/kubernetes", "k8s.io/apiserver", "go.etcd.io/etcd", "sigs.k8s.io/kwok")
	if len(got) > 0 {
		t.Errorf("the hansa binary links %v", got)
	}
}

func TestCommandLineStaysLight(t *testing.T) {
	got := linked(t, "gateway/cli", "k8s.io/", "sigs.k8s.io/controller-runtime", "github.com/nats-io")
	if len(got) > 0 {
		t.Errorf("gateway/cli links %v: it talks to the gateway only", got)
	}
}

func TestReadmeCommandsAreTestedOrSayWhyNot(t *testing.T) {
	for _, name := range []string{"README.md", "configs/README.md", "gateway/README.md", "test/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) && name != "README.md" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := script.Snippets(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
