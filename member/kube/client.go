package kube

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/federation"
)

// FieldManager is the owner that server-side apply notes for what Hansa lands.
const FieldManager = "hansa"

// requestLimit bounds one request of the layered health.
const requestLimit = time.Second

// Client talks to one cluster. It knows of the typed API what it follows, and everything
// else as trees: client-go's clientset, its discovery and its informers link each type of
// each version that Kubernetes ever had, which is most of what an agent would hold.
type Client struct {
	config   *rest.Config
	inside   bool // this process is a pod of the cluster
	typed    typed
	dynamic  dynamic.Interface
	served   *served
	health   *http.Client
	endpoint string
}

// Open reads a kubeconfig file; context "" means its current one. No file means the
// service account of the pod that this process runs in. It makes no request. The
// client has no rate limit of its own: the API server's priority and fairness bounds
// it, and landing is paced by the hub.
func Open(file, kubeContext string) (*Client, error) {
	config, err := read(file, kubeContext)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = -1, -1
	config.UserAgent = "hansa-agent"
	c, err := open(config)
	if err != nil {
		return nil, err
	}
	c.inside = file == ""
	return c, nil
}

func read(file, kubeContext string) (*rest.Config, error) {
	if file == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no kubeconfig is set, and this is no pod with a service account (%w): set kubeconfig, or install the agent in the cluster with configs/agent", err)
		}
		return config, nil
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: file},
		&clientcmd.ConfigOverrides{CurrentContext: kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", file, err)
	}
	return config, nil
}

func open(config *rest.Config) (*Client, error) {
	direct, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	paced := &http.Client{Transport: newLanes(direct), Timeout: config.Timeout}
	follows, err := openTyped(config, paced)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, paced)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	endpoint := strings.TrimSuffix(config.Host, "/")
	return &Client{
		config: config, typed: follows, dynamic: dyn, served: newServed(endpoint, direct),
		health: &http.Client{Transport: direct, Timeout: requestLimit}, endpoint: endpoint,
	}, nil
}

// ID returns the uid of the namespace kube-system, which identifies a cluster.
func (c *Client) ID(ctx context.Context) (string, error) {
	namespaces := c.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	ns, err := namespaces.Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the id of the cluster: %w", err)
	}
	return string(ns.GetUID()), nil
}

// Probe returns where the API server can be probed from outside, and the PEM of
// the CA that signs its certificate. A pod does not know where: it returns neither.
func (c *Client) Probe() (url string, ca []byte, err error) {
	if c.inside {
		return "", nil, nil
	}
	ca = c.config.CAData
	if len(ca) == 0 && c.config.CAFile != "" {
		if ca, err = os.ReadFile(c.config.CAFile); err != nil {
			return "", nil, fmt.Errorf("read the API server's CA: %w", err)
		}
	}
	return c.endpoint, ca, nil
}

// Layers asks the API server for its own health and that of its store. A server
// that does not answer within a second is Red in both.
func (c *Client) Layers(ctx context.Context) (api, etcd federation.Signal) {
	return c.signal(ctx, "/readyz"), c.signal(ctx, "/readyz/etcd")
}

func (c *Client) signal(ctx context.Context, path string) federation.Signal {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+path, http.NoBody)
	if err != nil {
		return federation.Red
	}
	answer, err := c.health.Do(r)
	if err != nil {
		return federation.Red
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if answer.StatusCode != http.StatusOK {
		return federation.Red
	}
	return federation.Green
}
