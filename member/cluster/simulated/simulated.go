package simulated

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/podip"
)

const (
	// podWorkers play the stages of pods.
	podWorkers = 4
	// nodeWorkers play the stages of nodes and renew their leases. They wait for
	// the API server most of the time: four took a minute for 1,000 nodes.
	nodeWorkers = 32
)

// Options of Nodes. All fields are required.
type Options struct {
	// Config of the member, completed and valid.
	Config config.Config
	// Kubeconfig is the path of a kubeconfig whose user may do what Rules lists.
	Kubeconfig string
	// Renew is how often the lease of each node is renewed. It lasts four times as
	// long.
	Renew time.Duration
	// Version of the kubelets to report, for example v1.37.2.
	Version string
}

// Nodes are the simulated nodes of one member.
type Nodes struct {
	opts  Options
	first int // number of the first: containerd nodes come before
	count int
	cidr  string // of nodes and pods
	pool  *podip.Pool
}

// New prepares the nodes and starts nothing.
func New(opts Options) (*Nodes, error) {
	prefix, err := opts.Config.SimulatedRange()
	if err != nil {
		return nil, err
	}
	first, count := opts.Config.Nodes.Numbers()
	return &Nodes{opts: opts, first: first, count: count, cidr: prefix.String(), pool: podip.NewPool(prefix, count)}, nil
}

// Run makes the Node objects as configured and plays their kubelets until ctx
// ends. It returns nil then.
func (n *Nodes) Run(ctx context.Context) error {
	wanted, source := n.plan()
	conf, err := n.kwok(source)
	if err != nil {
		return err
	}
	if err := reconcileNodes(ctx, conf.TypedClient.CoreV1().Nodes(), wanted); err != nil {
		return err
	}
	if err := source.follow(ctx, conf.TypedClient); err != nil {
		return err
	}
	if err := warm(); err != nil {
		return err
	}
	controller, err := controllers.NewController(conf)
	if err != nil {
		return fmt.Errorf("create kwok controllers: %w", err)
	}
	if err := controller.Start(ctx); err != nil {
		return fmt.Errorf("start kwok controllers: %w", err)
	}
	<-ctx.Done()
	return nil
}

// plan describes every node, with its address.
func (n *Nodes) plan() ([]*corev1.Node, *addresses) {
	source := &addresses{pool: n.pool, nodes: map[string]netip.Addr{}}
	wanted := make([]*corev1.Node, n.count)
	for i := range wanted {
		address := n.pool.Node(i)
		wanted[i] = newNode(n.opts.Config, n.first+i, address, n.opts.Version)
		source.nodes[wanted[i].Name] = address
	}
	return wanted, source
}

// kwok configures kwok's controllers. The identity that holds the node leases
// is the member's and not the process's, so that a restart goes on with them at
// once instead of waiting for them to run out.
func (n *Nodes) kwok(source *addresses) (controllers.Config, error) {
	stages, err := loadStages()
	if err != nil {
		return controllers.Config{}, err
	}
	conf := controllers.Config{
		Clock:                        clock.RealClock{},
		ManageNodesWithLabelSelector: LabelNodeKind + "=" + NodeKind,
		CIDR:                         n.cidr,
		NodeIP:                       n.pool.Node(0).String(),
		LocalStages:                  stages,
		PodPlayStageParallelism:      podWorkers,
		NodePlayStageParallelism:     nodeWorkers,
		NodeLeaseParallelism:         nodeWorkers,
		PodsOnNodeSyncParallelism:    podWorkers,
		NodeLeaseDurationSeconds:     uint(4 * n.opts.Renew / time.Second),
		ID:                           "hansa-cluster/" + n.opts.Config.Name,
		FuncMap:                      gotpl.FuncMap{"PodIPsWith": source.podIPs},
	}
	return conf, fillClients(&conf, n.opts.Kubeconfig)
}
