package imports

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

func both(w *world, term uint64) {
	w.tell(term, export("tokyo", time.Hour, []federation.Port{http}, "10.1.0.1"), export("frankfurt", 0, []federation.Port{http}, "10.2.0.1"))
}

func TestLastExportGoes(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	both(w, 1)
	w.settle()
	w.tell(1, gone("tokyo"))
	w.settle()
	w.want("endpoints", w.endpoints(), "frankfurt http=8080 10.2.0.1")
	w.tell(1, gone("frankfurt"))
	if done := w.settle(); strings.Count(done, "drop") != 3 || len(w.have.Imports)+len(w.have.Services)+len(w.have.Slices) != 0 {
		t.Errorf("done: %s; left: %v", done, w.have)
	}
}

// TestLostMember: its endpoints leave and come back; the service stays as it is.
func TestLostMember(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	both(w, 1)
	w.settle()
	w.source("frankfurt", federation.SourceStateOf(federation.Suspect))
	w.want("suspect", w.settle(), "")
	w.source("frankfurt", federation.SourceStateOf(federation.Unreachable))
	if done := w.settle(); strings.Count(done, "drop EndpointSlice") != 1 || strings.Contains(done, "put") || strings.Contains(done, "status") {
		t.Errorf("lost: %s", done)
	}
	w.want("endpoints", w.endpoints(), "tokyo http=8080 10.1.0.1")
	w.source("frankfurt", federation.SourceStateOf(federation.Quarantined))
	w.want("on its way back", w.settle(), "")
	w.source("frankfurt", federation.SourceStateOf(federation.Healthy))
	if done := w.settle(); strings.Count(done, "put EndpointSlice") != 1 || strings.Contains(done, ",") {
		t.Errorf("back: %s", done)
	}
}

// TestHubBeginsAnew: what the new hub has not heard yet is not taken away.
func TestHubBeginsAnew(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	both(w, 1)
	w.settle()
	w.source("frankfurt", federation.SourceWithdrawn)
	w.settle()
	w.tell(2) // it knows no export, and frankfurt is lost
	w.want("nothing is known", w.settle(), "")
	p := w.table.Plan(w.now, "tokyo", w.have)
	if p.Waits != 1 || !p.Later.Equal(w.now.Add(Patience)) {
		t.Errorf("waits %d, later %s", p.Waits, p.Later)
	}
	w.now = w.now.Add(Patience)
	if done := w.settle(); strings.Count(done, "drop EndpointSlice") != 1 || strings.Contains(done, ",") {
		t.Errorf("tokyo exports it no more, frankfurt cannot say: %s", done)
	}
	w.tell(2, export("tokyo", time.Hour, []federation.Port{http}, "10.1.0.2"))
	w.settle()
	w.want("endpoints", w.endpoints(), "tokyo http=8080 10.1.0.2")
	w.want("clusters", show(field[[]any](w.have.Imports[web], "status", "clusters")), `[{"cluster":"frankfurt"},{"cluster":"tokyo"}]`)
	w.source("frankfurt", federation.SourceCurrent)
	w.settle()
	w.now = w.now.Add(Patience)
	w.settle()
	w.want("clusters", show(field[[]any](w.have.Imports[web], "status", "clusters")), `[{"cluster":"tokyo"}]`)
}

// TestMemberLeft: one that is none any more exports nothing.
func TestMemberLeft(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	both(w, 1)
	w.settle()
	w.sources = w.sources[:1]
	w.tell(2, export("tokyo", time.Hour, []federation.Port{http}, "10.1.0.1"))
	w.settle()
	if len(field[[]any](w.have.Imports[web], "status", "clusters")) != 2 {
		t.Error("it is forgotten at once")
	}
	w.now = w.now.Add(Patience)
	w.settle()
	w.want("clusters", show(field[[]any](w.have.Imports[web], "status", "clusters")), `[{"cluster":"tokyo"}]`)
	w.want("endpoints", w.endpoints(), "tokyo http=8080 10.1.0.1")
}

func TestPartsOfAnAnswer(t *testing.T) {
	var table Table
	table.Apply(start, federation.ImportsReply{Term: 1, Revision: 7, Anew: true, More: true}, []federation.Export{export("tokyo", 0, []federation.Port{http})})
	if p := table.Plan(start, "tokyo", Cluster{Namespaces: map[string]bool{"shop": true}}); len(p.Put) > 0 || !table.Lacks(1, 7) {
		t.Errorf("half of what is exported is acted upon: %+v", p)
	}
	table.Apply(start, federation.ImportsReply{Term: 1, Revision: 9}, nil)
	if p := table.Plan(start, "tokyo", Cluster{Namespaces: map[string]bool{"shop": true}}); len(p.Put) != 1 || table.Lacks(1, 9) {
		t.Errorf("plan: %+v", p)
	}
	if !table.Lacks(1, 10) || !table.Lacks(2, 1) || table.Lacks(2, 0) {
		t.Error("it does not see what it lacks")
	}
}

func TestHeadless(t *testing.T) {
	w := newWorld(t, "frankfurt")
	e := export("frankfurt", 0, []federation.Port{http}, "10.2.0.1")
	e.Type, e.Endpoints[0].Hostname = "Headless", "web-0"
	w.tell(1, e)
	w.settle()
	w.want("spec", show(w.have.Imports[web]["spec"]), `{"ports":[{"name":"http","port":80,"protocol":"TCP"}],"type":"Headless"}`)
	if len(w.have.Services) > 0 {
		t.Errorf("it has a derived Service: %v", w.have.Services)
	}
	for _, s := range w.have.Slices {
		w.want("endpoint", show(s["endpoints"]), `[{"addresses":["10.2.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false},"hostname":"web-0","zone":"z"}]`)
		w.want("service", field[string](s, "metadata", "labels", proxyLabel), "")
	}
	w.tell(1, export("frankfurt", 0, []federation.Port{http}, "10.2.0.1"))
	w.settle()
	if len(w.have.Services) != 1 {
		t.Error("one that has an IP now has no derived Service")
	}
}

func TestManyEndpoints(t *testing.T) {
	w := newWorld(t, "frankfurt")
	e := export("frankfurt", 0, []federation.Port{http, {Protocol: "UDP", Port: 53, Target: 53}})
	for n := range 250 {
		e.Endpoints = append(e.Endpoints, federation.Endpoint{Address: fmt.Sprintf("10.2.0.%d", n), Ready: true})
	}
	w.tell(1, e)
	w.settle()
	if len(w.have.Slices) != 3 || strings.Count(w.endpoints(), " 10.2.") != 250 || !strings.Contains(w.endpoints(), "udp-53=53") {
		t.Errorf("%d slices: %s", len(w.have.Slices), w.endpoints())
	}
	e.Endpoints[240].Ready = false
	w.tell(1, e)
	if done := w.settle(); strings.Count(done, "put") != 1 {
		t.Errorf("one endpoint changed: %s", done)
	}
}

// TestDrift: what somebody changes or deletes comes back.
func TestDrift(t *testing.T) {
	w := newWorld(t, "frankfurt")
	w.tell(1, export("frankfurt", 0, []federation.Port{http}, "10.2.0.1"))
	w.settle()
	derived := federation.Key{Namespace: "shop", Name: derivedName(web)}
	field[Object](w.have.Services[derived], "spec")["ports"] = []any{}
	clear(w.have.Slices)
	if done := w.settle(); strings.Count(done, "put EndpointSlice") != 1 || !strings.Contains(done, "put Service derived") || strings.Count(done, "put") != 2 {
		t.Errorf("done: %s", done)
	}
}
