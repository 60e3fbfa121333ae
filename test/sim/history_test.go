package sim

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestHistory feeds the history with what runs at one second after the other: it
// takes what one lock allows, and nothing else.
func TestHistory(t *testing.T) {
	type moment map[string]federation.Epoch // member → epoch under which it runs there
	for name, c := range map[string]struct {
		moments []moment
		lock    bool
	}{
		"one after the other":            {[]moment{{"a": 1}, {}, {"b": 2}, {}, {"a": 3}}, true},
		"at the same instant":            {[]moment{{"a": 1}, {"b": 2}}, true},
		"a new epoch in its place":       {[]moment{{"a": 1}, {"a": 2}, {}, {"b": 3}}, true},
		"again under the same epoch":     {[]moment{{"a": 1}, {}, {"a": 1}}, true},
		"two at once":                    {[]moment{{"a": 1}, {"a": 1, "b": 2}}, false},
		"back to an older epoch":         {[]moment{{"a": 2}, {}, {"b": 1}}, false},
		"back to an older epoch at home": {[]moment{{"a": 2}, {"a": 1}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			k := federation.Key{Namespace: "shop", Name: "once"}
			var err error
			for i, m := range c.moments {
				running := map[held]federation.Epoch{}
				for member, epoch := range m {
					running[held{member, k}] = epoch
					h.order(time.Duration(i)*time.Second, held{member, k})
				}
				if e := h.observe(time.Duration(i)*time.Second, running); err == nil {
					err = e
				}
			}
			if (err == nil) != c.lock {
				t.Errorf("the history says %v", err)
			}
		})
	}
}
