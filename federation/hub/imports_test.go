package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
)

func exported(member, address string) federation.Export {
	return federation.Export{
		Member: member, Service: federation.Key{Namespace: "shop", Name: "web"}, Type: "ClusterSetIP",
		Endpoints: []federation.Endpoint{{Address: address, Ready: true}}, Incarnation: 3, Sequence: 9, ObservedAt: time.Unix(1, 0),
	}
}

func ask(t *testing.T, i *imports, term, since uint64) (federation.ImportsReply, string) {
	t.Helper()
	r, err := i.since(federation.ImportsRequest{Term: term, Since: since})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, b := range r.Exports {
		e, err := federationv1.DecodeExport(b)
		if err != nil {
			t.Fatal(err)
		}
		text := e.Member + " gone"
		if !e.Removed {
			text = e.Member + " " + e.Endpoints[0].Address
		}
		out = append(out, text)
	}
	return r, strings.Join(out, ", ")
}

// TestImports: an agent gets the last state of what changed, and everything of a new term.
func TestImports(t *testing.T) {
	i := newImports(4)
	i.set("a", exported("tokyo", "10.0.0.1"))
	var refusal *messaging.RemoteError
	if _, err := i.since(federation.ImportsRequest{}); !errors.As(err, &refusal) || refusal.Kind != messaging.Unavailable {
		t.Errorf("before everything is read: %v", err)
	}
	if i.sourcesAre(nil) != 0 {
		t.Error("agents are told to ask before everything is read")
	}
	i.set("b", exported("frankfurt", "10.0.0.2"))
	i.set("b", exported("frankfurt", "10.0.0.3"))
	i.complete()
	first, got := ask(t, i, 3, 77)
	if got != "tokyo 10.0.0.1, frankfurt 10.0.0.3" || !first.Anew || first.More || first.Revision != i.sourcesAre(nil) {
		t.Errorf("anew: %s, %+v", got, first)
	}
	again := exported("tokyo", "10.0.0.1")
	again.Sequence++
	i.set("a", again)
	if r := i.sourcesAre(nil); r != first.Revision {
		t.Error("the same report again is news")
	}
	i.set("a", federation.Export{Member: "tokyo", Service: again.Service, Removed: true})
	if r, got := ask(t, i, 4, first.Revision); got != "tokyo gone" || r.Anew {
		t.Errorf("what changed: %s, %+v", got, r)
	}
	if _, got := ask(t, i, 0, 0); got != "frankfurt 10.0.0.3" {
		t.Errorf("anew: %s", got)
	}
}

// TestImportsOfSources: a suspicion is no news, a loss is.
func TestImportsOfSources(t *testing.T) {
	i := newImports(1)
	i.complete()
	line := []federation.MemberBeat{{Member: "tokyo", Health: federation.Healthy}}
	before := i.sourcesAre(line)
	line[0].Health = federation.Suspect
	if i.sourcesAre(line) != before {
		t.Error("a suspicion is news")
	}
	line[0].Health = federation.Unreachable
	if i.sourcesAre(line) != before+1 {
		t.Error("a loss is no news")
	}
	if r, _ := ask(t, i, 1, before); len(r.Sources) != 1 || r.Sources[0].State != federation.SourceWithdrawn {
		t.Errorf("sources: %+v", r.Sources)
	}
}

// TestImportsInParts: much comes in several answers, and what is gone is not kept for ever.
func TestImportsInParts(t *testing.T) {
	i := newImports(1)
	i.complete()
	big := exported("tokyo", strings.Repeat("x", mostImports/2))
	for n := range 5 {
		i.set(fmt.Sprint(n), big)
	}
	var got uint64
	answers, exports := 0, 0
	for more := true; more; answers++ {
		r, _ := ask(t, i, 1, got)
		got, more = r.Revision, r.More
		exports += len(r.Exports)
	}
	if answers != 5 || exports != 5 || got != i.revision {
		t.Errorf("%d exports in %d answers up to %d", exports, answers, got)
	}
	gone := federation.Export{Member: "tokyo", Service: big.Service, Removed: true}
	for n := range mostGone + 2 {
		i.set(fmt.Sprint("many", n), exported("tokyo", "10.0.0.1"))
		i.set(fmt.Sprint("many", n), gone)
	}
	if r, _ := ask(t, i, 1, got); !r.Anew || len(i.exports) > mostGone {
		t.Errorf("who is behind what is forgotten: anew %v, %d kept", r.Anew, len(i.exports))
	}
}
