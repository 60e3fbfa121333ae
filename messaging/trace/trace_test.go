package trace

import (
	"context"
	"strings"
	"testing"
	"time"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParent(t *testing.T) {
	ctx := With(t.Context(), parent)
	if got := Parent(ctx); got != parent {
		t.Errorf("%s came back as %s", parent, got)
	}
	if ID(ctx) != "0af7651916cd43dd8448eb211c80319c" || IDOf(parent) != ID(ctx) {
		t.Errorf("identity %s, %s", ID(ctx), IDOf(parent))
	}
	for _, text := range []string{"", "x", parent + "0", parent[1:], strings.ToUpper(parent), strings.Replace(parent, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1), strings.Repeat("9", 1<<16)} {
		if got := Parent(With(context.Background(), text)); got != "" || IDOf(text) != "" {
			t.Errorf("%.60q is taken for %s", text, got)
		}
	}
}

// TestStart: a step goes on with its trace, or begins one that has a new identity.
func TestStart(t *testing.T) {
	ctx, end := Start(With(t.Context(), parent), "x")
	end(nil)
	if ID(ctx) != IDOf(parent) {
		t.Errorf("the trace became %s", ID(ctx))
	}
	one, _ := Start(t.Context(), "x")
	two, _ := Start(t.Context(), "x")
	if len(ID(one)) != 32 || ID(one) == ID(two) || IDOf(Parent(one)) != ID(one) {
		t.Errorf("new traces %q, %q", ID(one), ID(two))
	}
	next, end := Step(Parent(one), "y", time.Now())
	end(context.Canceled)
	if IDOf(next) != ID(one) {
		t.Errorf("the step's trace is %s", next)
	}
	if next, _ := Step("", "y", time.Now()); next != "" {
		t.Errorf("a step of nothing has the trace %s", next)
	}
}
