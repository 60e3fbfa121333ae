package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestImports: members hold what the clusterset exports as objects of the Multi-Cluster
// Services API. Later parts need the earlier ones.
func TestImports(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--timeout", "100s")
	for _, part := range []struct {
		name string
		test func(*testing.T, federation)
	}{
		{"sample", checkImported},
		{"conflict", checkImportConflict},
		{"foreign", checkImportForeign},
		{"drift", checkImportDrift},
		{"lost member", checkImportLost},
		{"dead hub", checkImportDeadHub},
		{"last export", checkImportLast},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, f) }) {
			return
		}
	}
}

// serviceImport is what the test reads of one.
type serviceImport struct {
	Metadata struct {
		UID, ResourceVersion string
		Annotations          map[string]string
	}
	Spec struct {
		Type  string
		IPs   []string
		Ports []struct {
			Name, Protocol string
			Port           int
		}
	}
	Status struct {
		EndpointSliceObjects string
		Clusters             []struct{ Cluster string }
		Conditions           []struct{ Type, Status, Reason string }
	}
}

// String returns "ClusterSetIP http:80/TCP of frankfurt,tokyo Present Ready=True".
func (s serviceImport) String() string {
	text := s.Spec.Type
	for _, p := range s.Spec.Ports {
		text += fmt.Sprintf(" %s:%d/%s", p.Name, p.Port, p.Protocol)
	}
	var from []string
	for _, c := range s.Status.Clusters {
		from = append(from, c.Cluster)
	}
	text += " of " + strings.Join(from, ",") + " " + s.Status.EndpointSliceObjects
	for _, c := range s.Status.Conditions {
		text += " " + c.Type + "=" + c.Status
	}
	return text
}

// serviceImport reads one; without an UID it is not there.
func (f federation) serviceImport(t *testing.T, member, namespace, name string) serviceImport {
	t.Helper()
	var s serviceImport
	out := f.kubectl(t, member, "get", "serviceimport", "-n", namespace, name, "--ignore-not-found", "-o", "json")
	if out == "" {
		return s
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return s
}

// awaitImport waits until the import is what is wanted; "" is none.
func (f federation) awaitImport(t *testing.T, member, service, want string) {
	t.Helper()
	namespace, name, _ := strings.Cut(service, "/")
	f.await(t, 30*time.Second, func() string {
		got := ""
		if s := f.serviceImport(t, member, namespace, name); s.Metadata.UID != "" {
			got = s.String()
		}
		if got != want {
			return fmt.Sprintf("%s of %s is %q, want %q", service, member, got, want)
		}
		return ""
	})
}

// importedFrom counts the endpoints that a member has imported of a service, by source.
func (f federation) importedFrom(t *testing.T, member, service string) string {
	t.Helper()
	namespace, name, _ := strings.Cut(service, "/")
	out := f.kubectl(t, member, "get", "endpointslices", "-n", namespace, "-l", "multicluster.kubernetes.io/service-name="+name, "-o",
		`jsonpath={range .items[*]}{.metadata.labels.multicluster\.kubernetes\.io/source-cluster}={range .endpoints[*]}{.addresses[0]} {end}{"\n"}{end}`)
	var from []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		source, addresses, _ := strings.Cut(line, "=")
		from = append(from, fmt.Sprintf("%s=%d", source, len(strings.Fields(addresses))))
	}
	slices.Sort(from)
	return strings.Join(from, " ")
}

const ofAll = "ClusterSetIP http:80/TCP of frankfurt,tokyo,virginia Present Ready=True"

// checkImported: every member imports the sample, with an IP of its own.
func checkImported(t *testing.T, f federation) {
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		f.awaitImport(t, member, "shop/web", ofAll)
		f.awaitImport(t, member, "shop/cart", ofAll)
		table := f.kubectl(t, member, "get", "serviceimports", "-A")
		s := f.serviceImport(t, member, "shop", "web")
		derived := s.Metadata.Annotations["multicluster.kubernetes.io/derived-service"]
		ip := f.kubectl(t, member, "get", "service", "-n", "shop", derived, "-o", "jsonpath={.spec.clusterIP}")
		if len(s.Spec.IPs) != 1 || s.Spec.IPs[0] != ip || !strings.Contains(table, ip) {
			t.Errorf("%s: IPs %v, of %s %q, table:\n%s", member, s.Spec.IPs, derived, ip, table)
		}
		f.await(t, 20*time.Second, func() string {
			if got := f.importedFrom(t, member, "shop/web"); got != "frankfurt=2 tokyo=2 virginia=2" {
				return "endpoints in " + member + ": " + got
			}
			return ""
		})
		f.awaitConditions(t, member, "shop/web", "Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts")
		if out := f.kubectl(t, member, "get", "serviceimports", "-n", "default", "-o", "name"); out != "" {
			t.Errorf("%s imports into default: %s", member, out)
		}
	}
}

func (f federation) awaitConditions(t *testing.T, member, service, want string) {
	t.Helper()
	namespace, name, _ := strings.Cut(service, "/")
	f.await(t, 20*time.Second, func() string {
		out := f.kubectl(t, member, "get", "serviceexport", "-n", namespace, name, "-o",
			`jsonpath={range .status.conditions[*]}{.type}={.status}/{.reason} {end}`)
		if out != want {
			return fmt.Sprintf("conditions of %s in %s: %s, want %s", service, member, out, want)
		}
		return ""
	})
}

const desk = `apiVersion: v1
kind: Service
metadata: {namespace: inn, name: desk}
spec: {ports: [{name: http, port: %d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: inn, name: desk, labels: {kubernetes.io/service-name: desk}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [192.0.2.%[1]d]}]
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {namespace: inn, name: desk}
`

// checkImportConflict: two members export different ports under one name. The older one
// counts, everybody is told, and only members with the namespace import.
func checkImportConflict(t *testing.T, f federation) {
	f.kubectl(t, "tokyo", "create", "namespace", "inn")
	f.put(t, "tokyo", fmt.Sprintf(desk, 80))
	f.awaitImport(t, "tokyo", "inn/desk", "ClusterSetIP http:80/TCP of tokyo Present Ready=True")
	f.kubectl(t, "frankfurt", "create", "namespace", "inn")
	made, err := time.Parse(time.RFC3339, f.kubectl(t, "tokyo", "get", "serviceexport", "-n", "inn", "desk", "-o", "jsonpath={.metadata.creationTimestamp}"))
	if err != nil {
		t.Fatal(err)
	}
	f.await(t, 5*time.Second, func() string { // times of creation are whole seconds
		if time.Since(made) < 2*time.Second {
			return "the next export would be as old"
		}
		return ""
	})
	f.put(t, "frankfurt", fmt.Sprintf(desk, 81))
	for _, member := range []string{"tokyo", "frankfurt"} {
		f.awaitImport(t, member, "inn/desk", "ClusterSetIP http:80/TCP of frankfurt,tokyo Present Ready=True")
		f.awaitConditions(t, member, "inn/desk", "Valid=True/Valid Ready=True/Exported Conflict=True/PortConflict")
		if got := f.importedFrom(t, member, "inn/desk"); got != "tokyo=1" {
			t.Errorf("who asks for port 80 in %s comes to %s", member, got)
		}
	}
	if out := f.kubectl(t, "virginia", "get", "serviceimports", "-n", "inn", "-o", "name"); out != "" {
		t.Errorf("virginia has no namespace inn, and imports %s", out)
	}
	f.kubectl(t, "virginia", "create", "namespace", "inn")
	f.awaitImport(t, "virginia", "inn/desk", "ClusterSetIP http:80/TCP of frankfurt,tokyo Present Ready=True")
}

const foreign = `apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {namespace: inn, name: bar}
spec: {type: Headless, ports: []}
`

// checkImportForeign: an import that somebody made stays his.
func checkImportForeign(t *testing.T, f federation) {
	f.put(t, "virginia", foreign)
	f.put(t, "tokyo", strings.ReplaceAll(fmt.Sprintf(desk, 80), "desk", "bar"))
	f.awaitImport(t, "frankfurt", "inn/bar", "ClusterSetIP http:80/TCP of tokyo Present Ready=True")
	f.kubectl(t, "tokyo", "delete", "serviceexport", "-n", "inn", "bar")
	f.awaitImport(t, "frankfurt", "inn/bar", "")
	f.awaitImport(t, "virginia", "inn/bar", "Headless of  ")
	if got := f.importedFrom(t, "virginia", "inn/bar"); got != "=0" {
		t.Errorf("it has endpoints: %s", got)
	}
}

// checkImportDrift: what somebody deletes comes back.
func checkImportDrift(t *testing.T, f federation) {
	f.kubectl(t, "virginia", "delete", "serviceimport", "-n", "inn", "desk")
	f.awaitImport(t, "virginia", "inn/desk", "ClusterSetIP http:80/TCP of frankfurt,tokyo Present Ready=True")
	f.kubectl(t, "virginia", "delete", "endpointslices", "-n", "inn", "-l", "hansa.io/import")
	f.await(t, 20*time.Second, func() string {
		if got := f.importedFrom(t, "virginia", "inn/desk"); got != "tokyo=1" {
			return "endpoints: " + got
		}
		return ""
	})
}

// checkImportLost: the endpoints of a dead member leave, the import stays as it is.
func checkImportLost(t *testing.T, f federation) {
	before := f.serviceImport(t, "frankfurt", "inn", "desk").Metadata
	f.run(t, "hansa", "member", "kill", "tokyo")
	f.await(t, 30*time.Second, func() string {
		if got := f.importedFrom(t, "frankfurt", "inn/desk"); got != "=0" {
			return "endpoints: " + got
		}
		return ""
	})
	f.run(t, "hansa", "member", "start", "tokyo")
	f.await(t, time.Minute, func() string {
		if got := f.importedFrom(t, "frankfurt", "inn/desk"); got != "tokyo=1" {
			return "endpoints: " + got
		}
		return ""
	})
	if after := f.serviceImport(t, "frankfurt", "inn", "desk").Metadata; after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the import was written: %+v, then %+v", before, after)
	}
}

// checkImportDeadHub: a hub that has lost what members report takes nothing away.
func checkImportDeadHub(t *testing.T, f federation) {
	f.awaitImport(t, "frankfurt", "shop/web", ofAll)
	before := f.kubectl(t, "frankfurt", "get", "serviceimports", "-A", "-o", "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}")
	f.killHub(t)
	f.run(t, "hansa", "up", "--timeout", "60s")
	f.put(t, "frankfurt", strings.ReplaceAll(fmt.Sprintf(desk, 80), "desk", "bell"))
	f.awaitImport(t, "virginia", "inn/bell", "ClusterSetIP http:80/TCP of frankfurt Present Ready=True")
	f.kubectl(t, "frankfurt", "delete", "serviceexport", "-n", "inn", "bell")
	f.awaitImport(t, "frankfurt", "inn/bell", "")
	after := f.kubectl(t, "frankfurt", "get", "serviceimports", "-A", "-o", "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}")
	if before != after {
		t.Errorf("imports: %s, and with the next hub: %s", before, after)
	}
}

// checkImportLast: with the last export the import goes, and all that was derived.
func checkImportLast(t *testing.T, f federation) {
	f.kubectl(t, "tokyo", "delete", "serviceexport", "-n", "inn", "desk")
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		f.awaitImport(t, member, "inn/desk", "ClusterSetIP http:81/TCP of frankfurt Present Ready=True")
	}
	f.awaitConditions(t, "frankfurt", "inn/desk", "Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts")
	f.kubectl(t, "frankfurt", "delete", "service", "-n", "inn", "desk")
	f.awaitConditions(t, "frankfurt", "inn/desk", "Valid=False/NoService Ready=False/Pending")
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		f.awaitImport(t, member, "inn/desk", "")
		f.await(t, 20*time.Second, func() string {
			return f.kubectl(t, member, "get", "services,endpointslices", "-n", "inn", "-l", "hansa.io/import", "-o", "name")
		})
	}
}
