package imports

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

var (
	start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	web   = federation.Key{Namespace: "shop", Name: "web"}
	http  = federation.Port{Name: "http", Protocol: "TCP", Port: 80, Target: 8080}
)

// world is a table, and a cluster that does what plans say, as an API server does.
type world struct {
	t        *testing.T
	now      time.Time
	table    Table
	have     Cluster
	sources  []federation.ImportSource
	revision uint64
	uid      int
}

func newWorld(t *testing.T, members ...string) *world {
	w := &world{t: t, now: start, have: Cluster{
		Namespaces: map[string]bool{"shop": true}, Imports: map[federation.Key]Object{},
		Services: map[federation.Key]Object{}, Slices: map[federation.Key]Object{}, Exports: map[federation.Key]Export{},
	}}
	for _, m := range members {
		w.sources = append(w.sources, federation.ImportSource{Member: m, State: federation.SourceCurrent})
	}
	return w
}

// tell is an answer of the hub of a term; a higher term begins anew.
func (w *world) tell(term uint64, exports ...federation.Export) {
	w.revision++
	w.table.Apply(w.now, federation.ImportsReply{Term: term, Revision: w.revision, Anew: term != w.table.term, Sources: w.sources}, exports)
}

func (w *world) source(member string, s federation.SourceState) {
	for i := range w.sources {
		if w.sources[i].Member == member {
			w.sources[i].State = s
		}
	}
	w.tell(w.table.term)
}

func export(member string, age time.Duration, ports []federation.Port, addresses ...string) federation.Export {
	e := federation.Export{Member: member, Service: web, Type: "ClusterSetIP", Ports: ports, ExportedAt: start.Add(-age)}
	for _, a := range addresses {
		e.Endpoints = append(e.Endpoints, federation.Endpoint{Address: a, Ready: true, Serving: true, Node: "n", Zone: "z"})
	}
	return e
}

func gone(member string) federation.Export {
	return federation.Export{Member: member, Service: web, Removed: true}
}

// settle carries plans out until nothing is left to do, and returns what was done.
func (w *world) settle() string {
	w.t.Helper()
	var done []string
	for range 5 {
		p := w.table.Plan(w.now, "tokyo", w.have)
		if len(p.Put)+len(p.Status)+len(p.Drop) == 0 {
			slices.Sort(done)
			return strings.Join(slices.Compact(done), ", ")
		}
		for _, o := range p.Put {
			done = append(done, "put "+w.put(plain(w.t, o)))
		}
		for _, o := range p.Status {
			done = append(done, "status "+w.status(plain(w.t, o)))
		}
		for _, o := range p.Drop {
			delete(w.of(o), at(o))
			done = append(done, "drop "+name(o))
		}
	}
	w.t.Fatalf("it does not settle: %v", done)
	return ""
}

func (w *world) of(o Object) map[federation.Key]Object {
	return map[string]map[federation.Key]Object{"ServiceImport": w.have.Imports, "Service": w.have.Services, "EndpointSlice": w.have.Slices}[o["kind"].(string)]
}

func at(o Object) federation.Key {
	return federation.Key{Namespace: field[string](o, "metadata", "namespace"), Name: field[string](o, "metadata", "name")}
}

func name(o Object) string { return o["kind"].(string) + " " + at(o).Name }

func (w *world) put(o Object) string {
	all, before := w.of(o), w.of(o)[at(o)]
	w.uid++
	field[Object](o, "metadata")["uid"] = fmt.Sprint("uid", w.uid)
	if before != nil {
		field[Object](o, "metadata")["uid"] = before["metadata"].(Object)["uid"]
		o["status"] = before["status"]
	}
	if o["kind"] == "Service" {
		field[Object](o, "spec")["clusterIPs"] = []any{"10.0.0.9"}
		field[Object](o, "spec")["ipFamilies"] = []any{"IPv4"}
	}
	all[at(o)] = o
	return name(o)
}

func (w *world) status(o Object) string {
	if o["kind"] == "ServiceExport" {
		e := w.have.Exports[at(o)]
		e.Object = maps.Clone(e.Object)
		e.Object["status"] = o["status"]
		w.have.Exports[at(o)] = e
		return name(o)
	}
	w.of(o)[at(o)]["status"] = o["status"]
	return name(o)
}

// plain is an object as it comes back from an API server.
func plain(t *testing.T, o Object) Object {
	t.Helper()
	b, err := json.Marshal(o)
	var out Object
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return whole(out).(Object)
}

func whole(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case Object:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// show is a part of an object as JSON.
func show(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// endpoints are the slices of the cluster: the member, ports and addresses of each.
func (w *world) endpoints() string {
	var out []string
	for _, s := range w.have.Slices {
		text := field[string](s, "metadata", "labels", SourceLabel)
		for _, p := range field[[]any](s, "ports") {
			text += fmt.Sprintf(" %s=%d", p.(Object)["name"], p.(Object)["port"])
		}
		for _, e := range field[[]any](s, "endpoints") {
			text += " " + e.(Object)["addresses"].([]any)[0].(string)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (w *world) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestImport(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	w.want("before the hub has told", w.settle(), "")
	w.tell(1, export("tokyo", time.Hour, []federation.Port{http}, "10.1.0.1"), export("frankfurt", 0, []federation.Port{http}, "10.2.0.1", "fd00::1"))
	derived := derivedName(web)
	if done := w.settle(); !strings.Contains(done, "put Service "+derived) {
		t.Errorf("done: %s", done)
	}
	i := w.have.Imports[web]
	w.want("spec", show(i["spec"]), `{"ipFamilies":["IPv4"],"ips":["10.0.0.9"],"ports":[{"name":"http","port":80,"protocol":"TCP"}],"type":"ClusterSetIP"}`)
	w.want("status", show(i["status"]), `{"clusters":[{"cluster":"frankfurt"},{"cluster":"tokyo"}],"conditions":[{"lastTransitionTime":"2026-07-01T12:00:00Z",`+
		`"message":"the service can be used","reason":"Ready","status":"True","type":"Ready"}],"endpointSliceObjects":"Present"}`)
	w.want("derived", field[string](i, "metadata", "annotations", derivedAnnotation), derived)
	w.want("endpoints", w.endpoints(), "frankfurt http=8080 10.2.0.1; frankfurt http=8080 fd00::1; tokyo http=8080 10.1.0.1")
	for _, s := range w.have.Slices {
		w.want("service of a slice", field[string](s, "metadata", "labels", proxyLabel), derived)
		w.want("owner", show(field[[]any](s, "metadata", "ownerReferences")),
			`[{"apiVersion":"multicluster.x-k8s.io/v1alpha1","kind":"ServiceImport","name":"web","uid":"uid1"}]`)
	}
	w.want("again", w.settle(), "")
}

func TestOnlyWhereTheNamespaceIs(t *testing.T) {
	w := newWorld(t, "frankfurt")
	w.have.Namespaces = map[string]bool{"other": true}
	w.tell(1, export("frankfurt", 0, []federation.Port{http}, "10.2.0.1"))
	w.want("done", w.settle(), "")
	w.have.Namespaces["shop"] = true
	if done := w.settle(); !strings.Contains(done, "put ServiceImport web") {
		t.Errorf("done: %s", done)
	}
}

// TestPortConflict: the oldest export is right, and nobody comes to another one's port.
func TestPortConflict(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	w.have.Exports[web] = Export{Object: Object{"apiVersion": APIVersion, "kind": "ServiceExport"}}
	other := federation.Port{Name: "http", Protocol: "TCP", Port: 81, Target: 9090}
	admin := federation.Port{Name: "admin", Protocol: "TCP", Port: 90, Target: 90}
	w.tell(1, export("tokyo", 0, []federation.Port{other, admin}, "10.1.0.1"), export("frankfurt", time.Hour, []federation.Port{http}, "10.2.0.1"))
	w.settle()
	w.want("ports", show(field[[]any](w.have.Imports[web], "spec", "ports")),
		`[{"name":"http","port":80,"protocol":"TCP"},{"name":"admin","port":90,"protocol":"TCP"}]`)
	w.want("endpoints", w.endpoints(), "frankfurt http=8080 10.2.0.1; tokyo admin=90 10.1.0.1")
	w.want("conditions", w.conditions(), "Valid=True Valid; Ready=True Exported; Conflict=True PortConflict tokyo: port http 81 differs from the older http 80")
	w.tell(1, gone("frankfurt"))
	w.settle()
	w.want("conditions", w.conditions(), "Valid=True Valid; Ready=True Exported; Conflict=False NoConflicts all exports of the service fit together")
	w.want("endpoints", w.endpoints(), "tokyo http=9090 admin=90 10.1.0.1")
}

func (w *world) conditions() string {
	var out []string
	for _, c := range field[[]any](w.have.Exports[web].Object, "status", "conditions") {
		o := c.(Object)
		text := fmt.Sprintf("%s=%s %s", o["type"], o["status"], o["reason"])
		if o["type"] == "Conflict" {
			text += " " + o["message"].(string)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestInvalidExport(t *testing.T) {
	w := newWorld(t, "tokyo")
	w.have.Exports[web] = Export{Object: Object{"apiVersion": APIVersion, "kind": "ServiceExport"}, Invalid: "NoService"}
	w.tell(1)
	w.settle()
	w.want("conditions", w.conditions(), "Valid=False NoService; Ready=False Pending")
}

func TestForeignStays(t *testing.T) {
	w := newWorld(t, "frankfurt")
	w.have.Imports[web] = Object{"apiVersion": APIVersion, "kind": "ServiceImport", "metadata": Object{"namespace": "shop", "name": "web", "uid": "x"}}
	w.tell(1, export("frankfurt", 0, []federation.Port{http}, "10.2.0.1"))
	w.want("done", w.settle(), "")
	w.want("foreign", fmt.Sprint(w.table.Plan(w.now, "tokyo", w.have).Foreign), "[shop/web]")
	w.tell(1, gone("frankfurt"))
	w.want("done", w.settle(), "")
}
