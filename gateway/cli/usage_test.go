package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"pgregory.net/rapid"
)

func TestClosest(t *testing.T) {
	candidates := []string{"members", "workloads", "services", "operations", "events"}
	for word, want := range map[string]string{
		"members": "members", "member": "members", "mebmers": "members", "evnets": "events",
		"servics": "services", "pods": "", "m": "", "": "",
	} {
		if got := closest(word, candidates); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"get", "gte", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// The distance is zero for equal words only, the same both ways, and no larger
// than replacing everything.
func TestDistanceIsADistance(t *testing.T) {
	word := rapid.StringMatching(`[ab]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if (d == 0) != (a == b) || d != distance(b, a) || d > max(len(a), len(b)) {
			t.Errorf("distance(%q, %q) = %d, back %d", a, b, d, distance(b, a))
		}
	})
}

// A command of the composition root replaces the one of the same name, gives its
// subcommands to a group of that name, and is added otherwise.
func TestCommandsAreMerged(t *testing.T) {
	nothing := func(*cobra.Command, []string) error { return nil }
	start := &cobra.Command{Use: "start NAME", RunE: nothing}
	member := &cobra.Command{Use: "member"}
	member.AddCommand(start)
	root := NewRoot(Options{Commands: []*cobra.Command{
		{Use: "up", Short: "mine", RunE: nothing}, {Use: "status", Short: "mine", RunE: nothing}, member,
	}})
	for path, short := range map[string]string{"up": "mine", "status": "mine"} {
		if c := child(root, path); c == nil || c.Short != short || c.GroupID == "" {
			t.Errorf("%s is %+v", path, c)
		}
	}
	group := child(root, "member")
	if child(group, "start") == nil || child(group, "confirm") == nil {
		t.Errorf("member has %v", group.Commands())
	}
}

// Every command has help that a person wrote, and takes its flags from one place.
func TestCommandsHaveHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(NewRoot(Options{}))
}
