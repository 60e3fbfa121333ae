package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Finding is what one rule says.
type Finding struct {
	Rule   string // its name, for example "G8 one at a time"
	Pass   bool
	Text   string // what was found, with the numbers
	Remedy string // what would make it pass; empty when it does
}

// String is the finding in one line.
func (f Finding) String() string {
	if f.Remedy == "" {
		return f.Rule + ": " + f.Text
	}
	return f.Rule + ": " + f.Text + "; " + f.Remedy
}

// Refusal joins the findings that do not pass into one line; empty when all do.
func Refusal(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		if !f.Pass {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, " | ")
}

// BrakeLimits bound what automation may do by itself. The zero value has the
// defaults.
type BrakeLimits struct {
	// Most is the share of all members that may be lost, exclusive; 0 means 0.5.
	Most float64
	// Unexplained is the share that may be lost without one failure domain that
	// explains it; 0 means 0.1. One member is always allowed.
	Unexplained float64
	// Reversals of one member within ReversalWindow that are allowed; 0 means 2.
	Reversals int
	// ReversalWindow is that window; 0 means 10 min.
	ReversalWindow time.Duration
	// Headroom is the least free share of the survivors' capacity that has to be left
	// after what automation or an operation does; 0 asks for none.
	Headroom float64
	// Places is in how many members, at least, a workload with a Service has to be
	// ready when traffic is taken off others; 0 means 1.
	Places int
}

// Defaulted returns the limits with every unset one at its default.
func (l BrakeLimits) Defaulted() BrakeLimits {
	if l.Most == 0 {
		l.Most = 0.5
	}
	if l.Unexplained == 0 {
		l.Unexplained = 0.1
	}
	if l.Reversals == 0 {
		l.Reversals = 2
	}
	if l.ReversalWindow == 0 {
		l.ReversalWindow = 10 * time.Minute
	}
	if l.Places == 0 {
		l.Places = 1
	}
	return l
}

// BrakeInput is the state of the federation that permission depends on.
type BrakeInput struct {
	Limits  BrakeLimits
	Members map[string]federation.Place // every member
	Lost    []string                    // those that are lost now, whatever the reason
	// Unmet is the demand that the loss leaves without a place, and Binding the
	// constraint that keeps it so.
	Unmet   int64
	Binding string
	// Headroom is the free share of the survivors' capacity after the move; looked at
	// only when the limits ask for some.
	Headroom float64
	// Reversals counts how often each member was lost and came back within
	// the window.
	Reversals map[string]int
	// SelfCheck says why the hub does not trust itself; empty when it does.
	SelfCheck string
	// Frozen is an operator's reason to stop automation; empty when there is none.
	Frozen string
}

// Brake says whether automation may move workloads. It looks at every rule, so
// that the refusal names all that is wrong at once.
func Brake(in BrakeInput) []Finding {
	in.Limits = in.Limits.Defaulted()
	return []Finding{frozen(in), selfCheck(in), oneDomain(in), half(in), room(in), headroom(in), flapping(in)}
}

func frozen(in BrakeInput) Finding {
	f := Finding{Rule: "freeze", Pass: in.Frozen == "", Text: "automation may act"}
	if !f.Pass {
		f.Text, f.Remedy = "automation is frozen: "+in.Frozen, "release it: hansa unfreeze"
	}
	return f
}

func selfCheck(in BrakeInput) Finding {
	f := Finding{Rule: "self check", Pass: in.SelfCheck == "", Text: "the hub is well"}
	if !f.Pass {
		f.Text, f.Remedy = "the hub does not trust itself: "+in.SelfCheck, "it goes on when that has passed"
	}
	return f
}

// oneDomain: a set of lost members must be explained by one failure domain or be
// small.
func oneDomain(in BrakeInput) Finding {
	allowed := max(1, int(in.Limits.Unexplained*float64(len(in.Members))))
	domain, explained := Explain(in.Members, in.Lost)
	f := Finding{Rule: "one failure domain", Pass: explained || len(in.Lost) <= allowed}
	switch {
	case explained:
		f.Text = fmt.Sprintf("the loss of %d members is explained by %s", len(in.Lost), domain)
	case f.Pass:
		f.Text = fmt.Sprintf("%d of %d members lost, %d allowed without an explanation", len(in.Lost), len(in.Members), allowed)
	default:
		f.Text = fmt.Sprintf("%s are lost in more than one failure domain, %d without an explanation are allowed",
			strings.Join(in.Lost, ", "), allowed)
		f.Remedy = "if they are truly lost, fail over one domain at a time: hansa failover SCOPE --yes"
	}
	return f
}

func half(in BrakeInput) Finding {
	share := 0.0
	if len(in.Members) > 0 {
		share = float64(len(in.Lost)) / float64(len(in.Members))
	}
	f := Finding{Rule: "share lost", Pass: share < in.Limits.Most}
	f.Text = fmt.Sprintf("%d of %d members lost (%.0f %%), allowed is less than %.0f %%", len(in.Lost), len(in.Members), 100*share, 100*in.Limits.Most)
	if !f.Pass {
		f.Remedy = "if they are truly lost: hansa failover SCOPE --yes"
	}
	return f
}

func room(in BrakeInput) Finding {
	f := Finding{Rule: "room", Pass: in.Unmet == 0, Text: "the displaced demand fits"}
	if !f.Pass {
		f.Text = fmt.Sprintf("%d replicas would have no place", in.Unmet)
		if in.Binding != "" {
			f.Text += " (" + in.Binding + ")"
		}
		f.Remedy = "add capacity, or move what fits, lowest tier first: hansa failover SCOPE --yes"
	}
	return f
}

func headroom(in BrakeInput) Finding {
	f := Finding{Rule: "minimum capacity", Pass: in.Limits.Headroom <= 0 || in.Headroom >= in.Limits.Headroom, Text: "enough is left free"}
	if !f.Pass {
		f.Text = fmt.Sprintf("%.0f %% of the survivors' capacity would be left, at least %.0f %% are asked for", 100*in.Headroom, 100*in.Limits.Headroom)
		f.Remedy = "add capacity, or: hansa failover SCOPE --yes"
	}
	return f
}

func flapping(in BrakeInput) Finding {
	f := Finding{Rule: "reversals", Pass: true, Text: "no member comes and goes"}
	for _, name := range in.Lost {
		if n := in.Reversals[name]; n > in.Limits.Reversals {
			f.Pass = false
			f.Text = fmt.Sprintf("%s was lost and came back %d times within %s, allowed is %d", name, n, in.Limits.ReversalWindow, in.Limits.Reversals)
			f.Remedy = "mend its path, or fail over for good: hansa failover member=" + name + " --yes"
			return f
		}
	}
	return f
}

// Explain names the smallest failure domain that holds all the lost members: a
// member, a zone or a region. A provider explains nothing, since it may well be
// everybody's.
func Explain(members map[string]federation.Place, lost []string) (domain string, ok bool) {
	if len(lost) == 0 {
		return "nothing", true
	}
	if len(lost) == 1 {
		return "member " + lost[0], true
	}
	same := func(value func(federation.Place) string) string {
		first := value(members[lost[0]])
		if slices.ContainsFunc(lost, func(n string) bool { return value(members[n]) != first }) {
			return ""
		}
		return first
	}
	if zone := same(func(p federation.Place) string { return p.Zone }); zone != "" {
		return "zone " + zone, true
	}
	if region := same(func(p federation.Place) string { return p.Region }); region != "" {
		return "region " + region, true
	}
	return "", false
}
