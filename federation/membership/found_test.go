package membership

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestMembersComeSlowly: a hub that begins accuses nobody whom it has not heard yet while
// others still come, one every few seconds; and once nobody comes any more, who is missing
// is lost after the usual time.
func TestMembersComeSlowly(t *testing.T) {
	const n, every = 20, 3 * time.Second
	m := announced(t, n, 3)
	for _, mem := range m.members {
		mem.record.Ingress = "" // nobody can look at it
	}
	now, sequence := start, map[int]uint64{}
	lost := map[string]time.Time{}
	for end := start.Add(n*every + time.Minute); now.Before(end); now = now.Add(250 * time.Millisecond) {
		for i := range n - 1 { // the last one is dead
			if now.Sub(start) < time.Duration(i)*every {
				continue
			}
			sequence[i]++
			m.Step(now, BeatArrived{Beat: federation.Beat{Member: m.names[i], Incarnation: 1, Sequence: sequence[i], IngressAt: federation.NoIngress}})
		}
		m.Step(now, Tick{})
		for _, name := range m.names {
			if r, _ := m.Record(name); r.Health == federation.Unreachable && lost[name].IsZero() {
				lost[name] = now
			}
		}
	}
	dead, last := m.names[n-1], start.Add((n-2)*every)
	if at := lost[dead]; at.Before(last.Add(m.opts.Lone)) || at.After(last.Add(m.opts.Lone+5*time.Second)) {
		t.Errorf("%s is lost %v after the last one came", dead, at.Sub(last))
	}
	if delete(lost, dead); len(lost) > 0 {
		t.Errorf("these were only slow: %v", lost)
	}
}

// TestMembersConnectAgain: who is not heard yet by a hub that begins is not even suspected
// while others still come, one soon after the other, up to the time after which the hub
// alone gives a verdict. Of many, the first may need as long as an agent waits.
func TestMembersConnectAgain(t *testing.T) {
	const n, every, first = 60, 200 * time.Millisecond, crowdCome - 100*time.Millisecond
	m := announced(t, n, 3)
	comes := func(i int) time.Duration { return first + time.Duration(i)*every }
	sequence, suspected := map[int]uint64{}, map[string]time.Duration{}
	for at := time.Duration(0); at < comes(n); at += 50 * time.Millisecond {
		for i, name := range m.names {
			if at >= comes(i) {
				sequence[i]++
				m.Step(start.Add(at), BeatArrived{Beat: federation.Beat{Member: name, Incarnation: 1, Sequence: sequence[i]}})
			}
		}
		m.Step(start.Add(at), Tick{})
		for _, name := range m.names {
			if r, _ := m.Record(name); r.Health == federation.Suspect && suspected[name] == 0 {
				suspected[name] = at
			}
		}
	}
	for i, name := range m.names {
		if at, was := suspected[name]; was != (comes(i) > m.opts.Lone) || was && at != m.opts.Lone {
			t.Errorf("%s comes after %v: suspected %v, after %v", name, comes(i), was, at)
		}
	}
	if m.expected != 0 {
		t.Errorf("%d are still expected", m.expected)
	}
}
