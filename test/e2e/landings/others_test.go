package landings

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/member/kube"
)

// recorder notes what Hansa writes of users' objects; its own records are left out.
type recorder struct {
	*kube.Client

	mu    sync.Mutex
	wrote map[kube.Ref][]string
}

func (r *recorder) note(verb string, at kube.Ref) {
	if at.Namespace == "hansa-system" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrote == nil {
		r.wrote = map[kube.Ref][]string{}
	}
	r.wrote[at] = append(r.wrote[at], verb)
}

// written lists the writes of some objects since the last time.
func (r *recorder) written(refs []kube.Ref) (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range refs {
		for _, verb := range r.wrote[at] {
			out = append(out, verb+" "+at.String())
		}
		delete(r.wrote, at)
	}
	return out
}

func (r *recorder) Create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	r.note("create", kube.RefOf(u))
	return r.Client.Create(ctx, u)
}

func (r *recorder) Apply(ctx context.Context, u *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	if !dryRun {
		r.note("apply", kube.RefOf(u))
	}
	return r.Client.Apply(ctx, u, dryRun)
}

func (r *recorder) Merge(ctx context.Context, at kube.Ref, patch []byte) error {
	r.note("merge", at)
	return r.Client.Merge(ctx, at, patch)
}

func (r *recorder) Delete(ctx context.Context, at kube.Ref, uid types.UID, policy metav1.DeletionPropagation) error {
	r.note("delete", at)
	return r.Client.Delete(ctx, at, uid, policy)
}

// others are somebody else who has and changes things in the cluster.
type others struct {
	objects dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func openOthers(t testing.TB, kubeconfig string) *others {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.UserAgent = -1, "somebody"
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &others{objects, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed.Discovery()))}
}

func (o *others) at(t testing.TB, r kube.Ref) dynamic.ResourceInterface {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(r.APIVersion)
	u.SetKind(r.Kind)
	mapping, err := o.mapper.RESTMapping(u.GroupVersionKind().GroupKind(), u.GroupVersionKind().Version)
	if meta.IsNoMatchError(err) { // its definition has come since
		o.mapper.Reset()
		mapping, err = o.mapper.RESTMapping(u.GroupVersionKind().GroupKind(), u.GroupVersionKind().Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return o.objects.Resource(mapping.Resource)
	}
	return o.objects.Resource(mapping.Resource).Namespace(r.Namespace)
}

func (o *others) create(t testing.TB, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	made, err := o.at(t, kube.RefOf(u)).Create(t.Context(), u, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("others create %s: %v", kube.RefOf(u), err)
	}
	return made
}

// get returns nil when there is no such object.
func (o *others) get(t testing.TB, r kube.Ref) *unstructured.Unstructured {
	t.Helper()
	u, err := o.at(t, r).Get(t.Context(), r.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatalf("others read %s: %v", r, err)
	}
	return u
}

func (o *others) remove(t testing.TB, r kube.Ref) {
	t.Helper()
	policy := metav1.DeletePropagationBackground
	if err := o.at(t, r).Delete(t.Context(), r.Name, metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
		t.Fatalf("others delete %s: %v", r, err)
	}
}

// annotate changes what no work says anything about.
func (o *others) annotate(t testing.TB, r kube.Ref, value string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/seen-by": value}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.at(t, r).Patch(t.Context(), r.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatalf("others annotate %s: %v", r, err)
	}
}

// marked lists everything in the cluster that has Hansa's label, without namespaces that
// the cluster is taking away.
func (o *others) marked(t testing.TB, client *kube.Client) []string {
	t.Helper()
	kinds, err := client.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, kind := range kinds {
		var r kube.Ref
		if r.APIVersion, r.Kind, err = splitKind(kind); err != nil {
			t.Fatal(err)
		}
		list, err := client.List(t.Context(), r, kube.ManagedLabel)
		if apierrors.IsMethodNotSupported(err) || apierrors.IsNotFound(err) {
			continue // a kind of requests
		}
		for i := range list {
			if list[i].GetKind() == "Namespace" && list[i].GetDeletionTimestamp() != nil {
				continue
			}
			out = append(out, kube.RefOf(&list[i]).String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// splitKind splits "apps/v1/Deployment".
func splitKind(text string) (version, kind string, err error) {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '/' {
			return text[:i], text[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("kind %q", text)
}
