package nats

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveVariable, when set, makes this program a server instead of running tests.
const serveVariable = "HANSA_TEST_BUS"

// served says how a server in a process of its own runs.
type served struct {
	Options ServerOptions
	Keys    string // directory
	LogFile string
}

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(serveVariable); ok {
		if err := serve(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	sharedCluster.close()
	sharedProcess.close()
	os.Exit(code)
}

// serve runs a server until its standard input ends, which it does at the latest
// when the test does. It writes credentials, and then its address.
func serve(text string) error {
	signal.Ignore(os.Interrupt) // meant for the test, which ends us
	var s served
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.Options.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if s.Options.Keys, err = ReadKeys(s.Keys); err != nil {
		return err
	}
	server, err := StartServer(s.Options)
	if err != nil {
		return err
	}
	for _, role := range []Role{HubRole, GatewayRole, SystemRole} {
		if err := writeCredentials(s.Options, role); err != nil {
			return err
		}
	}
	fmt.Println(server.URL())
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
	server.halt()
	return nil
}

func credentialsFile(dir string, role Role) string {
	return filepath.Join(dir, string(role)+".creds")
}

func writeCredentials(o ServerOptions, role Role) error {
	c, err := o.Keys.Credentials(role, 0)
	if err != nil {
		return err
	}
	text, err := c.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(credentialsFile(o.Dir, role), text, 0o600)
}

// process is a server in a process of its own.
type process struct {
	served
	url  string
	cmd  *exec.Cmd
	stop io.Closer // its standard input
}

// begin starts the process and waits for the server.
func (s *site) begin(o ServerOptions) (*process, error) {
	p := &process{served: served{Options: o, Keys: filepath.Join(s.dir, "keys"), LogFile: filepath.Join(s.dir, o.Name+".log")}}
	p.Options.Keys = nil // the process reads them
	return p, p.start()
}

// start is begin for a process that has ended.
func (p *process) start() error {
	text, err := json.Marshal(p.served)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), serveVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if p.stop, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p.url = strings.TrimSpace(line)
	if err != nil {
		return errors.Join(fmt.Errorf("server %s: %w", p.Options.Name, err), p.cmd.Wait())
	}
	return nil
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = p.cmd.Wait()                          // of its signal
}

// end lets the server stop.
func (p *process) end() {
	p.stop.Close()
	watch := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() }) // it may have ended
	defer watch.Stop()
	_ = p.cmd.Wait() // how it ends does not matter any more
}

// startProcess starts one server in a process of its own.
func startProcess(s *site) (world, func(), error) {
	p, err := s.begin(s.options("external"))
	if err != nil {
		return world{}, nil, err
	}
	w := world{ca: s.ca, keys: s.keys, urls: []string{p.url}, replicas: 1, files: p.Options.Dir}
	system, err := w.connect(SystemRole, w.urls)
	if err != nil {
		p.end()
		return world{}, nil, err
	}
	w.register = NewAccounts(s.keys, system)
	stop := func() {
		system.Close()
		p.end()
	}
	return w, stop, nil
}

// TestBusEndsWithTest: no server is left behind by a test that is killed.
func TestBusEndsWithTest(t *testing.T) {
	s, err := siteIn(t.TempDir())
	must(t, err)
	p, err := s.begin(s.options("orphan"))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	p.stop.Close() // what the end of this process does
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		must(t, err)
	case <-ctx.Done():
		p.kill()
		t.Error("the server goes on")
	}
}
