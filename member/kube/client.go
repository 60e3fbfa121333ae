package kube

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/federation"
)

// FieldManager is the owner that server-side apply notes for what Hansa lands.
const FieldManager = "hansa"

// requestLimit bounds one request of the layered health.
const requestLimit = time.Second

// Client talks to one cluster.
type Client struct {
	config  *rest.Config
	inside  bool // this process is a pod of the cluster
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	cache   discovery.CachedDiscoveryInterface
	mapper  *restmapper.DeferredDiscoveryRESTMapper

	mu       sync.Mutex
	mappings map[schema.GroupVersionKind]*meta.RESTMapping // that the mapper has found since
	resetAt  time.Time                                     // when the mapper was emptied last
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
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	binary := rest.CopyConfig(config)
	binary.ContentType, binary.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	typed, err := kubernetes.NewForConfigAndClient(binary, transport)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", config.Host, err)
	}
	cache := memory.NewMemCacheClient(typed.Discovery())
	return &Client{
		config: config, typed: typed, dynamic: dyn, cache: cache, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cache),
		health: &http.Client{Transport: transport.Transport, Timeout: requestLimit}, endpoint: strings.TrimSuffix(config.Host, "/"),
	}, nil
}

// ID returns the uid of the namespace kube-system, which identifies a cluster.
func (c *Client) ID(ctx context.Context) (string, error) {
	ns, err := c.typed.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the id of the cluster: %w", err)
	}
	return string(ns.UID), nil
}

// Version returns the version of the API server, "v1.37.2".
func (c *Client) Version() (string, error) {
	v, err := c.typed.Discovery().ServerVersion()
	if err != nil {
		return "", fmt.Errorf("read the version of the API server: %w", err)
	}
	return v.GitVersion, nil
}

// Kinds lists the API kinds served, in every version, "apps/v1/Deployment", sorted.
// Groups that do not answer are left out.
func (c *Client) Kinds() ([]string, error) {
	_, lists, err := c.typed.Discovery().ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("read the API kinds: %w", err)
	}
	var kinds []string
	for _, list := range lists {
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue // a subresource
			}
			kinds = append(kinds, list.GroupVersion+"/"+r.Kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
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
