package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	federation
	files     natstest.Files
	addresses []string // of the bus's servers
}

// hub writes the configuration of a hub, which has no data yet.
func (p place) hub(t *testing.T, name, gateway string) (file string) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(p.home, name)))
	file = filepath.Join(p.home, name+".yaml")
	text := fmt.Sprintf(`
name: %s
dataDir: %s
bus: {keysDir: keys, caFile: %q, external: {urls: ["tls://%s"]}}
gateway: {listen: %q, metricsListen: "", certFile: %q, keyFile: %q, tokensFile: tokens.yaml}
`, name, name, p.files.CAFile, strings.Join(p.addresses, `", "tls://`), gateway, p.files.CertFile, p.files.KeyFile)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// newPlace makes certificates, tokens and, by the command, the keys of the bus.
func newPlace(t *testing.T) place {
	t.Helper()
	p := place{federation: newFederation(t), files: natstest.Certificates(t), addresses: natstest.Addresses(t, 3)}
	must(t, os.MkdirAll(p.home, 0o700))
	must(t, os.WriteFile(filepath.Join(p.home, "tokens.yaml"), []byte("tokens: [{name: admin, role: admin, token: secret-secret-secret}]\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(p.home, "token"), []byte("secret-secret-secret"), 0o600))
	file := p.hub(t, "hub-1", "127.0.0.1:1")
	if out, code := p.try(t, "hansa", "bus", "bootstrap", "--config", file); code == 0 || !strings.Contains(out, "hansa hub keys --config FILE") {
		t.Fatalf("without keys: %d, %s", code, out)
	}
	p.run(t, "hansa", "hub", "keys", "--config", file)
	return p
}

// TestExternalBus: from the command that prints what servers need to two hubs that run
// on them, of which the second goes on when the first has stopped.
func TestExternalBus(t *testing.T) {
	p := newPlace(t)
	gateways := natstest.Addresses(t, 2)
	first, second := p.hub(t, "hub-1", gateways[0]), p.hub(t, "hub-2", gateways[1])

	natstest.Cluster(t, p.files, p.run(t, "hansa", "bus", "bootstrap", "--config", first), p.addresses)
	if out, code := p.try(t, "hansa", "bus", "bootstrap", "--config", first, "--check"); code != 0 || strings.Count(out, "keeps streams") != len(p.addresses) {
		t.Errorf("%d, %s", code, out)
	}
	for _, want := range []string{" made, 0 changed, 0 as before", "streams: 0 made, 0 changed, "} {
		if out, code := p.try(t, "hansa", "bus", "bootstrap", "--config", first, "--apply"); code != 0 || !strings.Contains(out, want) || !strings.Contains(out, "accounts as before") {
			t.Errorf("%d, want %q in\n%s", code, want, out)
		}
	}

	stop := p.start(t, first)
	p.awaitHub(t, gateways[0], "status")
	p.start(t, second)
	p.awaitHub(t, gateways[1], "status")
	stop()
	if out := p.awaitHub(t, gateways[1], "token", "create", "--member", "tokyo"); !strings.Contains(out, gateways[1]+"#") {
		t.Errorf("the second hub gives no token: %s", out)
	}
}

// TestNewBus: the state of hubs is moved to other servers, as the guide tells; servers
// that have streams are refused.
func TestNewBus(t *testing.T) {
	p := newPlace(t)
	gateway, backup := natstest.Addresses(t, 1)[0], filepath.Join(p.home, "hansa.backup")
	file := p.hub(t, "hub-1", gateway)
	natstest.Cluster(t, p.files, p.run(t, "hansa", "bus", "bootstrap", "--config", file), p.addresses)
	stop := p.start(t, file)
	p.awaitHub(t, gateway, "token", "create", "--member", "tokyo")
	p.awaitHub(t, gateway, "backup", backup)
	stop()
	if out, code := p.try(t, "hansa", "restore", backup, "--config", file); code == 0 || !strings.Contains(out, "has streams") {
		t.Errorf("a bus that has streams: %d, %s", code, out)
	}

	p.addresses = natstest.Addresses(t, 3)
	file = p.hub(t, "hub-1", gateway)
	natstest.Cluster(t, p.files, p.run(t, "hansa", "bus", "bootstrap", "--config", file), p.addresses)
	p.run(t, "hansa", "bus", "bootstrap", "--config", file, "--check")
	p.run(t, "hansa", "restore", backup, "--config", file)
	p.start(t, file)
	if out := p.awaitHub(t, gateway, "token", "list"); !strings.Contains(out, "tokyo") {
		t.Errorf("the new bus has the tokens\n%s", out)
	}
	if out := p.awaitHub(t, gateway, "bus", "status"); strings.Count(out, "nats-") < len(p.addresses) {
		t.Errorf("the bus is\n%s", out)
	}
}

// TestGuide: every command of the operations guide exists, with its flags.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(root, "configs", "README.md"))
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
	f := newFederation(t)
	checked := 0
	for _, line := range commands {
		line, _, _ = strings.Cut(line, " > ")
		for one := range strings.SplitSeq(line, " | ") {
			if args, ok := strings.CutPrefix(one, "hansa "); ok {
				checked++
				f.checkCommand(t, strings.Fields(args))
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d commands were found", checked)
	}
}

// checkCommand asks the binary itself for help with a command line.
func (f federation) checkCommand(t *testing.T, args []string) {
	t.Helper()
	end := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })
	words := args
	if end >= 0 {
		words = args[:end]
	}
	help, code := f.try(t, "hansa", append(slices.Clone(words), "--help")...)
	if code != 0 || !strings.Contains(help, "hansa "+words[0]) {
		t.Errorf("hansa %s does not exist", strings.Join(args, " "))
		return
	}
	for _, arg := range args {
		if name, isFlag := strings.CutPrefix(arg, "--"); isFlag && !strings.Contains(help, "--"+name+" ") && !strings.Contains(help, "--"+name+"\n") {
			t.Errorf("hansa %s has no flag --%s", strings.Join(words, " "), name)
		}
	}
}

// start runs a hub until it is stopped or the test ends.
func (p place) start(t *testing.T, file string) (stop func()) {
	t.Helper()
	var log bytes.Buffer
	command := exec.Command(filepath.Join(p.path, "hansa"), "hub", "--config", file)
	command.Stdout, command.Stderr = &log, &log
	must(t, command.Start())
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		must(t, command.Process.Signal(os.Interrupt))
		if err := command.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, &log)
		}
	}
	t.Cleanup(stop)
	return stop
}

// awaitHub asks a gateway again and again until the command succeeds.
func (p place) awaitHub(t *testing.T, gateway string, args ...string) string {
	t.Helper()
	args = append(args, "--gateway", gateway, "--ca-file", p.files.CAFile, "--token-file", filepath.Join(p.home, "token"))
	var out string
	p.await(t, time.Minute, func() string {
		var code int
		if out, code = p.try(t, "hansa", args...); code != 0 {
			return out
		}
		return ""
	})
	return out
}
