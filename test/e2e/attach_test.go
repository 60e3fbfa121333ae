package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// checkAttach joins a cluster that Hansa did not start by "hansa agent", and lets
// the agent go: its member is lost by its own word, and the cluster stays.
func checkAttach(t *testing.T, f federation) {
	data := filepath.Join(t.TempDir(), "data")
	startCluster(t, writeConfig(t, config.Config{Name: "osaka", DataDir: data, Nodes: config.Nodes{Kind: config.KindSimulated, Count: 1}}))
	token := strings.TrimSpace(lastLine(f.run(t, "hansa", "token", "create", "--member", "osaka", "--ttl", "10m")))
	file := filepath.Join(t.TempDir(), "agent.yaml")
	text := "name: osaka\nplace: {region: ap-northeast}\nkubeconfig: " + filepath.Join(data, "agent.kubeconfig") + "\nstateDir: state\njoinToken: \"" + token + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(filepath.Join(f.path, "hansa"), "agent", "--config", file)
	var log strings.Builder
	agent.Stderr = &log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	t.Cleanup(func() { _ = agent.Process.Kill() }) // it has ended unless the test failed
	f.await(t, time.Minute, func() string {
		if h := f.members(t)["osaka"].Status.Health; h != "Healthy" {
			return "osaka is " + h
		}
		return ""
	})
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the agent ended with %v\n%s", err, log.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the agent does not end on SIGTERM")
	}
	f.await(t, 20*time.Second, func() string {
		if h := f.members(t)["osaka"].Status.Health; h != "Unreachable" {
			return "osaka is " + h
		}
		return ""
	})
}
