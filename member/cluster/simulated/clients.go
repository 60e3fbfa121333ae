package simulated

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/client"
	"sigs.k8s.io/yaml"
)

// newTypedClient speaks protobuf, which costs both sides less than JSON.
func newTypedClient(base *rest.Config) (kubernetes.Interface, error) {
	cfg := rest.CopyConfig(base)
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	typed, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("create client for nodes: %w", err)
	}
	return typed, nil
}

// fillClients adds to conf every client that kwok wants.
func fillClients(conf *controllers.Config, kubeconfig string) error {
	set, err := client.NewClientset("", kubeconfig)
	if err != nil {
		return fmt.Errorf("create clients for kwok: %w", err)
	}
	base, err := set.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("read kubeconfig for kwok: %w", err)
	}
	if conf.TypedClient, err = newTypedClient(base); err != nil {
		return err
	}
	if conf.DynamicClient, err = set.ToDynamicClient(); err != nil {
		return fmt.Errorf("create dynamic client for kwok: %w", err)
	}
	if conf.RESTMapper, err = set.ToRESTMapper(); err != nil {
		return fmt.Errorf("create mapper for kwok: %w", err)
	}
	if conf.RESTClient, err = rest.RESTClientFor(base); err != nil {
		return fmt.Errorf("create REST client for kwok: %w", err)
	}
	if conf.TypedKwokClient, err = versioned.NewForConfig(base); err != nil {
		return fmt.Errorf("create kwok client: %w", err)
	}
	conf.ImpersonatingDynamicClient = set.ToImpersonatingDynamicClient()
	conf.ImpersonatingTypedClient = set.ToImpersonatingTypedClient()
	return nil
}

// loadStages reads the lives of nodes and pods that kwok ships: a node becomes
// Ready and beats, a pod runs at once, a pod of a job then completes, and a
// pod marked for deletion goes.
func loadStages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	stages := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, text := range []string{
		nodefast.DefaultNodeInit,
		nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady,
		podfast.DefaultPodComplete,
		podfast.DefaultPodDelete,
	} {
		var stored v1alpha1.Stage
		if err := yaml.UnmarshalStrict([]byte(text), &stored); err != nil {
			return nil, fmt.Errorf("decode kwok stage: %w", err)
		}
		v1alpha1.SetObjectDefaults_Stage(&stored)
		stage, err := internalversion.ConvertToInternalStage(&stored)
		if err != nil {
			return nil, fmt.Errorf("convert kwok stage %s: %w", stored.Name, err)
		}
		stages[stage.Spec.ResourceRef] = append(stages[stage.Spec.ResourceRef], stage)
	}
	return stages, nil
}
