package imports

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/clusterset"
)

// Cluster is what is in a cluster.
type Cluster struct {
	Namespaces map[string]bool // those that are not being deleted
	Imports    map[federation.Key]Object
	// Services and Slices are those with the label Label, by their own names.
	Services, Slices map[federation.Key]Object
	// Exports are the ServiceExports.
	Exports map[federation.Key]Export
}

// Export is a ServiceExport, and why it exports nothing: a reason of the condition
// Valid, "" when it does.
type Export struct {
	Object  Object
	Invalid string
}

// Plan is what has to be written so that a cluster holds what it should.
type Plan struct {
	// Put are to be applied whole, Status only their status, in this order.
	Put, Status []Object
	// Drop are to be deleted; each has its uid.
	Drop []Object
	// Foreign are services that others import under the same name.
	Foreign []federation.Key
	// Waits is how many services stay as they are because the hub does not know yet
	// whether they are exported; Later is when that may change by itself, zero for never.
	Waits int
	Later time.Time
}

// Plan compares the table with a cluster, whose agent is that of the named member. A
// table that the hub has not filled yet wants nothing.
func (t *Table) Plan(now time.Time, member string, have Cluster) Plan {
	if !t.whole {
		return Plan{}
	}
	p := &planner{Table: t, now: now, have: have, keep: map[string]bool{}}
	keys := maps.Clone(t.exports)
	if keys == nil {
		keys = map[federation.Key]map[string]federation.Export{}
	}
	for k := range have.Imports {
		keys[k] = nil
	}
	for _, k := range slices.SortedFunc(maps.Keys(keys), federation.Key.Compare) {
		if have.Namespaces[k.Namespace] {
			p.service(k)
		}
	}
	p.drop(have.Services, "Service")
	p.drop(have.Slices, "EndpointSlice")
	for _, k := range slices.SortedFunc(maps.Keys(have.Exports), federation.Key.Compare) {
		p.export(k, member)
	}
	return p.out
}

// planner is a plan in the making.
type planner struct {
	*Table
	now  time.Time
	have Cluster
	keep map[string]bool // "kind namespace/name" of what stays
	out  Plan
}

// service plans one service.
func (p *planner) service(k federation.Key) {
	there := p.have.Imports[k]
	if there != nil && field[string](there, "metadata", "labels", Label) != "true" {
		if len(p.exports[k]) > 0 {
			p.out.Foreign = append(p.out.Foreign, k)
		}
		return
	}
	exports := p.of(k)
	doubtful := p.doubtful(k, there)
	switch {
	case len(doubtful) > 0:
		p.out.Waits++
		p.keepAsIs(k, doubtful)
	case len(exports) == 0:
		p.out.Drop = append(p.out.Drop, there)
		return
	}
	if field[string](there, "metadata", "deletionTimestamp") != "" {
		return // it comes again when it is gone
	}
	merged := clusterset.Service{}
	if len(exports) > 0 {
		merged = clusterset.Merge(exports)
	}
	if len(doubtful) == 0 {
		p.write(k, merged, there)
	}
	if uid := field[string](there, "metadata", "uid"); uid != "" {
		p.slices(k, uid, merged, exports)
	}
}

// doubtful lists the members of which the cluster has a service, and of which it is not
// certain that they do not export it any more.
func (p *planner) doubtful(k federation.Key, there Object) []string {
	var out []string
	for _, c := range field[[]any](there, "status", "clusters") {
		o, _ := c.(Object)
		member := field[string](o, "cluster")
		if _, exports := p.exports[k][member]; exports {
			continue
		}
		certain, from := p.ended(p.now, k, member)
		if certain {
			continue
		}
		out = append(out, member)
		if !from.IsZero() && (p.out.Later.IsZero() || from.Before(p.out.Later)) {
			p.out.Later = from
		}
	}
	return out
}

// keepAsIs keeps what there is of a service, but for the endpoints of members that are
// lost.
func (p *planner) keepAsIs(k federation.Key, members []string) {
	p.stays("Service", federation.Key{Namespace: k.Namespace, Name: derivedName(k)})
	for at, s := range p.have.Slices {
		from := field[string](s, "metadata", "labels", SourceLabel)
		if at.Namespace == k.Namespace && field[string](s, "metadata", "labels", serviceLabel) == k.Name && slices.Contains(members, from) && p.serves(from) {
			p.stays("EndpointSlice", at)
		}
	}
}

func (p *planner) stays(kind string, k federation.Key) { p.keep[kind+" "+k.String()] = true }

// write plans the ServiceImport and what it derives.
func (p *planner) write(k federation.Key, s clusterset.Service, there Object) {
	derived := federation.Key{Namespace: k.Namespace, Name: derivedName(k)}
	live := p.have.Services[derived]
	ips, families := field[[]any](live, "spec", "clusterIPs"), field[[]any](live, "spec", "ipFamilies")
	p.put(there, importOf(k, s, ips, families))
	uid := field[string](there, "metadata", "uid")
	if uid == "" {
		return // the rest follows when it is there: it is owned by it
	}
	if s.Type != headless && len(s.Ports) > 0 {
		p.stays("Service", derived)
		p.put(live, owned(derivedOf(k, s), k, uid))
	}
	var clusters []any
	for _, e := range p.of(k) {
		clusters = append(clusters, Object{"cluster": e.Member})
	}
	ready := condition{"Ready", true, "Ready", "the service can be used"}
	if s.Type != headless && len(ips) == 0 {
		ready = condition{"Ready", false, "Pending", "the service has no IP yet"}
	}
	p.status(there, k, Object{"clusters": clusters, "endpointSliceObjects": "Present"}, ready)
}

// slices plans the endpoints of the members that export a service and are not lost.
func (p *planner) slices(k federation.Key, uid string, s clusterset.Service, exports []federation.Export) {
	for _, e := range exports {
		if !p.serves(e.Member) {
			continue
		}
		for _, o := range slicesOf(e, s) {
			at := federation.Key{Namespace: k.Namespace, Name: field[string](o, "metadata", "name")}
			p.stays("EndpointSlice", at)
			p.put(p.have.Slices[at], owned(o, k, uid))
		}
	}
}

// put writes an object unless it is so.
func (p *planner) put(have, want Object) {
	if !covers(have, want) {
		p.out.Put = append(p.out.Put, want)
	}
}

// drop removes those of a kind that are not wanted.
func (p *planner) drop(all map[federation.Key]Object, kind string) {
	for _, k := range slices.SortedFunc(maps.Keys(all), federation.Key.Compare) {
		if !p.keep[kind+" "+k.String()] && field[string](all[k], "metadata", "deletionTimestamp") == "" && p.have.Namespaces[k.Namespace] {
			p.out.Drop = append(p.out.Drop, all[k])
		}
	}
}

// export plans the status of a ServiceExport of this cluster.
func (p *planner) export(k federation.Key, member string) {
	e := p.have.Exports[k]
	valid := condition{"Valid", true, "Valid", "the Service can be exported"}
	ready := condition{"Ready", true, "Exported", "the clusterset knows it"}
	switch {
	case e.Invalid == "NoService":
		valid = condition{"Valid", false, e.Invalid, "there is no Service of this name"}
	case e.Invalid != "":
		valid = condition{"Valid", false, e.Invalid, "a Service of type ExternalName cannot be exported"}
	}
	if _, known := p.exports[k][member]; !valid.is || !known {
		ready = condition{"Ready", false, "Pending", "the clusterset does not know it yet"}
	}
	all := []condition{valid, ready}
	if exports := p.of(k); valid.is && len(exports) > 0 {
		all = append(all, conflict(clusterset.Merge(exports)))
	}
	p.status(e.Object, k, Object{}, all...)
}

// conflict is the condition that every export of a service has, also those that won.
func conflict(s clusterset.Service) condition {
	if len(s.Conflicts) == 0 {
		return condition{"Conflict", false, "NoConflicts", "all exports of the service fit together"}
	}
	var reasons, texts []string
	for _, c := range s.Conflicts {
		if !slices.Contains(reasons, c.Reason) {
			reasons = append(reasons, c.Reason)
		}
		texts = append(texts, c.String())
	}
	const most = 1000 // the API takes more, but nobody reads it
	text := strings.Join(texts, "; ")
	return condition{"Conflict", true, strings.Join(reasons, ","), text[:min(len(text), most)]}
}

// condition is one condition of a status.
type condition struct {
	kind         string
	is           bool
	reason, text string
}

// status writes a status unless it is so. Conditions that are as before keep their time,
// and those of others are none of its business.
func (p *planner) status(there Object, k federation.Key, want Object, all ...condition) {
	before, same := field[[]any](there, "status", "conditions"), covers(there["status"], want)
	var conditions []any
	for _, c := range all {
		one := Object{"type": c.kind, "status": "False", "reason": c.reason, "message": c.text}
		if c.is {
			one["status"] = "True"
		}
		at := p.now.UTC().Format(time.RFC3339)
		same = same && slices.ContainsFunc(before, func(old any) bool { return covers(old, one) })
		for _, old := range before {
			if covers(old, Object{"type": c.kind, "status": one["status"]}) {
				at = field[string](Object{"old": old}, "old", "lastTransitionTime")
			}
		}
		one["lastTransitionTime"] = at
		conditions = append(conditions, one)
	}
	if same {
		return
	}
	want["conditions"] = conditions
	p.out.Status = append(p.out.Status, Object{
		"apiVersion": there["apiVersion"], "kind": there["kind"], "metadata": Object{"namespace": k.Namespace, "name": k.Name}, "status": want,
	})
}
