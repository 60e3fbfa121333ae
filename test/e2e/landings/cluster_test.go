package landings

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// bin is where make build and make tools put what they make.
const bin = "../../../bin"

// Bounds that no healthy run comes near, also on a busy machine.
const (
	startBound  = 2 * time.Minute
	settleBound = time.Minute
)

// startCluster runs hansa-cluster until the test ends and returns a kubeconfig of an
// administrator.
func startCluster(t testing.TB, nodes config.Nodes) string {
	t.Helper()
	binary := os.Getenv("HANSA_CLUSTER_BIN")
	if binary == "" {
		binary = filepath.Join(bin, "hansa-cluster")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("no hansa-cluster: run make build tools, or set HANSA_CLUSTER_BIN: %v", err)
	}
	dir := t.TempDir()
	cfg := config.Config{Name: "tokyo", DataDir: filepath.Join(dir, "data"), Nodes: nodes}
	text, err := cfg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "--config", file)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), `msg="control plane ready"`) {
				close(ready)
			}
		}
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatal("hansa-cluster ended before it was ready")
	case <-time.After(startBound):
		t.Fatalf("hansa-cluster was not ready in %s", startBound)
	}
	return filepath.Join(cfg.DataDir, "admin.kubeconfig")
}
