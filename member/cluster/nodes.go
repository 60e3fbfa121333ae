package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/version"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/simulated"
)

// nodeSet is the nodes of a member, and what they want of its control plane.
type nodeSet struct {
	config    config.Config
	simulated *simulated.Nodes // nil when there are none
	real      *realNodes       // nil when there are none
	beats     beats
}

// newNodes makes ready what the configuration asks for; nothing runs yet.
func (c *Cluster) newNodes(dir *datadir.Dir) (nodeSet, error) {
	cfg := c.opts.Config
	s := nodeSet{config: cfg, beats: beatsOf(cfg.Nodes)}
	containerdNodes, simulatedNodes := cfg.Nodes.Numbers()
	var err error
	if simulatedNodes > 0 {
		s.simulated, err = simulated.New(simulated.Options{
			Config:     cfg,
			Renew:      s.beats.renew,
			Kubeconfig: dir.Path(nodesKubeconfig),
			Version:    version.Get().GitVersion,
		})
		if err != nil {
			return nodeSet{}, err
		}
	}
	if containerdNodes > 0 {
		s.real, err = newRealNodes(cfg, dir, c.opts.Logger)
	}
	return s, err
}

// Run runs the nodes until ctx ends.
func (s nodeSet) Run(ctx context.Context) error {
	kinds, ctx := errgroup.WithContext(ctx)
	if s.simulated != nil {
		kinds.Go(func() error { return s.simulated.Run(ctx) })
	}
	if s.real != nil {
		kinds.Go(func() error { return s.real.nodes.Run(ctx) })
	}
	return kinds.Wait()
}

// gateway is where nodes reach the machine; invalid when all are simulated.
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
	if err := s.deleteOthers(ctx, at.admin); err != nil {
		return err
	}
	if s.real == nil {
		return nil
	}
	if err := applyRole(ctx, at.admin, userDNS, dnsRules()); err != nil {
		return err
	}
	return installImports(ctx, at.config)
}

// deleteOthers deletes the Nodes of ours that the member has no more, or not of this
// kind.
func (s nodeSet) deleteOthers(ctx context.Context, admin kubernetes.Interface) error {
	list, err := admin.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: config.LabelNodeKind})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	wanted := map[string]string{}
	containerdNodes, _ := s.config.Nodes.Numbers()
	for i := range s.config.Nodes.Total() {
		kind := config.KindSimulated
		if i < containerdNodes {
			kind = config.KindContainerd
		}
		wanted[simulated.NodeName(s.config.Name, i)] = kind
	}
	for _, found := range list.Items {
		if wanted[found.Name] == found.Labels[config.LabelNodeKind] {
			continue
		}
		err := admin.CoreV1().Nodes().Delete(ctx, found.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete node %s: %w", found.Name, err)
		}
	}
	return nil
}

// managerFlags make the controller manager give the nodes the time that they need, and
// notice the end of a real one soon: kubelets of an embedded member renew their leases
// every two seconds.
func (s nodeSet) managerFlags() []string {
	flags := []string{"--node-monitor-grace-period=" + s.beats.grace.String()}
	if s.real != nil {
		flags = append(flags, "--node-monitor-period=1s")
	}
	return flags
}

// Close removes what real nodes left. It may be repeated.
func (s nodeSet) Close() {
	if s.real != nil {
		s.real.nodes.Close()
	}
}
