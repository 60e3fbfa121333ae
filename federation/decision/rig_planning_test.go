package decision

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

var hexHash = regexp.MustCompile(`[0-9a-f]{64}`)

// toleration reads KEY:SECONDS of a NoExecute taint.
func (r *rig) toleration(s string) federation.Toleration {
	key, text, _ := strings.Cut(s, ":")
	seconds, err := strconv.ParseInt(text, 10, 64)
	r.ok(err)
	return federation.Toleration{Key: key, Operator: "Exists", Effect: federation.NoExecute, Seconds: &seconds}
}

func (r *rig) key(s string) federation.Key {
	k, err := federation.ParseKey(s)
	r.ok(err)
	return k
}

func (r *rig) cmdStuck(args []string) {
	a, k := r.members[args[0]], r.key(args[1])
	n, err := strconv.ParseInt(args[2], 10, 64)
	r.ok(err)
	a.nodeless[k] = n
	if run := a.runs[k]; run != nil {
		r.report(a, k, run.work.Epoch, federation.WorkProgressing, run)
	}
}

func (r *rig) cmdSick(args []string) {
	a, k := r.members[args[0]], r.key(args[1])
	n, err := strconv.ParseInt(args[2], 10, 64)
	r.ok(err)
	a.sick[k] = n
	if run := a.runs[k]; run != nil {
		r.report(a, k, run.work.Epoch, federation.WorkProgressing, run)
	}
}

func (r *rig) cmdRebalance(args []string) {
	r.asked++
	ask := federation.RebalanceRequest{Who: "ann"}
	for _, a := range args {
		name, v, _ := strings.Cut(a, "=")
		switch name {
		case "dry":
			ask.DryRun = true
		case "budget":
			n, err := strconv.ParseInt(v, 10, 64)
			r.ok(err)
			ask.Budget = n
		default:
			ask.Workload = r.key(a)
		}
	}
	r.step(RebalanceRequested{r.asked, ask})
}

func (r *rig) cmdReplay(args []string) {
	r.asked++
	r.step(ReplayRequested{r.asked, r.key(args[0])})
}

func (r *rig) cmdReadiness([]string) {
	r.asked++
	r.step(ReadinessRequested{r.asked})
	r.advance(300 * time.Millisecond)
}

func (r *rig) showReadiness(a federation.Readiness) {
	r.logf("readiness %.1f", a.Score)
	for _, s := range a.Scenarios {
		r.logf("  %s %.1f displaced %d short %d %s", s.Lost, s.Score, s.Displaced, s.Short, s.Fix)
	}
}

func (r *rig) cmdFeed(args []string) {
	f := federation.Feed{Name: args[0], Values: map[string]float64{}, ReportedAt: r.now, MaxAge: time.Hour}
	for _, a := range args[1:] {
		name, v, _ := strings.Cut(a, "=")
		if name == "age" {
			f.MaxAge = r.duration(v)
			continue
		}
		n, err := strconv.ParseFloat(v, 64)
		r.ok(err)
		f.Values[name] = n
	}
	r.put("scores:"+f.Name, f)
	r.step(FeedChanged{f})
}

func (r *rig) cmdDiff(args []string) {
	for _, a := range r.m.Assignments() {
		if a.Workload != r.key(args[0]) {
			continue
		}
		for _, d := range a.Explanation.Changes {
			r.logf("%s %d → %d: %s → %s", d.Member, d.From, d.To, d.Before, d.After)
		}
	}
}

func (r *rig) cmdBusy(args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	r.ok(err)
	r.members[args[0]].busy = n
	r.facts(r.members[args[0]])
}

// cmdWay sets how long the way is between two members: way tokyo-virginia 150ms.
func (r *rig) cmdWay(args []string) { r.ways[args[0]] = r.duration(args[1]) }

func (r *rig) survey(e Survey) {
	way := r.ways[min(e.Vantage, e.Member)+"-"+max(e.Vantage, e.Member)]
	if r.members[e.Vantage].alive && r.members[e.Member].alive && way > 0 {
		r.later = append(r.later, later{r.now.Add(way), Measured{e.Vantage, e.Member, way}})
	}
}

// cmdWays asks what is known of the ways from a member's region.
func (r *rig) cmdWays(args []string) {
	for _, e := range r.m.ways(r.members[args[0]].region) {
		r.logf("%s %s (%s, by %s)", e.What, e.Detail, e.Signal, e.Observer)
	}
}

// cmdQueries tells what clients asked a gateway for: queries shop/web osaka=30.
func (r *rig) cmdQueries(args []string) {
	report := federation.QueryReport{Gateway: "g1"}
	for _, a := range args[1:] {
		at, v, _ := strings.Cut(a, "=")
		n, err := strconv.ParseInt(v, 10, 64)
		r.ok(err)
		report.Counts = append(report.Counts, federation.QueryCount{Service: r.key(args[0]), At: at, Queries: n})
	}
	r.step(QueriesArrived{report})
}
