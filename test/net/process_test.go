package net

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// process is a process in the namespace of a host, which can be started again.
type process struct {
	name, host string
	command    []string
	log        string

	mu      sync.Mutex
	running *exec.Cmd
	ended   chan struct{}
}

// starter is one thread that starts every process and ends with the test process,
// so that the kernel kills them when the test process dies.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func (p *process) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := exec.Command("ip", append([]string{"netns", "exec", space(p.host)}, p.command...)...) // which becomes the command
	command.Stdout, command.Stderr, command.Dir = log, log, filepath.Dir(p.log)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starter() <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.running, p.ended = command, ended
	p.mu.Unlock()
	go func() {
		_ = command.Wait() // how it ended is in its log
		close(ended)
	}()
}

func (p *process) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.running.Process.Signal(signal); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// kill is kill -9; it waits until the process has ended.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return
	}
	_ = p.running.Process.Kill() // it may have ended
	<-p.ended
}

// alive fails the test when the process has ended.
func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%s ended:\n%s", p.name, p.tail(10))
	default:
	}
}

// tail is the last lines of the log.
func (p *process) tail(lines int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(text[max(0, len(text)-lines):], "\n")
}
