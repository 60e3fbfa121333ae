package kube

import "testing"

func TestReached(t *testing.T) {
	for _, c := range []struct {
		at, version string
		want        bool
	}{
		{"", "", true}, {"5", "", true}, {"", "5", false}, {"5", "5", true}, {"9", "10", false}, {"10", "9", true}, {"abc", "5", true},
	} {
		if got := reached(c.at, c.version); got != c.want {
			t.Errorf("at %q, asked for %q: %v", c.at, c.version, got)
		}
	}
}
