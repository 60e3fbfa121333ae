package e2e

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// Bounds that no healthy run comes near, also on a busy machine.
const (
	startBound  = 2 * time.Minute
	stopBound   = 30 * time.Second
	settleBound = time.Minute
)

// clusterProcess is a running hansa-cluster.
type clusterProcess struct {
	command *exec.Cmd
	ready   chan struct{} // closed by the line that says so
	exited  chan struct{} // closed after err is set
	err     error

	mu    sync.Mutex
	lines []string // stderr
}

// writeConfig writes a configuration file for cfg and returns its path.
func writeConfig(t *testing.T, cfg config.Config) string {
	t.Helper()
	data, err := cfg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startCluster starts hansa-cluster with the file and waits until it says that
// it is ready. It is killed with the test at the latest.
func startCluster(t *testing.T, file string) *clusterProcess {
	t.Helper()
	p := launch(t, "--config", file)
	select {
	case <-p.ready:
	case <-p.exited:
		t.Fatalf("hansa-cluster ended: %v\n%s", p.err, p.stderr())
	case <-time.After(startBound):
		t.Fatalf("hansa-cluster was not ready in %s\n%s", startBound, p.stderr())
	}
	return p
}

func launch(t *testing.T, arguments ...string) *clusterProcess {
	t.Helper()
	binary, err := clusterBinary()
	if err != nil {
		t.Fatal(err)
	}
	p := &clusterProcess{
		command: exec.Command(binary, arguments...),
		ready:   make(chan struct{}),
		exited:  make(chan struct{}),
	}
	pipe, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(pipe)
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.exited
	})
	return p
}

// follow reads stderr to its end and then the exit status.
func (p *clusterProcess) follow(pipe io.Reader) {
	defer close(p.exited)
	announced := sync.OnceFunc(func() { close(p.ready) })
	scanner := bufio.NewScanner(pipe)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, scanner.Text())
		p.mu.Unlock()
		if strings.Contains(scanner.Text(), `msg="control plane ready"`) {
			announced()
		}
	}
	p.err = p.command.Wait()
}

func (p *clusterProcess) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// signal sends sig and returns the exit code, -1 when a signal ended it.
func (p *clusterProcess) signal(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	if err := p.command.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

// wait returns the exit code.
func (p *clusterProcess) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(stopBound):
		t.Fatalf("hansa-cluster did not end in %s\n%s", stopBound, p.stderr())
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		t.Fatal(p.err)
	}
	return p.command.ProcessState.ExitCode()
}

// clientConfig returns the client configuration in a file of the data directory.
func clientConfig(t *testing.T, path string) *rest.Config {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = -1, -1
	return cfg
}

func newClient(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(clientConfig(t, kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// bounded returns a context that ends with the test and after settleBound.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleBound)
	t.Cleanup(cancel)
	return ctx
}
