package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
	"github.com/hansa-io/hansa/test/script"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a directory with what hubs on an external bus need.
type place struct {
	dir       string
	files     natstest.Files
	addresses []string // of the bus's servers
}

// hub writes the configuration of a hub, which has no data yet.
func (p place) hub(t *testing.T, name, gateway string) (path string, c configs.Hub) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(p.dir, name)))
	path = filepath.Join(p.dir, name+".yaml")
	text := fmt.Sprintf(`
name: %s
dataDir: %s
bus: {keysDir: keys, caFile: %q, external: {urls: ["tls://%s"]}}
gateway: {listen: %q, metricsListen: "", certFile: %q, keyFile: %q, tokensFile: tokens.yaml}
`, name, name, p.files.CAFile, strings.Join(p.addresses, `", "tls://`), gateway, p.files.CertFile, p.files.KeyFile)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	c, err := configs.LoadHub(path)
	must(t, err)
	return path, c
}

// hansa runs a command line.
func hansa(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code := cli.Main(t.Context(), args, cli.Options{Stdout: &out, Stderr: &out, Home: t.TempDir(), Commands: roles(), Restore: prepareRestore})
	return out.String(), code
}

// mustHansa runs a command line that has to succeed.
func mustHansa(t *testing.T, args ...string) string {
	t.Helper()
	out, code := hansa(t, args...)
	if code != 0 {
		t.Fatalf("hansa %s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// newPlace makes certificates, tokens and, by the command, the keys of the bus.
func newPlace(t *testing.T) place {
	t.Helper()
	p := place{dir: t.TempDir(), files: natstest.Certificates(t), addresses: natstest.Addresses(t, 3)}
	must(t, os.WriteFile(filepath.Join(p.dir, "tokens.yaml"), []byte("tokens: [{name: admin, role: admin, token: secret-secret-secret}]\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(p.dir, "token"), []byte("secret-secret-secret"), 0o600))
	file, _ := p.hub(t, "hub-1", "127.0.0.1:1")
	if out, code := hansa(t, "bus", "bootstrap", "--config", file); code == 0 || !strings.Contains(out, "hansa hub keys --config FILE") {
		t.Fatalf("without keys: %d, %s", code, out)
	}
	mustHansa(t, "hub", "keys", "--config", file)
	return p
}

// TestExternalBus: from the command that prints what servers need to two hubs that run
// on them, of which the second goes on when the first has stopped.
func TestExternalBus(t *testing.T) {
	p := newPlace(t)
	gateways := natstest.Addresses(t, 2)
	file, first := p.hub(t, "hub-1", gateways[0])
	_, second := p.hub(t, "hub-2", gateways[1])

	natstest.Cluster(t, p.files, mustHansa(t, "bus", "bootstrap", "--config", file), p.addresses)
	if out, code := hansa(t, "bus", "bootstrap", "--config", file, "--check"); code != 0 || strings.Count(out, "keeps streams") != len(p.addresses) {
		t.Errorf("%d, %s", code, out)
	}
	for _, want := range []string{" made, 0 changed, 0 as before", "streams: 0 made, 0 changed, "} {
		if out, code := hansa(t, "bus", "bootstrap", "--config", file, "--apply"); code != 0 || !strings.Contains(out, want) || !strings.Contains(out, "accounts as before") {
			t.Errorf("%d, want %q in\n%s", code, want, out)
		}
	}

	stop := start(t, first)
	p.await(t, gateways[0], "status")
	start(t, second)
	p.await(t, gateways[1], "status")
	stop()
	if out := p.await(t, gateways[1], "token", "create", "--member", "tokyo"); !strings.Contains(out, gateways[1]+"#") {
		t.Errorf("the second hub gives no token: %s", out)
	}
}

// TestNewBus: the state of hubs is moved to other servers, as the guide tells; servers
// that have streams are refused.
func TestNewBus(t *testing.T) {
	p := newPlace(t)
	gateway, backup := natstest.Addresses(t, 1)[0], filepath.Join(p.dir, "hansa.backup")
	file, c := p.hub(t, "hub-1", gateway)
	natstest.Cluster(t, p.files, mustHansa(t, "bus", "bootstrap", "--config", file), p.addresses)
	stop := start(t, c)
	p.await(t, gateway, "token", "create", "--member", "tokyo")
	p.await(t, gateway, "backup", backup)
	stop()
	if out, code := hansa(t, "restore", backup, "--config", file); code == 0 || !strings.Contains(out, "has streams") {
		t.Errorf("a bus that has streams: %d, %s", code, out)
	}

	p.addresses = natstest.Addresses(t, 3)
	file, c = p.hub(t, "hub-1", gateway)
	natstest.Cluster(t, p.files, mustHansa(t, "bus", "bootstrap", "--config", file), p.addresses)
	mustHansa(t, "bus", "bootstrap", "--config", file, "--check")
	mustHansa(t, "restore", backup, "--config", file)
	start(t, c)
	if out := p.await(t, gateway, "token", "list"); !strings.Contains(out, "tokyo") {
		t.Errorf("the new bus has the tokens\n%s", out)
	}
	if out := p.await(t, gateway, "bus", "status"); strings.Count(out, "nats-") < len(p.addresses) {
		t.Errorf("the bus is\n%s", out)
	}
}

// TestGuide: every command of the operations guide exists, with its flags.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("configs/README.md")
	must(t, err)
	snippets, err := script.Snippets(guide)
	must(t, err)
	var commands []string
	for _, s := range snippets {
		commands = append(commands, s.Commands...)
	}
	for _, found := range regexp.MustCompile("`(hansa [a-z][^`]*)`").FindAllSubmatch(guide, -1) {
		commands = append(commands, string(found[1]))
	}
	root := cli.NewRoot(cli.Options{Commands: roles()})
	checked := 0
	for _, line := range commands {
		line, _, _ = strings.Cut(line, " > ")
		if args, ok := strings.CutPrefix(line, "hansa "); ok {
			checked++
			checkCommand(t, root, strings.Fields(args))
		}
	}
	if checked < 15 {
		t.Errorf("only %d commands were found", checked)
	}
}

func checkCommand(t *testing.T, root *cobra.Command, args []string) {
	t.Helper()
	cmd, _, err := root.Find(args)
	if err != nil || cmd == root {
		t.Errorf("hansa %s does not exist", strings.Join(args, " "))
		return
	}
	for _, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		if isFlag && cmd.Flag(name) == nil {
			t.Errorf("%s has no flag --%s", cmd.CommandPath(), name)
		}
	}
}

// start runs a hub until it is stopped or the test ends.
func start(t *testing.T, c configs.Hub) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runHub(ctx, c) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("hub %s: %v", c.Name, err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return stop
}

// await asks a gateway again and again until the command succeeds.
func (p place) await(t *testing.T, gateway string, args ...string) string {
	t.Helper()
	args = append(args, "--gateway", gateway, "--ca-file", p.files.CAFile, "--token-file", filepath.Join(p.dir, "token"))
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		out, code := hansa(t, args...)
		if code == 0 {
			return out
		}
		select {
		case <-ticks.C:
		case <-limit.C:
			t.Fatalf("%v: %s", args, out)
		}
	}
}
