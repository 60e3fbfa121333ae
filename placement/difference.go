package placement

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
)

// Differences compares two decisions about one workload, of which before came
// first: the members whose replicas changed, or that came out another way, in the
// order of their names. Scores that moved without an effect are none.
func Differences(before, after []federation.MemberExplanation) []federation.Difference {
	old := make(map[string]*federation.MemberExplanation, len(before))
	for i := range before {
		old[before[i].Member] = &before[i]
	}
	var out []federation.Difference
	for i := range after {
		now := &after[i]
		was := old[now.Member]
		delete(old, now.Member)
		switch {
		case was == nil:
			out = append(out, federation.Difference{Member: now.Member, To: now.Replicas, Before: "no member", After: outcomeOf(now)})
		case was.Replicas != now.Replicas || was.Chosen != now.Chosen || was.Filter != now.Filter:
			out = append(out, federation.Difference{
				Member: now.Member, From: was.Replicas, To: now.Replicas, Before: outcomeOf(was), After: outcomeOf(now),
			})
		}
	}
	for _, name := range sortedKeys(old) {
		out = append(out, federation.Difference{Member: name, From: old[name].Replicas, Before: outcomeOf(old[name]), After: "no member"})
	}
	return out
}

// outcomeOf says in a few words how a member came out.
func outcomeOf(e *federation.MemberExplanation) string {
	switch {
	case e.Chosen:
		return fmt.Sprintf("chosen, %.1f points", e.Total)
	case e.Filter != "":
		return e.Filter + ": " + e.Reason
	}
	return fmt.Sprintf("%s, %.1f points", e.Reason, e.Total)
}
