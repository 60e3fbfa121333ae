package natstest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Binary finds the nats-server that the machine has, and its version; the test is
// skipped when there is none.
func Binary(t testing.TB) (path, version string) {
	t.Helper()
	path, err := exec.LookPath("nats-server")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/nats-server") // not in every user's path
	}
	if err != nil {
		t.Skip("nats-server is not installed: apt-get install nats-server")
	}
	out, err := exec.Command(path, "--version").Output()
	must(t, err)
	_, version, _ = strings.Cut(strings.TrimSpace(string(out)), " v")
	return path, version
}

// StartProcess runs a server as a process until the test ends, and waits until it
// listens on the address.
func StartProcess(t testing.TB, binary, config, address string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	must(t, os.WriteFile(file, []byte(config), 0o600))
	command := exec.Command(binary, "--config", file)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() {
		ended <- command.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		t.Logf("%s: %v", binary, <-ended)
	})
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ticks.C:
		case err := <-ended:
			ended <- err // for the cleanup
			t.Fatalf("%s ended: %v", binary, err)
		case <-limit.C:
			t.Fatalf("%s does not listen on %s: %v", binary, address, err)
		}
	}
}
