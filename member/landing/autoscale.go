package landing

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// autoscaler is the kind that owns the replicas of what it targets.
var autoscaler = kube.Ref{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}

// yield leaves the replicas of objects that an autoscaler of the cluster targets as they
// are: what it has set is what is landed. An object that was not landed before begins
// with the replicas that the work says, and nobody is asked about it.
func (l *Lander) yield(ctx context.Context, k federation.Key, objects []*unstructured.Unstructured) error {
	owners := map[kube.Ref]string{}
	targets := map[string]map[string]string{} // namespace → target → autoscaler
	inv, _ := l.inventory(k)
	for _, u := range objects {
		item, listed := inv.find(kube.RefOf(u))
		if !listed || item.UID == "" || u.GetKind() != "Deployment" && u.GetKind() != "StatefulSet" {
			continue
		}
		namespace := u.GetNamespace()
		if _, known := targets[namespace]; !known {
			found, err := l.scalers.of(ctx, namespace)
			if err != nil {
				return err
			}
			targets[namespace] = found
		}
		name, autoscaled := targets[namespace][u.GetKind()+"/"+u.GetName()]
		if !autoscaled {
			continue
		}
		live, err := l.opts.Cluster.Get(ctx, kube.RefOf(u))
		if errors.Is(err, kube.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := unstructured.SetNestedField(u.Object, number(live, 1, "spec", "replicas"), "spec", "replicas"); err != nil {
			return fmt.Errorf("%s: %w", kube.RefOf(u), err)
		}
		owners[kube.RefOf(u)] = name
	}
	l.mu.Lock()
	l.work(k).autoscalers = owners
	l.mu.Unlock()
	return nil
}

// autoscaled maps what the autoscalers of a namespace target to their names. A cluster
// that does not serve them has none, and neither has one where this agent may not see them.
func (l *Lander) autoscaled(ctx context.Context, namespace string) (map[string]string, error) {
	at := autoscaler
	at.Namespace = namespace
	list, err := l.opts.Cluster.List(ctx, at, "")
	if errors.Is(err, kube.ErrNoKind) || errors.Is(err, kube.ErrInvalid) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range list {
		out[text(&list[i], "spec", "scaleTargetRef", "kind")+"/"+text(&list[i], "spec", "scaleTargetRef", "name")] = list[i].GetName()
	}
	return out, nil
}

// autoscalerOf says who owns the replicas of an object, empty when the work does.
func (l *Lander) autoscalerOf(k federation.Key, r kube.Ref) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.work(k).autoscalers[r]
}
