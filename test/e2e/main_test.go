package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// binaries is the directory for what this run builds.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hansa-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	return m.Run()
}

// clusterBinary returns the path of hansa-cluster: HANSA_CLUSTER_BIN, or a
// build of this tree.
var clusterBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("HANSA_CLUSTER_BIN"); path != "" {
		return filepath.Abs(path)
	}
	flags, err := output("make", "-s", "-C", root, "-f", "member/cluster/version.mk",
		"--eval", "print-flags: ; @echo '$(HANSA_CLUSTER_LDFLAGS)'", "print-flags")
	if err != nil {
		return "", err
	}
	path := filepath.Join(binaries, "hansa-cluster")
	_, err = output("go", "build", "-C", root, "-o", path, "-ldflags", strings.TrimSpace(flags), "./member/cmd/hansa-cluster")
	return path, err
})

// root is the root of this tree, from the directory of this package.
const root = "../.."

func output(name string, arguments ...string) (string, error) {
	command := exec.Command(name, arguments...)
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w: %s", strings.Join(command.Args, " "), err, complaint.String())
	}
	return string(out), nil
}
