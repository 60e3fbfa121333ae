package simulated

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// Labels and annotations that mark a simulated node.
const (
	// LabelNodeKind is on every node of an embedded member.
	LabelNodeKind = config.LabelNodeKind
	// NodeKind is the value of LabelNodeKind on simulated nodes.
	NodeKind = config.KindSimulated
	// annotationKwok is what users of kwok look for.
	annotationKwok = "kwok.x-k8s.io/node"
	instanceType   = "hansa.simulated"
)

// parallel is how many requests the reconciliation of nodes has in flight.
const parallel = 8

// NodeName returns the name of the member's node with the given number.
func NodeName(member string, number int) string {
	return member + "-node-" + strconv.Itoa(number)
}

// newNode describes the node with the given number, as it is before its
// kubelet speaks.
func newNode(cfg config.Config, number int, address netip.Addr, version string) *corev1.Node {
	name := NodeName(cfg.Name, number)
	resources := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse(cfg.Nodes.CPU),
		corev1.ResourceMemory:           resource.MustParse(cfg.Nodes.Memory),
		corev1.ResourcePods:             *resource.NewQuantity(int64(cfg.Nodes.Pods), resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
	var taints []corev1.Taint
	if cfg.Nodes.Kind == config.KindContainerd {
		taints = []corev1.Taint{{Key: config.TaintSimulated, Value: config.TaintValue, Effect: corev1.TaintEffectNoSchedule}}
	}
	return &corev1.Node{
		Spec: corev1.NodeSpec{Taints: taints},
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{annotationKwok: "fake"},
			Labels: map[string]string{
				LabelNodeKind:                  NodeKind,
				corev1.LabelHostname:           name,
				corev1.LabelOSStable:           "linux",
				corev1.LabelArchStable:         runtime.GOARCH,
				corev1.LabelInstanceTypeStable: instanceType,
				corev1.LabelTopologyRegion:     cfg.Place.Region,
				corev1.LabelTopologyZone:       cfg.Nodes.Zones[number%len(cfg.Nodes.Zones)],
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    resources,
			Allocatable: resources.DeepCopy(),
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: address.String()},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture:            runtime.GOARCH,
				OperatingSystem:         "linux",
				OSImage:                 "simulated",
				KubeletVersion:          version,
				ContainerRuntimeVersion: "kwok://simulated",
				KernelVersion:           "simulated",
			},
		},
	}
}

// reconcileNodes creates what is missing of wanted, and brings the others up to date.
func reconcileNodes(ctx context.Context, client corev1client.NodeInterface, wanted []*corev1.Node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, node := range wanted {
		group.Go(func() error { return applyNode(ctx, client, node) })
	}
	return group.Wait()
}

func applyNode(ctx context.Context, client corev1client.NodeInterface, wanted *corev1.Node) error {
	_, err := client.Create(ctx, wanted, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = retry.RetryOnConflict(retry.DefaultRetry, func() error { return updateNode(ctx, client, wanted) })
	}
	if err != nil {
		return fmt.Errorf("apply node %s: %w", wanted.Name, err)
	}
	return nil
}

// updateNode brings labels, annotations, our taint and status of an existing node up
// to date. What others added stays.
func updateNode(ctx context.Context, client corev1client.NodeInterface, wanted *corev1.Node) error {
	found, err := client.Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node := found.DeepCopy()
	maps.Copy(node.Labels, wanted.Labels)
	node.Annotations = merged(node.Annotations, wanted.Annotations)
	ours := func(t corev1.Taint) bool { return t.Key == config.TaintSimulated }
	node.Spec.Taints = append(slices.DeleteFunc(node.Spec.Taints, ours), wanted.Spec.Taints...)
	if !equality.Semantic.DeepEqual(node.ObjectMeta, found.ObjectMeta) || slices.ContainsFunc(found.Spec.Taints, ours) != slices.ContainsFunc(node.Spec.Taints, ours) {
		if node, err = client.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	before := node.Status.DeepCopy()
	node.Status.Capacity = wanted.Status.Capacity
	node.Status.Allocatable = wanted.Status.Allocatable
	node.Status.Addresses = wanted.Status.Addresses
	node.Status.NodeInfo = wanted.Status.NodeInfo
	if equality.Semantic.DeepEqual(*before, node.Status) {
		return nil
	}
	_, err = client.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}

func merged(base, over map[string]string) map[string]string {
	result := maps.Clone(base)
	if result == nil {
		result = map[string]string{}
	}
	maps.Copy(result, over)
	return result
}
