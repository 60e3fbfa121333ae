package simulated

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/hansa-io/hansa/member/cluster/podip"
)

// addresses decides which address a pod gets. It follows the pods, so that the
// addresses of pods from an earlier life of the process stay theirs and those
// of deleted pods come back.
type addresses struct {
	pool  *podip.Pool
	nodes map[string]netip.Addr
}

// follow starts to watch the pods until ctx ends, and returns when those that
// exist already are known.
func (a *addresses) follow(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	informer := factory.Core().V1().Pods().Informer()
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { a.mark(object) },
		DeleteFunc: func(object any) { a.free(object) },
	})
	if err != nil {
		return fmt.Errorf("follow pods: %w", err)
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		return fmt.Errorf("follow pods: %w", context.Cause(ctx))
	}
	return nil
}

func (a *addresses) mark(object any) {
	pod, ok := object.(*corev1.Pod)
	if !ok || pod.Spec.HostNetwork {
		return
	}
	if address, err := netip.ParseAddr(pod.Status.PodIP); err == nil {
		a.pool.Mark(string(pod.UID), address)
	}
}

func (a *addresses) free(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if pod, ok := object.(*corev1.Pod); ok {
		a.pool.Free(string(pod.UID))
	}
}

// podIPs replaces the function of the same meaning in kwok's pod templates,
// whose own pool forgets running pods when the process restarts.
// pod is its uid, name and namespace.
func (a *addresses) podIPs(node string, hostNetwork bool, pod ...string) ([]string, error) {
	if address, ok := a.nodes[node]; ok && hostNetwork {
		return []string{address.String()}, nil
	}
	if len(pod) == 0 || pod[0] == "" {
		return nil, errors.New("take address: the pod has no uid")
	}
	address, err := a.pool.Take(pod[0])
	if err != nil {
		return nil, fmt.Errorf("take address for pod %s: %w", pod[0], err)
	}
	return []string{address.String()}, nil
}

// slim keeps of a pod only what addresses reads.
func slim(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion},
		Spec:       corev1.PodSpec{HostNetwork: pod.Spec.HostNetwork},
		Status:     corev1.PodStatus{PodIP: pod.Status.PodIP},
	}, nil
}
