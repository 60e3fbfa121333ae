package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func TestTreeKeepsNumbersAndLeavesOutWhatIsNotKnown(t *testing.T) {
	tree := treeOf(&gatewayv1.ResolveResponse{Service: "shop/web", Revision: 1 << 53})
	got := string(appendJSON(nil, tree, "", true))
	want := `{"service":"shop/web","revision":9007199254740992,"tiers":[],"placeSource":"","explanation":[]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	metadata := string(appendJSON(nil, treeOf(&gatewayv1.Metadata{Name: "tokyo"}), "", true))
	if metadata != `{"name":"tokyo"}` {
		t.Errorf("metadata is %s", metadata)
	}
}

// What is printed says the same as the JSON of the HTTP gateway, except that
// numbers of 64 bits are numbers.
func TestTreeAgreesWithProtojson(t *testing.T) {
	text := rapid.StringMatching(`[a-z"\\<é\n]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		value, err := structpb.NewStruct(map[string]any{"s": text.Draw(t, "s"), "l": []any{1.5, map[string]any{"b": true}}, "n": nil})
		if err != nil {
			t.Fatal(err)
		}
		message := &gatewayv1.Workload{
			Kind:     text.Draw(t, "kind"),
			Metadata: &gatewayv1.Metadata{Labels: map[string]string{text.Draw(t, "label"): text.Draw(t, "value")}},
			Spec:     &gatewayv1.WorkloadSpec{Placement: value},
			Status:   &gatewayv1.WorkloadStatus{Members: []*gatewayv1.WorkloadMember{{AgeMs: rapid.Float64Range(0, 1e6).Draw(t, "age"), Stale: true}}},
		}
		theirs, err := protojson.MarshalOptions{EmitUnpopulated: false}.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		var ours gatewayv1.Workload
		if err := protojson.Unmarshal(appendJSON(nil, treeOf(message), "", false), &ours); err != nil {
			t.Fatal(err)
		}
		again, err := protojson.Marshal(&ours)
		if err != nil || !sameJSON(t, theirs, again) {
			t.Fatalf("%v\ngot  %s\nwant %s", err, again, theirs)
		}
	})
}

func sameJSON(t *rapid.T, a, b []byte) bool {
	var x, y bytes.Buffer
	if err := json.Compact(&x, a); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&y, b); err != nil {
		t.Fatal(err)
	}
	return x.String() == y.String()
}

func TestGridAlignsAcrossPrintsAndColoursAfterPadding(t *testing.T) {
	var out strings.Builder
	g := newGrid(&out)
	if g.colour {
		t.Error("colours go to what is not a terminal")
	}
	g.colour = true
	for _, rows := range [][][]string{
		{{"NAME", "HEALTH", "NOTE"}, {"frankfurt", "Healthy", "→ 2"}},
		{{"ü", "Unreachable", ""}},
		{{"tokyo", "Healthy", "x"}},
	} {
		if err := g.print(rows...); err != nil {
			t.Fatal(err)
		}
	}
	want := "NAME        HEALTH    NOTE\n" +
		"frankfurt   \x1b[32mHealthy\x1b[0m   → 2\n" +
		"ü           \x1b[31mUnreachable\x1b[0m\n" +
		"tokyo       \x1b[32mHealthy\x1b[0m       x\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}

func TestProgress(t *testing.T) {
	var plainOut, liveOut strings.Builder
	for _, p := range []*progress{{out: &plainOut}, {out: &liveOut, live: true}} {
		p.show("one")
		p.show("one")
		p.log("done: one")
		p.show("%d", 2)
		p.done()
	}
	if got, want := plainOut.String(), "one\ndone: one\n2\n"; got != want {
		t.Errorf("plain: %q, want %q", got, want)
	}
	const clearing = "\r\x1b[2K"
	if got, want := liveOut.String(), clearing+"one"+clearing+"done: one\none"+clearing+"2"+clearing; got != want {
		t.Errorf("on a terminal: %q, want %q", got, want)
	}
}
