package kube

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// typed reads what is followed by its type, in protobuf: there may be much of it.
type typed struct{ core, discovery rest.Interface }

func openTyped(config *rest.Config, transport *http.Client) (out typed, err error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{}, &corev1.Pod{}, &corev1.PodList{},
		&corev1.ResourceQuota{}, &corev1.ResourceQuotaList{}, &corev1.Service{}, &corev1.ServiceList{})
	scheme.AddKnownTypes(discoveryv1.SchemeGroupVersion, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	metav1.AddToGroupVersion(scheme, discoveryv1.SchemeGroupVersion)
	reader := func(path string, gv schema.GroupVersion) (rest.Interface, error) {
		config := rest.CopyConfig(config)
		config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
		config.APIPath, config.GroupVersion, config.NegotiatedSerializer = path, &gv, serializer.NewCodecFactory(scheme).WithoutConversion()
		return rest.RESTClientForConfigAndClient(config, transport)
	}
	if out.core, err = reader("/api", corev1.SchemeGroupVersion); err != nil {
		return typed{}, err
	}
	out.discovery, err = reader("/apis", discoveryv1.SchemeGroupVersion)
	return out, err
}

// informer keeps a cache of the objects of a resource with such labels, "" for all.
func informer(c rest.Interface, resource string, example runtime.Object, labels string) cache.SharedIndexInformer {
	selected := cache.NewFilteredListWatchFromClient(c, resource, metav1.NamespaceAll, func(o *metav1.ListOptions) { o.LabelSelector = labels })
	return cache.NewSharedIndexInformer(selected, example, 0, cache.Indexers{})
}
