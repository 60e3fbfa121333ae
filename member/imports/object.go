package imports

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/clusterset"
)

// Object is an object of a cluster as JSON is decoded, whole numbers as int64.
type Object = map[string]any

const (
	// Label is on everything that Hansa imports, with the value "true".
	Label = "hansa.io/import"
	// hashAnnotation tells what an object was when it was written, so that what it has no
	// more leaves it.
	hashAnnotation = "hansa.io/import-hash"

	// APIVersion of ServiceImports and ServiceExports.
	APIVersion = "multicluster.x-k8s.io/v1alpha1"
	// SourceLabel names the member whose endpoints an EndpointSlice has.
	SourceLabel  = "multicluster.kubernetes.io/source-cluster"
	serviceLabel = "multicluster.kubernetes.io/service-name"

	derivedAnnotation = "multicluster.kubernetes.io/derived-service"
	proxyLabel        = "kubernetes.io/service-name" // by it kube-proxy finds the slices of a Service
	managedByLabel    = "endpointslice.kubernetes.io/managed-by"

	// headless is the type of services without an IP of their own.
	headless = "Headless"
	// mostEndpoints is how many endpoints a slice has.
	mostEndpoints = 100
)

// derivedName is how the reference controller of the API names derived Services.
func derivedName(k federation.Key) string {
	sum := sha256.Sum256([]byte(k.String()))
	return "derived-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:10]
}

// digest is a short text that differs when the parts do.
func digest(parts ...any) string {
	b, _ := json.Marshal(parts) // nothing but texts and numbers in lists and maps: it cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:10]
}

// draft is an object of Hansa's in the making.
type draft struct {
	apiVersion, kind    string
	key                 federation.Key
	labels, annotations Object
	content             Object // beside the metadata
}

// object adds Hansa's label and the digest of the content.
func (d draft) object() Object {
	labels, annotations := Object{Label: "true"}, Object{}
	maps.Copy(labels, d.labels)
	maps.Copy(annotations, d.annotations)
	annotations[hashAnnotation] = digest(labels, annotations, d.content)
	out := Object{
		"apiVersion": d.apiVersion, "kind": d.kind,
		"metadata": Object{"namespace": d.key.Namespace, "name": d.key.Name, "labels": labels, "annotations": annotations},
	}
	maps.Copy(out, d.content)
	return out
}

// owned names the ServiceImport as an owner, so that what belongs to it goes with it.
func owned(o Object, k federation.Key, uid string) Object {
	field[Object](o, "metadata")["ownerReferences"] = []any{
		Object{"apiVersion": APIVersion, "kind": "ServiceImport", "name": k.Name, "uid": uid},
	}
	return o
}

// importOf is the ServiceImport of a service. ips and families are those of the derived
// Service, nil while there is none.
func importOf(k federation.Key, s clusterset.Service, ips, families []any) Object {
	var ports []any
	for _, p := range s.Ports {
		ports = append(ports, port(p.Name, p))
	}
	if ports == nil {
		ports = []any{} // the field has to be there
	}
	spec, annotations := Object{"type": s.Type, "ports": ports}, Object{}
	if s.Type != headless {
		annotations[derivedAnnotation] = derivedName(k)
		if len(ips) > 0 {
			spec["ips"] = ips
		}
		if len(families) > 0 {
			spec["ipFamilies"] = families
		}
	}
	return draft{apiVersion: APIVersion, kind: "ServiceImport", key: k, annotations: annotations, content: Object{"spec": spec}}.object()
}

// derivedOf is the Service that gives a service its IP.
func derivedOf(k federation.Key, s clusterset.Service) Object {
	var ports []any
	for _, p := range s.Ports {
		ports = append(ports, port(inside(p, s), p))
	}
	return draft{
		apiVersion: "v1", kind: "Service", key: federation.Key{Namespace: k.Namespace, Name: derivedName(k)},
		labels: Object{serviceLabel: k.Name}, content: Object{"spec": Object{"type": "ClusterIP", "ports": ports}},
	}.object()
}

// inside is a port's name in derived Services and slices: where there are several, none
// may be without.
func inside(p federation.Port, s clusterset.Service) string {
	if p.Name == "" && len(s.Ports) > 1 {
		return fmt.Sprintf("%s-%d", strings.ToLower(p.Protocol), p.Port)
	}
	return p.Name
}

func port(name string, p federation.Port) Object {
	out := Object{"port": int64(p.Port), "protocol": p.Protocol}
	if name != "" {
		out["name"] = name
	}
	if p.AppProtocol != "" {
		out["appProtocol"] = p.AppProtocol
	}
	return out
}

// slicesOf are the EndpointSlices of one member's export. A port over which it is in
// conflict with an older export is left out: nobody who asks for the older one may come
// to it.
func slicesOf(e federation.Export, s clusterset.Service) []Object {
	var ports []any
	for _, p := range e.Ports {
		if !slices.ContainsFunc(s.Ports, func(o federation.Port) bool { return clusterset.Same(o, p) }) {
			continue
		}
		one := port("", federation.Port{Protocol: p.Protocol, Port: p.Target, AppProtocol: p.AppProtocol})
		one["name"] = inside(p, s)
		ports = append(ports, one)
	}
	if len(ports) == 0 {
		return nil
	}
	families := map[string][]any{}
	for _, p := range e.Endpoints {
		if address, err := netip.ParseAddr(p.Address); err == nil {
			family := "IPv4"
			if address.Is6() {
				family = "IPv6"
			}
			families[family] = append(families[family], endpoint(p))
		}
	}
	var out []Object
	for _, family := range []string{"IPv4", "IPv6"} {
		for n := range (len(families[family]) + mostEndpoints - 1) / mostEndpoints {
			part := families[family][n*mostEndpoints : min((n+1)*mostEndpoints, len(families[family]))]
			labels := Object{serviceLabel: e.Service.Name, SourceLabel: e.Member, managedByLabel: "hansa.io"}
			if s.Type != headless {
				labels[proxyLabel] = derivedName(e.Service)
			}
			name := fmt.Sprintf("imported-%s-%s", e.Service.Name, digest(e.Member, family, n))
			out = append(out, draft{
				apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", key: federation.Key{Namespace: e.Service.Namespace, Name: name},
				labels: labels, content: Object{"addressType": family, "ports": ports, "endpoints": part},
			}.object())
		}
	}
	return out
}

// endpoint leaves out the node: it is another cluster's, and one of the same name here
// may be another.
func endpoint(p federation.Endpoint) Object {
	out := Object{
		"addresses":  []any{p.Address},
		"conditions": Object{"ready": p.Ready, "serving": p.Serving, "terminating": p.Terminating},
	}
	if p.Zone != "" {
		out["zone"] = p.Zone
	}
	if p.Hostname != "" {
		out["hostname"] = p.Hostname
	}
	return out
}

// field is a field of an object by its path, the zero value where it is missing or
// something else.
func field[T any](o Object, path ...string) T {
	var at any = o
	for _, name := range path {
		m, _ := at.(Object)
		at = m[name]
	}
	v, _ := at.(T)
	return v
}

// covers reports whether an object has everything that is wanted of it. In lists nothing
// more may be.
func covers(have, want any) bool {
	switch w := want.(type) {
	case Object:
		h, ok := have.(Object)
		for name := range w {
			ok = ok && covers(h[name], w[name])
		}
		return ok
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return false
		}
		for i := range w {
			same := covers(h[i], w[i])
			if !same && !slices.ContainsFunc(h, func(v any) bool { return covers(v, w[i]) }) {
				return false
			}
		}
		return true
	}
	return have == want
}
