package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

func workload(w *World, a words) error {
	k, err := federation.ParseKey(a.at(0))
	if err != nil {
		return err
	}
	var p federation.PlacementSpec
	p.Members.Names, p.Members.Exclude = a.list("names"), a.list("exclude")
	p.Failover.Dwell = a.named["dwell"]
	if low, high, ok := strings.Cut(a.named["regions"], ":"); ok {
		c := federation.SpreadConstraint{By: "region"}
		c.Min, _ = strconv.ParseInt(low, 10, 64)
		c.Max, _ = strconv.ParseInt(high, 10, 64)
		p.Spread = []federation.SpreadConstraint{c}
	}
	if a.has("once") {
		p.Failover.Continuity = federation.AtMostOne
	}
	w.Apply(k, a.number("replicas", 1), p)
	return nil
}

func memberChange(action string) func(*World, words) error {
	return func(w *World, a words) error {
		w.Request(action+" "+a.at(0), command{federation.MemberChange{Member: a.at(0), Action: action, Argument: strings.Join(a.plain[1:], " "), Who: "client"}})
		return nil
	}
}

func operation(verb string) func(*World, words) error {
	return func(w *World, a words) error {
		scope, err := federation.ParseScope(a.at(0))
		if err != nil {
			return err
		}
		r := federation.OperationRequest{Verb: verb, Scope: scope, Mode: federation.Live, Initiator: "client", Level: a.named["level"]}
		if verb == "drill" {
			r.Mode = federation.Drill
			if r.Level == "" {
				r.Level = "L5b"
			}
		}
		if to := a.named["to"]; to != "" {
			r.To = federation.Scope{By: "member", Value: to}
		}
		r.Hold, _ = time.ParseDuration(a.named["hold"])
		if runs := w.runsOnce(scope); verb == "fence" && runs != "" {
			w.say("fence %s: not asked for: %s", a.at(0), runs)
			return nil
		}
		w.Request(verb+" "+a.at(0), operate{r})
		return nil
	}
}

// runsOnce is what a person finds who looks whether a scope runs anything that must run
// once before he gives his word that it does not; empty when his word is good, or when
// the scope is there, so that a fence is an order and no word.
func (w *World) runsOnce(scope federation.Scope) string {
	h, err := w.theLeader()
	for _, name := range w.memberNames() {
		on := w.members[name]
		if !scope.Covers(name, on.spec.Place) || err == nil && !w.nodes[h.name].paused.After(w.now) && h.m.HealthOf(name).Health == federation.Healthy {
			continue
		}
		for _, k := range on.cluster.keys() {
			if l := on.cluster.landed[k]; l.runs && l.work.Continuity == federation.AtMostOne {
				return fmt.Sprintf("%s runs %s", name, k)
			}
		}
	}
	return ""
}

// standing are the verbs whose operations last until somebody ends them.
var standing = []string{"shift", "evacuate", "fence", "freeze"}

// unfence ends the fences of a scope, as the command line does.
func unfence(w *World, a words) error {
	w.end("unfence "+a.at(0), func(op federation.Operation) bool {
		return op.Request.Verb == "fence" && op.Request.Scope.String() == a.at(0)
	})
	return nil
}

// release ends whatever operators left standing. Who leaves stays, if that is possible, and
// who has left joins again.
func (w *World) release() {
	for _, name := range w.memberNames() {
		switch spec, _ := w.records("members")[name].Value.(federation.MemberSpec); {
		case spec.Name == "":
			w.Remake(name, false)
		case spec.Leaving.Leaves():
			w.Request("release", command{federation.MemberChange{Member: name, Action: "leave", Argument: "cancel", Who: "client"}})
		}
	}
	w.end("release", func(op federation.Operation) bool {
		return slices.Contains(standing, op.Request.Verb) || op.State == federation.OperationAwaitingApproval
	})
}

// end asks the hub that leads to end the operations that match.
func (w *World) end(what string, match func(federation.Operation) bool) {
	h, err := w.theLeader()
	if err != nil {
		w.say("%s: %v", what, err)
		return
	}
	for _, op := range h.m.Operations() {
		if !op.State.Ended() && match(op) {
			w.Request(what, abort{federation.AbortRequest{ID: op.ID, Who: "client"}})
		}
	}
}
