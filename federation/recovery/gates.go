package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// MaxHold bounds how long a drill keeps its fault, so that all its phases end
// within the life of a mask.
const MaxHold = 10 * time.Minute

// GateInput is what the guardrails of an operation look at.
type GateInput struct {
	Request federation.OperationRequest
	Members []string // that the scope covers, sorted
	Total   int      // of all members
	// Health of every member; the guardrails of drills want all of them Healthy.
	Health map[string]federation.Health
	// Running are the IDs of the operations that have not ended.
	Running    []string
	Simulation federation.Simulation
	// Alone lists the at-most-one workloads in the scope.
	Alone  []string
	Frozen string
	Limits BrakeLimits
	// Left says of each workload concerned that has a Service in how many members
	// outside the scope it is ready now.
	Left map[federation.Key]int
}

// Gates evaluates the guardrails before an operation starts.
func Gates(in GateInput) []Finding {
	findings := []Finding{known(in), scoped(in)}
	if findings[0].Pass && findings[1].Pass {
		findings = append(findings, oneAtATime(in), notFrozen(in), survivors(in), suited(in))
		if in.Request.Verb == "drill" {
			findings = append(findings, allWell(in), holdTime(in), leaseless(in))
		}
		if in.Request.Verb == "shift" || in.Request.Level == "L3" {
			findings = append(findings, placesOn(in))
		} else {
			findings = append(findings, fits(in))
		}
	}
	return findings
}

func known(in GateInput) Finding {
	f := Finding{Rule: "verb", Pass: true, Text: "known"}
	switch in.Request.Verb {
	case "drill":
		switch in.Request.Level {
		case "L3", "L4", "L5a", "L5b":
		default:
			f.Pass, f.Text, f.Remedy = false, fmt.Sprintf("level %q is not known", in.Request.Level), "choose L3, L4, L5a or L5b"
		}
	case "shift", "evacuate", "failover", "failback", Relocate, Fence:
	default:
		f.Pass, f.Text = false, fmt.Sprintf("verb %q is not known", in.Request.Verb)
		f.Remedy = "choose drill, shift, evacuate, relocate, failover, failback or fence"
	}
	return f
}

func scoped(in GateInput) Finding {
	f := Finding{Rule: "scope", Pass: len(in.Members) > 0}
	f.Text = fmt.Sprintf("%s covers %s", in.Request.Scope, strings.Join(in.Members, ", "))
	if !f.Pass {
		f.Text, f.Remedy = fmt.Sprintf("%s covers no member", in.Request.Scope), "see: hansa get members"
	}
	return f
}

func oneAtATime(in GateInput) Finding {
	f := Finding{Rule: "G8 one at a time", Pass: len(in.Running) == 0, Text: "no other operation runs"}
	if !f.Pass {
		f.Text = fmt.Sprintf("operation %s runs", strings.Join(in.Running, ", "))
		f.Remedy = "wait for it, or: hansa operation abort " + in.Running[0]
	}
	return f
}

// suited: a failover is for what is lost, everything else for what is there.
func suited(in GateInput) Finding {
	f := Finding{Rule: "health of the scope", Pass: true, Text: "the verb suits it"}
	var lost, ill []string
	for _, name := range in.Members {
		switch h := in.Health[name]; h {
		case federation.Healthy:
		case federation.Unreachable, federation.Fenced:
			lost = append(lost, name)
		default:
			ill = append(ill, fmt.Sprintf("%s is %s", name, h))
		}
	}
	switch {
	case in.Request.Verb == "failover" && len(lost) == 0:
		f.Pass, f.Text = false, "nobody in "+in.Request.Scope.String()+" is lost"
		f.Remedy = "to empty members that are well: hansa evacuate " + in.Request.Scope.String()
	case (in.Request.Verb == "failback" || in.Request.Verb == Relocate) && len(lost)+len(ill) > 0:
		for _, name := range lost {
			ill = append(ill, name+" is lost")
		}
		f.Pass, f.Text, f.Remedy = false, strings.Join(ill, ", "), "fail back when everybody in the scope is Healthy"
		if in.Request.Verb == Relocate {
			f.Remedy = "to move workloads off lost members: hansa failover " + in.Request.Scope.String()
		}
	}
	return f
}

func notFrozen(in GateInput) Finding {
	f := Finding{Rule: "G8 freeze", Pass: in.Frozen == "" || in.Request.Verb != "drill", Text: "not frozen"}
	if !f.Pass {
		f.Text, f.Remedy = "automation is frozen: "+in.Frozen, "release it: hansa unfreeze"
	}
	return f
}

func survivors(in GateInput) Finding {
	left := in.Total - len(in.Members)
	f := Finding{Rule: "G3 somebody stays", Pass: left > 0, Text: fmt.Sprintf("%d of %d members stay", left, in.Total)}
	if !f.Pass {
		f.Text, f.Remedy = fmt.Sprintf("the scope covers all %d members", in.Total), "choose a smaller scope"
	}
	return f
}

func allWell(in GateInput) Finding {
	var ill []string
	for _, name := range sorted(in.Health) {
		if h := in.Health[name]; h != federation.Healthy {
			ill = append(ill, fmt.Sprintf("%s is %s", name, h))
		}
	}
	f := Finding{Rule: "G8 no real fault", Pass: len(ill) == 0, Text: fmt.Sprintf("all %d members are Healthy", len(in.Health))}
	if !f.Pass {
		f.Text, f.Remedy = strings.Join(ill, ", "), "a drill starts only when every member is Healthy"
	}
	return f
}

func holdTime(in GateInput) Finding {
	f := Finding{Rule: "hold", Pass: in.Request.Hold <= MaxHold && in.Request.Hold >= 0, Text: "the hold is within its bound"}
	if !f.Pass {
		f.Text, f.Remedy = fmt.Sprintf("the hold of %s is above %s", in.Request.Hold, MaxHold), "choose a shorter one"
	}
	return f
}

// leaseless: a masked member goes on running, so what must run at most once
// would not start elsewhere, and the drill would measure nothing.
func leaseless(in GateInput) Finding {
	f := Finding{Rule: "at most one", Pass: in.Request.Level != "L5b" || len(in.Alone) == 0, Text: "no at-most-one workload is concerned"}
	if !f.Pass {
		f.Text = fmt.Sprintf("%s must run at most once, and members keep running at level L5b", strings.Join(in.Alone, ", "))
		f.Remedy = "drill another scope, or L4, which moves them gracefully"
	}
	return f
}

// placesOn: where only traffic moves, every service has to be ready elsewhere already.
func placesOn(in GateInput) Finding {
	least := in.Limits.Defaulted().Places
	f := Finding{Rule: "G3 places on", Pass: true, Text: fmt.Sprintf("every service stays ready in %d members or more", least)}
	var few []string
	for k, n := range in.Left {
		if n < least {
			few = append(few, fmt.Sprintf("%s in %d", k, n))
		}
	}
	if len(few) == 0 {
		return f
	}
	slices.Sort(few)
	if more := len(few) - 3; more > 0 {
		few = append(few[:3], fmt.Sprintf("and %d more", more))
	}
	f.Pass, f.Text = false, fmt.Sprintf("outside the scope %s members are ready, at least %d are asked for", strings.Join(few, ", "), least)
	f.Remedy = "move them first: hansa evacuate " + in.Request.Scope.String()
	return f
}

// unbounded verbs are not refused for want of room: what they are for is worse.
var unbounded = []string{"failover", "failback", Fence}

func fits(in GateInput) Finding {
	f := Finding{Rule: "G1 capacity", Pass: in.Simulation.Fits || slices.Contains(unbounded, in.Request.Verb)}
	f.Text = fmt.Sprintf("everything fits without the scope, headroom %.0f %%", 100*in.Simulation.Headroom)
	if least := in.Limits.Headroom; f.Pass && in.Simulation.Headroom < least && in.Request.Verb != Relocate && !slices.Contains(unbounded, in.Request.Verb) {
		f.Pass = false
		f.Text = fmt.Sprintf("without the scope %.0f %% of the capacity would be left, at least %.0f %% are asked for", 100*in.Simulation.Headroom, 100*least)
		f.Remedy = "add capacity, or see: hansa simulate --lose " + in.Request.Scope.String()
		return f
	}
	if f.Pass {
		return f
	}
	var lines []string
	for i, u := range in.Simulation.Unmet {
		if i == 3 {
			lines = append(lines, fmt.Sprintf("and %d more", len(in.Simulation.Unmet)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%d replicas of %s: %s", u.Replicas, u.Workload, u.Reason))
	}
	f.Text = "without the scope these find no place: " + strings.Join(lines, "; ")
	f.Remedy = "add capacity, or see: hansa simulate --lose " + in.Request.Scope.String()
	return f
}
