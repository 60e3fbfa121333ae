package cluster

import (
	"context"
	"net"
	"net/netip"

	"k8s.io/component-base/version"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/simulated"
)

// nodeSet is the nodes of a member, and what they want of its control plane. The
// zero value of realNodes stands for none that are real.
type nodeSet struct {
	run   func(ctx context.Context) error
	real  *realNodes // nil when the nodes are simulated
	beats beats      // of simulated nodes
}

// newNodes makes ready what the configuration asks for; nothing runs yet.
func (c *Cluster) newNodes(dir *datadir.Dir) (nodeSet, error) {
	if c.opts.Config.Nodes.Kind == config.KindContainerd {
		nodes, err := newRealNodes(c.opts.Config, dir, c.opts.Logger)
		if err != nil {
			return nodeSet{}, err
		}
		return nodeSet{run: nodes.nodes.Run, real: nodes}, nil
	}
	beats := beatsOf(c.opts.Config.Nodes)
	nodes, err := simulated.New(simulated.Options{
		Config:     c.opts.Config,
		Renew:      beats.renew,
		Kubeconfig: dir.Path(nodesKubeconfig),
		Version:    version.Get().GitVersion,
	})
	if err != nil {
		return nodeSet{}, err
	}
	return nodeSet{run: nodes.Run, beats: beats}, nil
}

// Run runs the nodes until ctx ends.
func (s nodeSet) Run(ctx context.Context) error { return s.run(ctx) }

// gateway is where nodes reach the machine; invalid when they are simulated.
func (s nodeSet) gateway() netip.Addr {
	if s.real == nil {
		return netip.Addr{}
	}
	return s.real.nodes.Gateway()
}

// listen adds the address where nodes reach the API server.
func (s nodeSet) listen(first net.Listener) (net.Listener, error) {
	if s.real == nil {
		return first, nil
	}
	return s.real.listen(first)
}

// prepare makes in the cluster what the nodes need.
func (s nodeSet) prepare(ctx context.Context, at place) error {
	if s.real == nil {
		return nil
	}
	if err := applyRole(ctx, at.admin, userDNS, dnsRules()); err != nil {
		return err
	}
	if err := installImports(ctx, at.config); err != nil {
		return err
	}
	return s.real.deleteOthers(ctx, at.admin)
}

// managerFlags makes the controller manager notice the end of a real node soon:
// the kubelets of an embedded member renew their leases every two seconds.
func (s nodeSet) managerFlags() []string {
	if s.real == nil {
		return []string{"--node-monitor-grace-period=" + s.beats.grace.String()}
	}
	return []string{"--node-monitor-period=1s", "--node-monitor-grace-period=12s"}
}

// Close removes what real nodes left. It may be repeated.
func (s nodeSet) Close() {
	if s.real != nil {
		s.real.nodes.Close()
	}
}
