package cluster

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// pollEvery is how often the cluster is asked while it starts.
	pollEvery = 50 * time.Millisecond
	// startLimit is how long a start may take before it counts as failed.
	startLimit = 3 * time.Minute
)

// awaitServing waits until the API server answers at path.
func awaitServing(ctx context.Context, client kubernetes.Interface, path string) error {
	return poll(ctx, waiting{"the API server", pollEvery}, func(ctx context.Context) (bool, error) {
		var status int
		client.Discovery().RESTClient().Get().AbsPath(path).Do(ctx).StatusCode(&status)
		return status == http.StatusOK, nil
	})
}

// awaitUsable waits until pods can be created and scheduled: every node is
// Ready and without the taint of a new one, and the default namespace has its
// service account.
func awaitUsable(ctx context.Context, client kubernetes.Interface, nodes int) error {
	// A list of many nodes costs the API server more than they can spare meanwhile.
	every := pollEvery * time.Duration(1+nodes/100)
	return poll(ctx, waiting{"nodes", every}, func(ctx context.Context) (bool, error) {
		ready, err := readyNodes(ctx, client)
		if err != nil || ready < nodes {
			return false, err
		}
		_, err = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func readyNodes(ctx context.Context, client kubernetes.Interface) (int, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return 0, fmt.Errorf("list nodes: %w", err)
	}
	ready := 0
	for _, node := range list.Items {
		if isReady(node) {
			ready++
		}
	}
	return ready, nil
}

func isReady(node corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady || taint.Key == corev1.TaintNodeUnreachable {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// waiting is what is waited for, and how often it is asked.
type waiting struct {
	what  string
	every time.Duration
}

// poll asks until the answer is yes, an error, or the end of ctx.
func poll(ctx context.Context, w waiting, ask func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		done, err := ask(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", w.what, context.Cause(ctx))
		}
		if done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}
