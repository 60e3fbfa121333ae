package containerd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// process is one node: its first process, and what the drills did to it.
type process struct {
	nodes *Nodes
	index int
	name  string

	mu      sync.Mutex
	running *running // nil while the node is dead
	paused  bool
	cut     bool
}

// running is one life of a node.
type running struct {
	pid  int
	done chan struct{} // closed when it has ended
}

func newProcess(n *Nodes, index int) *process {
	return &process{nodes: n, index: index, name: NodeName(n.opts.Config.Name, index)}
}

// start starts the node unless it runs, thaws it, and plugs it in.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.resume()
	}
	settings, err := p.nodes.settings(p.index)
	if err != nil {
		return err
	}
	configuration, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode configuration of node %s: %w", p.name, err)
	}
	if err := p.clean(); err != nil {
		return err
	}
	if err := p.nodes.network.MakeGroup(p.name); err != nil {
		return err
	}
	life, tell, err := p.launch(settings.Dir)
	if err != nil {
		return err
	}
	defer tell.Close()
	p.running, p.paused, p.cut = life, false, false
	if err := p.nodes.network.Plug(p.name, life.pid); err != nil {
		return err
	}
	if _, err := io.Copy(tell, bytes.NewReader(configuration)); err != nil {
		return fmt.Errorf("configure node %s: %w", p.name, err)
	}
	p.nodes.opts.Logger.Info("node started", "node", p.name, "pid", life.pid)
	return nil
}

// resume ends what drills did to a node that runs.
func (p *process) resume() error {
	err := errors.Join(p.nodes.network.Freeze(p.name, false), p.nodes.network.SetLink(p.name, true))
	if err == nil {
		p.paused, p.cut = false, false
	}
	return err
}

// launch starts the first process of the node, which waits for its configuration
// on the pipe.
func (p *process) launch(dir string) (*running, io.WriteCloser, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make directory of node %s: %w", p.name, err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log of node %s: %w", p.name, err)
	}
	defer log.Close()
	command := exec.Command(p.nodes.programs.images.Pod, "init", p.nodes.programs.self, "node")
	command.Stdout, command.Stderr, command.Dir = log, log, "/"
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	tell, err := command.StdinPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start node %s: %w", p.name, err)
	}
	started := make(chan error)
	life := &running{done: make(chan struct{})}
	go p.attend(command, life, started)
	if err := <-started; err != nil {
		return nil, nil, fmt.Errorf("start node %s: %w", p.name, err)
	}
	return life, tell, nil
}

// attend starts a node and waits for its end. It keeps its thread: the kernel kills
// the node when the thread that started it ends.
func (p *process) attend(command *exec.Cmd, life *running, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := command.Start()
	if err == nil {
		life.pid = command.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	err = command.Wait()
	close(life.done)
	p.ended(life, err)
}

// ended notes the end of a life and removes what it left.
func (p *process) ended(life *running, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != life {
		return
	}
	p.running = nil
	p.nodes.opts.Logger.Warn("node ended", "node", p.name, "err", cause)
	if err := p.clean(); err != nil {
		p.nodes.opts.Logger.Error("clean up after node", "node", p.name, "err", err)
	}
}

func (p *process) clean() error { return p.nodes.network.CleanNode(p.name) }

// stop kills the node and removes what it leaves.
func (p *process) stop() {
	p.mu.Lock()
	life := p.running
	p.running = nil
	p.mu.Unlock()
	if life == nil {
		return
	}
	if err := p.clean(); err != nil {
		p.nodes.opts.Logger.Error("clean up after node", "node", p.name, "err", err)
	}
	<-life.done
}
