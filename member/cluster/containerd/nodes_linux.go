package containerd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
	"github.com/hansa-io/hansa/member/cluster/node"
)

// Options of Nodes.
type Options struct {
	// Config of the member, completed and valid.
	Config config.Config
	// Dir holds the nodes' directories.
	Dir string
	// Socket is the directory of the socket on which the nodes are told what to do.
	Socket string
	// Files makes what a node needs to be believed by the API server, by the names
	// that package node has for them.
	Files func(name string, address netip.Addr) (map[string][]byte, error)
	// Logger of what happens to nodes.
	Logger *slog.Logger
}

// Nodes are the nodes of one member. Its methods are safe for concurrent use.
type Nodes struct {
	opts    Options
	network host.Network
	plan    plan
	images  []string // tarballs
	nodes   []*process

	programs programs
}

// New checks the machine, removes what an earlier life of the member left, and
// joins the network. The API server can then listen on Gateway.
func New(opts Options) (*Nodes, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, err
	}
	p, err := newPlan(opts.Config)
	if err != nil {
		return nil, err
	}
	if err := keepFiles(); err != nil {
		return nil, err
	}
	n := &Nodes{opts: opts, network: host.Network(opts.Config.Nodes.Network), plan: p, programs: found}
	if err := n.network.CleanMember(opts.Config.Name); err != nil {
		return nil, err
	}
	for i := range opts.Config.Nodes.Count {
		n.nodes = append(n.nodes, newProcess(n, i))
	}
	return n, n.network.Join(p.ranges())
}

// keepFiles keeps what this process was given open, such as the lock by which its
// starter knows that it lives, from nodes: a frozen one may outlive this process.
func keepFiles() error {
	const first = 3 // after the standard ones
	if err := unix.CloseRange(first, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keep open files from nodes: %w", err)
	}
	return nil
}

// Gateway is the machine's address as nodes and pods see it.
func (n *Nodes) Gateway() netip.Addr { return n.plan.gateway() }

// Run starts the nodes and blocks until ctx ends; then it ends them and removes
// what they left.
func (n *Nodes) Run(ctx context.Context) error {
	var err error
	if n.images, err = images.Write(filepath.Join(n.opts.Dir, "images"), n.programs.images); err != nil {
		return err
	}
	defer n.Close()
	for _, p := range n.nodes {
		if err := p.start(); err != nil {
			return err
		}
	}
	return n.serve(ctx)
}

// Close ends all nodes and removes what they left. It may be repeated.
func (n *Nodes) Close() {
	var wait sync.WaitGroup
	for _, p := range n.nodes {
		wait.Go(p.stop)
	}
	wait.Wait()
	err := errors.Join(n.network.CleanMember(n.opts.Config.Name), n.network.Leave(n.plan.ranges()))
	if err != nil {
		n.opts.Logger.Error("nodes left something behind; \"hansa down\" removes it", "err", err)
	}
}

// settings are what a node is told at its start.
func (n *Nodes) settings(i int) (node.Config, error) {
	c := n.opts.Config
	name, address := NodeName(c.Name, i), n.plan.node(i)
	files, err := n.opts.Files(name, address.Addr())
	if err != nil {
		return node.Config{}, fmt.Errorf("make credentials of node %s: %w", name, err)
	}
	return node.Config{
		Network: n.network, Name: name, Dir: filepath.Join(n.opts.Dir, name),
		Labels: map[string]string{
			config.LabelNodeKind:            config.KindContainerd,
			"topology.kubernetes.io/region": c.Place.Region,
			"topology.kubernetes.io/zone":   c.Nodes.Zones[i%len(c.Nodes.Zones)],
		},
		MaxPods: c.Nodes.Pods, Address: address, Pods: n.plan.podsOf(i),
		MemberPods: n.plan.pods, MemberServices: n.plan.services,
		Images: n.images, Files: files,
	}, nil
}
