package landing

import (
	"cmp"
	"slices"

	"github.com/hansa-io/hansa/member/kube"
)

// ranks lists the kinds whose place in the order matters, first ones first. Kinds
// that are not listed come between configuration and webhooks: a custom resource
// may need what comes before it, and nothing that comes after.
var ranks = rankOf([][]string{
	{"Namespace"},
	{definition},
	{"PriorityClass", "StorageClass", "IngressClass", "RuntimeClass", "ResourceQuota", "LimitRange", "NetworkPolicy"},
	{"ServiceAccount"}, // without it the cluster deletes the Secret of its token
	{"ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "Secret", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim"},
	{"Service", "ServiceExport", "ServiceImport"},
	{"PodDisruptionBudget"},
})

// definition is the kind of what defines kinds.
const definition = "CustomResourceDefinition"

const (
	anyRank     = 50
	webhookRank = 90
)

func rankOf(groups [][]string) map[string]int {
	out := map[string]int{"MutatingWebhookConfiguration": webhookRank, "ValidatingWebhookConfiguration": webhookRank, "APIService": webhookRank}
	for i, kinds := range groups {
		for _, k := range kinds {
			out[k] = i
		}
	}
	return out
}

func rank(kind string) int {
	if r, ok := ranks[kind]; ok {
		return r
	}
	return anyRank
}

// sequence orders references as their objects are landed; equal kinds by name, so
// that two runs are alike.
func sequence(a, b kube.Ref) int {
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion))
}

// runs reports whether objects of the kind make pods.
func runs(kind string) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"}, kind)
}
