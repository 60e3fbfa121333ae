package sim

import (
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
		w.Request(action+" "+a.at(0), command{federation.MemberChange{Member: a.at(0), Action: action, Who: "client"}})
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
		w.Request(verb+" "+a.at(0), operate{r})
		return nil
	}
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

// release ends whatever operators left standing.
func (w *World) release() {
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
