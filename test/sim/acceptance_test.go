package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shown is how one line of the acceptance list is shown: by a scenario, whose output
// says all of says and nothing of never, or by a test with seeded runs.
type shown struct {
	line     string
	scenario string
	says     []string
	never    []string // words that may not be in the output
	test     string   // "directory TestName"
}

// acceptance is the list of what the federation has to stand.
var acceptance = []shown{
	{line: "1 %, 5 % and 20 % loss at 1,000 members, 24 h with -hours=24: no verdict", test: "../../federation/membership TestLossAloneIsNoVerdict"},
	{line: "loss and delay on every path of a federation: no verdict", scenario: "loss", says: []string{"frankfurt: Healthy"}, never: []string{"Unreachable"}},
	{line: "the leading hub paused 30 s and waking up: it steps down", scenario: "pause", says: []string{"h2 leads", "h1 steps down: the lease was not renewed in time"}},
	{line: "all hub replicas paused 10 s together: no verdict", scenario: "asleep", says: []string{"steps down", "g1 answers with frankfurt, tokyo, virginia"}, never: []string{"Suspect", "Unreachable", "epoch 3"}},
	{line: "a server of the bus black-holed: no verdict at all", scenario: "blackhole", says: []string{"g1 answers with frankfurt, tokyo, virginia"}, never: []string{"Suspect", "Unreachable"}},
	{line: "one-way cuts in each direction: PathFault and CommandLost only", scenario: "oneway", says: []string{"[PathFault]", "[CommandLost]"}, never: []string{"Unreachable", "epoch 3"}},
	{line: "clocks an hour apart, running unequally: leases are safe", scenario: "clock", says: []string{"tokyo stops shop/ledger: its lease ended", "frankfurt lands shop/ledger (epoch 3"}},
	{line: "a wall clock that jumps: no effect", scenario: "steps", says: []string{"g1 answers with frankfurt, tokyo, virginia"}},
	{line: "a region of 50 members cut: one verdict in 2.2 s, traffic in 3 s", test: ". TestRegionOfFifty"},
	{line: "three regions cut: FROZEN", scenario: "three", says: []string{"frozen: one failure domain", "g1 answers with oregon, virginia"}, never: []string{"epoch 3"}},
	{line: "flapping, 4 s on and 4 s off for 10 min: one move at most", test: ". TestFlapping"},
	{line: "beats replayed from a buffer: ignored", scenario: "replayed", says: []string{"frankfurt: Unreachable", "g1 answers with tokyo, virginia"}},
	{line: "the leading hub lost with its region: decided in 10 s", scenario: "leader", says: []string{"h2 leads", "epoch 3: oregon 2, osaka 2, tokyo 1, virginia 1 (failover"}},
	{line: "the leading hub and a member killed together: traffic in the time of a verdict, one decision by the next leader", scenario: "council", says: []string{"t=11.34s  g1: withdrawn: frankfurt", "g1 answers with tokyo (stale), virginia (stale)", "epoch 3: tokyo 3, virginia 3 (failover"}, never: []string{"epoch 4"}},
	{line: "the leading hub alone cut from a member that the others hear: HubIsolated, and nothing moves", scenario: "cutleader", says: []string{"frankfurt is Suspect [HubIsolated]", "g1 answers with frankfurt (suspect)", "frankfurt is Unreachable"}},
	{line: "a standby alone cut from a member, then the leader killed: nothing moves", scenario: "cutstandby", says: []string{"g1 answers with frankfurt (stale)"}, never: []string{"Suspect", "Unreachable", "epoch 3"}},
	{line: "API server dead, nodes alive, isolated: what runs once stops within its lease", scenario: "apidown", says: []string{"tokyo is Degraded [APIDown]", "tokyo stops shop/ledger: its lease ended", "frankfurt lands shop/ledger (epoch 3"}},
	{line: "no double start of any epoch in random schedules; 10,000 with -seeds=10000", test: ". TestSeeds"},
	{line: "return with 500 stale objects: nothing is removed before Reconciling", test: ". TestReturnWithStaleObjects"},
	{line: "a member made again under an old name: believed", scenario: "remade", says: []string{"facts: tokyo, virginia", "frankfurt: Healthy; shop/cart epoch 1: 1/1 ready"}},
	{line: "ambiguous writes: every epoch has one set", scenario: "ambiguous", says: []string{"shop/ledger epoch 3: frankfurt 1", "frankfurt: Healthy; shop/ledger epoch 3: 1/1 ready"}},
	{line: "hub restored from an old backup: it adopts, and deletes nothing", scenario: "backup", says: []string{"the store was put back to an older copy", "shop/new epoch 1: 1/1 ready"}, never: []string{"removes"}},
	{line: "a store put back before a failover: terms and epochs above all that was seen", scenario: "rewound", says: []string{"shop/ledger epoch 4: frankfurt 1 (epoch 3 was seen"}},
	{line: "an operation whose leader died midway: carried on", scenario: "orphan", says: []string{"h2: shift member=frankfurt: Held"}},
	{line: "a shifted member gets nothing of a lost one: the failover ends, and failback is not refused", scenario: "shifted", says: []string{"shop/web epoch 3: frankfurt 2, tokyo 4", "failback member=frankfurt: Completed PASS"}},
	{line: "a member leaves with what it runs, its hub and its agent change meanwhile: it runs on, as nobody's", scenario: "leave", says: []string{"tokyo lets go of its cluster: retain", "h1 leads", "tokyo(0), cut off; shop/web retained: 2", "g1 answers with frankfurt, virginia"}, never: []string{"tokyo removes shop/web"}},
	{line: "a dead member leaves, and dies again while it does its part: nothing of it is left", scenario: "leavelost", says: []string{"tokyo lets go of its cluster: delete", "tokyo left the federation", "members: frankfurt, virginia"}},
	{line: "a departure is taken back, until the agent may have been told", scenario: "stay", says: []string{"tokyo leaves: false", "is not undone"}},
	{line: "a member that lives is forgotten, and another has its name: nothing runs twice", scenario: "forgotten", says: []string{"tokyo(0) stops shop/ledger: its lease ended", "t=24.81s  tokyo lands shop/ledger (epoch 4"}},
	{line: "the hub gone for a minute: what runs once goes on while all its peers attest, and no longer", scenario: "hubless", says: []string{"t=70.00s  osaka; shop/ledger epoch 2: 1/1 ready", "osaka stops shop/ledger: its lease ended", "t=100.00s osaka; shop/ledger epoch 2: 0/1 ready"}},
	{line: "holder and peers cut from the hub, and another member to run it: not before a peer was heard for a lease", scenario: "witness", says: []string{"t=53.00s  virginia: Healthy\n", "t=63.26s  h1: frankfurt is Healthy", "t=79.06s  virginia lands shop/ledger (epoch 3"}},
	{line: "an agent that restarts within its leases: nothing stops", scenario: "resumed", says: []string{"t=20.00s  tokyo: Healthy; shop/ledger epoch 2: 1/1 ready", "tokyo stops shop/ledger: its lease ended"}},
	{line: "what runs once has no room for all of it, and another member does: it moves whole", scenario: "whole", says: []string{"shop/once epoch 3: m2 4, unmet 2", "m1: Healthy; shop/once epoch 4: 6/6 ready"}},
	{line: "what an operation withheld: used again when it ends", scenario: "ended", says: []string{"tokyo removes shop/web (epoch 3)", "shop/big epoch 2: frankfurt 12, tokyo 12"}},
}

// TestAcceptance: every line of the list is shown by a scenario that is there and ends
// as it should, or by a test that is there.
func TestAcceptance(t *testing.T) {
	for _, c := range acceptance {
		if c.test != "" {
			if dir, name, _ := strings.Cut(c.test, " "); !declares(t, dir, name) {
				t.Errorf("%s: no test %s in %s", c.line, name, dir)
			}
			continue
		}
		if len(c.says) == 0 {
			t.Errorf("%s: nothing is asked of scenario %s", c.line, c.scenario)
		}
		said := outputOf(t, c.scenario)
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%s: scenario %s does not say %q", c.line, c.scenario, want)
			}
		}
		for _, no := range c.never {
			if strings.Contains(said, no) {
				t.Errorf("%s: scenario %s says %q", c.line, c.scenario, no)
			}
		}
	}
}

// outputOf is what a scenario says was said.
func outputOf(t *testing.T, scenario string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", scenario))
	if err != nil {
		t.Errorf("scenario %s: %v", scenario, err)
	}
	var out []string
	answers := false
	for _, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "----":
			answers = true
		case line == "":
			answers = false
		case answers:
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// said are the lines of a transcript that match, with their times.
func said(t *testing.T, transcript, pattern string) (lines []string, at []time.Duration) {
	t.Helper()
	match := regexp.MustCompile(pattern)
	for _, line := range strings.Split(transcript, "\n") {
		if !match.MatchString(line) {
			continue
		}
		seconds, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(strings.Fields(line)[0], "t="), "s"), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines, at = append(lines, line), append(at, time.Duration(seconds*float64(time.Second)))
	}
	return lines, at
}

// play runs a script, which has to succeed, and returns what was said. The larger it
// is, the less often the machines are checked.
func play(t *testing.T, script []string) (*Script, string) {
	t.Helper()
	s := NewScript(1, Hooks{})
	s.World.sparse = len(script) / 10
	for _, line := range script {
		if err := s.Run(line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, s.World.Take())
		}
	}
	return s, s.World.Take()
}

// TestRegionOfFifty cuts a region of 50 members off from a federation of 150: they
// fall together, in one verdict, and their endpoints leave the answers.
func TestRegionOfFifty(t *testing.T) {
	script := []string{"hub h1", "gateway g1"}
	var cut []string
	for i := range 150 {
		region := []string{"eu-central", "us-east", "ap-northeast"}[i%3]
		script = append(script, fmt.Sprintf("member m%03d region=%s", i, region))
		if i%3 == 0 {
			cut = append(cut, fmt.Sprintf("blackhole m%03d", i))
		}
	}
	s, _ := play(t, append(script, "workload shop/web replicas=150 dwell=2s", "advance 8s"))
	began := s.World.Elapsed()
	for _, line := range append(cut, "advance 10s") {
		if err := s.Run(line); err != nil {
			t.Fatal(err)
		}
	}
	text := s.World.Take()
	lost, at := said(t, text, `h1: m\d+ is Unreachable`)
	if len(lost) != 50 || at[0] != at[49] || at[49]-began > 2200*time.Millisecond {
		t.Errorf("%d verdicts from %v to %v after the cut", len(lost), at[0]-began, at[len(at)-1]-began)
	}
	if ops, _ := said(t, text, `failover region=eu-central: Running`); len(ops) != 1 {
		t.Errorf("failovers: %q", ops)
	}
	withdrawn, at := said(t, text, `g1: withdrawn`)
	if n := len(withdrawn) - 1; n < 0 || strings.Count(withdrawn[n], "m") != 50 || at[n]-began > 3*time.Second {
		t.Errorf("withdrawn: %q", withdrawn)
	}
	if moved, _ := said(t, text, `shop/web epoch`); len(moved) != 1 {
		t.Errorf("decisions: %q", moved)
	}
}

// TestFlapping lets a member go and come every four seconds for ten minutes.
func TestFlapping(t *testing.T) {
	script := []string{
		"hub h1", "gateway g1", "member m1 region=eu-central", "member m2 region=us-east", "member m3 region=ap-northeast",
		"workload shop/web replicas=6 dwell=2s", "settle",
	}
	s, _ := play(t, script)
	for range 75 {
		for _, line := range []string{"blackhole m1", "advance 4s", "heal", "advance 4s"} {
			if err := s.Run(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := s.World.Take()
	if moves, _ := said(t, text, `shop/web epoch`); len(moves) > 1 {
		t.Errorf("moves: %q", moves)
	}
	if fell, _ := said(t, text, `m1 is Unreachable`); len(fell) < 10 {
		t.Errorf("only %d verdicts: nothing flapped", len(fell))
	}
}

// TestReturnWithStaleObjects brings a member back with 500 workloads that were given
// to others meanwhile. It gives none away before a person confirms it, and then only
// once it is Reconciling.
func TestReturnWithStaleObjects(t *testing.T) {
	script := []string{"hub h1", "member m1 region=eu-central nodes=80", "member m2 region=us-east nodes=80", "member m3 region=ap-northeast nodes=80"}
	for i := range 500 {
		script = append(script, fmt.Sprintf("workload shop/w%03d replicas=2 dwell=1s names=m1,m2", i))
	}
	s, _ := play(t, append(script, "advance 5s", "blackhole m1", "advance 6s", "heal", "advance 3s"))
	if r := s.World.members["m1"]; len(r.cluster.landed) != 500 {
		t.Fatalf("%d workloads are left in m1 before it was confirmed", len(r.cluster.landed))
	}
	for _, line := range []string{"confirm m1", "advance 3s"} {
		if err := s.Run(line); err != nil {
			t.Fatal(err)
		}
	}
	text := s.World.Take()
	_, back := said(t, text, `m1 is Reconciling`)
	gone, at := said(t, text, `m1 removes`)
	const told = 20 * time.Millisecond // changes that come close together are told in one beat
	if len(back) != 1 || len(gone) != 500 || at[0] < back[0]-told {
		t.Errorf("%d removals, the first at %v; Reconciling at %v", len(gone), at[:min(1, len(at))], back)
	}
}
