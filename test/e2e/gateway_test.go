package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// checkGateway runs a second gateway in a process of its own: it gives the answers
// of the first, and ends when told.
func checkGateway(t *testing.T, f federation) {
	hubFile := filepath.Join(f.home, "hub", "hub.yaml")
	hub, err := configs.LoadHub(hubFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	creds := filepath.Join(dir, "gateway.creds")
	if err := os.WriteFile(creds, []byte(f.run(t, "hansa", "hub", "credentials", "--name", "second", "--config", hubFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	role := configs.GatewayRole{
		Name: "second", Bus: configs.BusClient{URLs: []string{"tls://" + hub.Bus.Listen}, CAFile: hub.Bus.CAFile, CredentialsFile: creds},
		Gateway: hub.Gateway,
	}
	role.Listen, role.MetricsListen = address, ""
	role.Places = []catalogue.Own{{Name: "hall-nord", Jurisdiction: "DE", Latitude: 53.5, Longitude: 9.9}}
	text, err := yaml.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(filepath.Join(f.path, "hansa"), "gateway", "--config", file)
	var log strings.Builder
	gateway.Stderr = &log
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- gateway.Wait() }()
	t.Cleanup(func() { _ = gateway.Process.Kill() }) // it has ended unless the test failed
	of := func(args ...string) (string, int) { return f.try(t, "hansa", append(args, "--gateway", address)...) }
	f.await(t, 20*time.Second, func() string {
		first := f.resolve(t, "osaka").serving()
		out, code := of("resolve", "shop/web", "--from", "osaka", "-o", "json")
		if code != 0 {
			return out
		}
		var second answer
		decode(t, out, &second)
		if fmt.Sprint(second.serving()) != fmt.Sprint(first) || len(first) == 0 {
			return fmt.Sprintf("the first gateway answers %v, the second %v", first, second.serving())
		}
		return ""
	})
	if out, code := of("resolve", "shop/web", "--from", "hall-nord"); code != 0 || !strings.Contains(out, "frankfurt") {
		t.Errorf("a place of the configuration is not known: exit %d\n%s", code, out)
	}
	if err := gateway.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the gateway ended with %v\n%s", err, log.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the gateway does not end on SIGTERM")
	}
	f.refused(t, "is in use by pid", "hansa", "hub", "--config", hubFile)
	f.refused(t, "has no JWT of a user", "hansa", "gateway", "--config", brokenCredentials(t, role))
}

// brokenCredentials writes the role's file with credentials that are none.
func brokenCredentials(t *testing.T, role configs.GatewayRole) string {
	t.Helper()
	dir := t.TempDir()
	role.Bus.CredentialsFile = filepath.Join(dir, "x.creds")
	text, err := yaml.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{role.Bus.CredentialsFile: []byte("x"), filepath.Join(dir, "gateway.yaml"): text} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "gateway.yaml")
}
