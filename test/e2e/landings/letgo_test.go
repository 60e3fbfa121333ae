package landings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: guilds.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: guilds, singular: guild, kind: Guild, listKind: GuildList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]`

// checkLetGo: a cluster that leaves keeps its objects, which are nobody's then; or what is
// in the inventories goes, and nothing else. What holds a deletion up is told, and the
// next attempt goes on.
func checkLetGo(t *testing.T, s *site) {
	s.stop()
	s = openSite(t, s.kubeconfig)
	retained := order(t, "retained", federation.LandingSpec{}, web("retained", 1)+"\n---\n"+configMap("retained", "hello"))
	s.carry(t, retained)
	s.stop()
	if err := s.LetGo(t.Context(), federation.Retain); err != nil {
		t.Fatal(err)
	}
	if !s.there(t, "deployment", "retained") || !s.there(t, "configmap", "retained") {
		t.Error("what was to stay is gone")
	}
	if got := s.kubectl(t, "-n", "shop", "get", "deployment,configmap", "-l", "app=retained", "--show-managed-fields", "-o", "yaml"); strings.Contains(got, "hansa.io/") || strings.Contains(got, "manager: hansa\n") {
		t.Errorf("what stays has marks of Hansa:\n%s", got)
	}
	s.noInventories(t)

	s = openSite(t, s.kubeconfig)
	s.kubectl(t, "-n", "shop", "create", "configmap", "mine", "--from-literal=greeting=mine")
	deleted := order(t, "deleted", federation.LandingSpec{Takeover: "Always"}, strings.Join([]string{
		crd, "apiVersion: example.com/v1\nkind: Guild\nmetadata: {namespace: hall, name: bakers, finalizers: [example.com/keep]}",
		web("deleted", 1), configMap("mine", "taken"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: yard, name: cart}",
	}, "\n---\n"))
	s.carry(t, deleted)
	s.stop()
	s.kubectl(t, "-n", "yard", "create", "configmap", "guest")
	s.await(t, "waits until these are deleted: Guild hall/bakers (finalizers example.com/keep)", func() string {
		return fmt.Sprint(s.LetGo(t.Context(), federation.Delete)) // its patience is short for a busy machine
	})
	if s.there(t, "deployment", "deleted") {
		t.Error("one that is held keeps others")
	}
	s.kubectl(t, "-n", "hall", "patch", "guild", "bakers", "--type=merge", "-p", `{"metadata": {"finalizers": null}}`)
	for range 2 { // again, as after a crash
		if err := s.LetGo(t.Context(), federation.Delete); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, "", func() string { return s.kubectl(t, "get", "namespace", "hall", "--ignore-not-found", "-o", "name") })
	if got := s.kubectl(t, "-n", "yard", "get", "configmap", "guest", "cart", "--ignore-not-found", "-o", "name"); got != "configmap/guest" {
		t.Errorf("yard has %q", got)
	}
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "mine", "-o", "jsonpath={.data.greeting}"); got != "taken" {
		t.Errorf("what was taken over says %q", got)
	}
	if got := s.kubectl(t, "get", "namespace/yard", "crd/guilds.example.com", "configmap/mine", "-n", "shop", "--show-managed-fields", "-o", "yaml"); strings.Contains(got, "hansa.io/") || strings.Contains(got, "manager: hansa\n") {
		t.Errorf("what stays has marks of Hansa:\n%s", got)
	}
	s.noInventories(t)
}

func (s *site) noInventories(t *testing.T) {
	t.Helper()
	if got := s.kubectl(t, "-n", "hansa-system", "get", "configmap", "-l", "hansa.io/inventory=true", "-o", "name"); got != "" {
		t.Errorf("inventories are left: %s", got)
	}
	if got := s.Workloads(); len(got) != 0 {
		t.Errorf("these are known still: %v", got)
	}
}
