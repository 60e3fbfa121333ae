package net

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFaults breaks one federation again and again; it is healed and steady before
// each part, and the laws are looked at after each.
func TestFaults(t *testing.T) {
	f := newFederation(t)
	f.startWatch(t)
	if err := f.apply(t, documents); err != nil {
		t.Fatal(err)
	}
	defer f.printTable(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *federation)
	}{
		{"cut", checkCut},
		{"one way to the hub", func(t *testing.T, f *federation) { checkOneWay(t, f, true) }},
		{"one way to the member", func(t *testing.T, f *federation) { checkOneWay(t, f, false) }},
		{"black hole", checkBlackHole},
		{"loss", checkLoss},
		{"blip", checkBlip},
		{"paused member", checkPausedMember},
		{"paused agent", checkPausedAgent},
		{"paused hub", checkPausedHub},
		{"killed member", checkKilledMember},
		{"killed hub", checkKilledHub},
		{"low disk", checkLowDisk},
		{"full disk", checkFullDisk},
	} {
		f.awaitSteady(t)
		f.watch.forget()
		f.losses = f.said("Unreachable")
		if !t.Run(part.name, func(t *testing.T) { part.test(t, f) }) {
			return
		}
		for _, broken := range f.watch.laws() {
			t.Errorf("after %s: %s", part.name, broken)
		}
	}
}

// row is one line of the table: times since the fault, zero for what did not happen.
type row struct {
	fault                                  string
	begin                                  time.Time
	verdict, withdrawn, replaced, restored time.Time // restored counts from healed
	healed                                 time.Time
	note                                   string
	proofs                                 int // of returning members, before
}

func (f *federation) printTable(t *testing.T) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "| fault | verdict | withdrawn | replaced | healed → steady | seen |\n|---|---|---|---|---|---|")
	for _, r := range *f.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.fault, since(r.begin, r.verdict), since(r.begin, r.withdrawn),
			since(r.begin, r.replaced), since(r.healed, r.restored), r.note)
	}
	t.Log("\n" + b.String())
}

func since(from, to time.Time) string {
	if to.IsZero() {
		return "–"
	}
	return fmt.Sprintf("%.2f s", to.Sub(from).Seconds())
}

// trouble is a fault that is no loss; look says something about it while it lasts.
type trouble struct {
	breaks, heals func()
	look          func() string
	// leaseEnds when it lasts so long that the lease of the at-most-one workload may
	// not be renewed in time: it is stopped then, and starts again where it was.
	leaseEnds bool
}

// checkUnmoved compares what runs where with a picture from before.
func (f *federation) checkUnmoved(t *testing.T, before []string, leaseEnds bool) {
	t.Helper()
	after := f.picture(t)
	if leaseEnds {
		if home := f.watch.home(); !slices.ContainsFunc(before, func(line string) bool { return strings.HasPrefix(line, home+" pod "+single) }) {
			t.Errorf("%s moved to %s", single, home)
		}
		before, after = rest(before), rest(after)
	}
	if !slices.Equal(before, after) {
		t.Errorf("it moved:\n%s\nwas before:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// still runs such a fault: nothing moves and no member is lost while it lasts, and
// afterwards everything is as it was.
func (f *federation) still(t *testing.T, r row, during time.Duration, what trouble) {
	t.Helper()
	before := f.picture(t)
	r.begin = time.Now()
	what.breaks()
	throughout(t, during, f.noVerdict)
	if what.look != nil {
		r.note = what.look() + "; "
	}
	what.heals()
	r.healed = time.Now()
	r.restored = f.awaitSteady(t)
	if wrong := f.noVerdict(); wrong != "" {
		t.Error(wrong)
	}
	f.checkUnmoved(t, before, what.leaseEnds)
	r.note += f.states()
	*f.rows = append(*f.rows, r)
}

// states are those that were seen beside Healthy.
func (f *federation) states() string {
	var out []string
	for _, name := range memberNames {
		if seen := f.watch.saw(name); len(seen) > 1 {
			out = append(out, name+": "+strings.Join(seen[1:], " → "))
		}
	}
	if len(out) == 0 {
		return "all Healthy"
	}
	return strings.Join(out, "; ")
}
