// Package kubelet is what an API server asks of a node, for tests: logs, exec and
// port-forward, by the real protocols of streaming. Simulated nodes have nothing that
// answers. The containers are simulated: their one log is written by the test, and what
// is run in them is run on this machine.
package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// Kubelet answers for one node.
type Kubelet struct {
	server *httptest.Server
	// Dir is where commands run.
	Dir string

	mu    sync.Mutex
	lines []string      // of every container's log, with their times
	more  chan struct{} // closed with the next line
}

// New starts one, which ends with the test.
func New(t testing.TB) *Kubelet {
	t.Helper()
	k := &Kubelet{Dir: t.TempDir(), more: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", k.logs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(w, r, k, r.PathValue("pod"), "", r.PathValue("container"), r.URL.Query()["command"], options,
			time.Minute, time.Minute, remotecommand.SupportedStreamingProtocols)
	})
	mux.HandleFunc("/portForward/{namespace}/{pod}", func(w http.ResponseWriter, r *http.Request) {
		options, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, r, k, r.PathValue("pod"), "", options, time.Minute, time.Minute, portforward.SupportedProtocols)
	})
	k.server = httptest.NewTLSServer(mux)
	t.Cleanup(func() {
		k.server.CloseClientConnections()
		k.server.Close()
	})
	return k
}

// Node is the Node "stub", which leads here.
func (k *Kubelet) Node() string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stub"}, "status": {
		"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": %d}}}}`,
		k.server.Listener.Addr().(*net.TCPAddr).Port)
}

// Write adds a line to every log.
func (k *Kubelet) Write(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, time.Now().UTC().Format(time.RFC3339Nano)+" "+line)
	close(k.more)
	k.more = make(chan struct{})
}

// Cut ends every stream, as containers that start again do.
func (k *Kubelet) Cut() { k.server.CloseClientConnections() }

// next returns the lines from the one with the number on, and what is closed when
// there are more.
func (k *Kubelet) next(from int) ([]string, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines[from:], k.more
}

func (k *Kubelet) logs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	sent, _ := k.next(0)
	count := max(0, len(sent)-atoi(q.Get("tailLines"), len(sent)))
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	for {
		lines, more := k.next(count)
		count += len(lines)
		for _, line := range lines {
			stamp, text, _ := strings.Cut(line, " ")
			if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || at.Before(since) {
				continue
			}
			if q.Get("timestamps") == "true" {
				text = line
			}
			_, _ = io.WriteString(w, text+"\n") // who reads may be gone
		}
		_ = http.NewResponseController(w).Flush()
		if q.Get("follow") != "true" {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-more:
		}
	}
}

func atoi(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// ExecInContainer runs the command here.
func (k *Kubelet) ExecInContainer(ctx context.Context, _, _, _ string, cmd []string, in io.Reader, out, err io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	command := exec.CommandContext(ctx, cmd[0], cmd[1:]...)
	command.Dir, command.Stdin = k.Dir, in
	if out != nil {
		command.Stdout = out
	}
	if err != nil {
		command.Stderr = err
	}
	return command.Run()
}

// PortForward leads to the port of this machine.
func (k *Kubelet) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer conn.Close()
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(conn, stream)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(stream, conn)
		ended <- err
	}()
	return <-ended
}
