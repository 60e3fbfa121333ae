package containerd

import (
	"errors"
	"fmt"
)

// State says what a drill left of a node.
type State struct {
	Name string `json:"name"`
	// State is Running, Stopped, Paused or Cut.
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
}

// errNoNode is the end of a refusal.
var errNoNode = errors.New("no such containerd node")

// Drill does a verb to a node: stop kills it, pause freezes every process in it,
// cut takes its network away, start ends all of these.
func (n *Nodes) Drill(name, verb string) error {
	for _, p := range n.nodes {
		if p.name == name {
			return p.drill(verb)
		}
	}
	return fmt.Errorf("node %s: %w: the nodes are %v", name, errNoNode, n.names())
}

func (n *Nodes) names() []string {
	var out []string
	for _, p := range n.nodes {
		out = append(out, p.name)
	}
	return out
}

func (p *process) drill(verb string) error {
	switch verb {
	case "start":
		return p.start()
	case "stop":
		p.stop()
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return fmt.Errorf("node %s is not running: start it first", p.name)
	}
	switch verb {
	case "pause":
		p.paused = true
		return p.nodes.network.Freeze(p.name, true)
	case "cut":
		p.cut = true
		return p.nodes.network.SetLink(p.name, false)
	}
	return fmt.Errorf("verb %q: want start, stop, pause or cut", verb)
}

// States lists the nodes.
func (n *Nodes) States() []State {
	var out []State
	for _, p := range n.nodes {
		out = append(out, p.state())
	}
	return out
}

func (p *process) state() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{Name: p.name, State: "Running"}
	switch {
	case p.running == nil:
		s.State = "Stopped"
		return s
	case p.paused:
		s.State = "Paused"
	case p.cut:
		s.State = "Cut"
	}
	s.PID = p.running.pid
	return s
}
