package manifest

import (
	"encoding/json"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

// The examples of RFC 6902, appendix A, and the corners of RFC 6901.
func TestPatch(t *testing.T) {
	for _, c := range []struct{ doc, patch, want string }{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/c/b","value":2}]`, `{"a":{"b":1},"c":{"b":2}}`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc"]}]`, `{"foo":["bar",["abc"]]}`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10.0},{"op":"test","path":"/~1","value":9}]`, `{"/":9,"~1":10}`},
		{`{"a":1}`, `[{"op":"add","path":"","value":{"b":2}}]`, `{"b":2}`},
		{`{"n":1e400}`, `[]`, `{"n":1e400}`},
	} {
		got, err := patchText(c.doc, c.patch)
		if err != nil || got != c.want {
			t.Errorf("%s on %s: %s, %v; want %s", c.patch, c.doc, got, err, c.want)
		}
	}
	for _, patch := range []string{
		`{}`, `[{"op":"add","path":"/a"}]`, `[{"op":"spin","path":"/a"}]`, `[{"op":"replace","path":"/x","value":1}]`, `[{"op":"remove","path":""}]`,
		`[{"op":"test","path":"/foo","value":"baz"}]`, `[{"op":"add","path":"/list/9","value":1}]`, `[{"op":"add","path":"/list/01","value":1}]`,
		`[{"op":"move","from":"/list","path":"/list/0"}]`, `[{"op":"add","path":"x","value":1}]`, `[{"op":"replace","path":"","value":1}]`, `[{"op":"add","path":"/foo/x","value":1}]`,
	} {
		if got, err := patchText(`{"foo":"bar","list":[1]}`, patch); err == nil {
			t.Errorf("%s is accepted: %s", patch, got)
		}
	}
}

func patchText(doc, patch string) (string, error) {
	ops, err := parsePatch(json.RawMessage(patch))
	if err != nil {
		return "", err
	}
	docs, err := decodeAll([]federation.Object{{Raw: json.RawMessage(doc)}})
	if err != nil {
		return "", err
	}
	out, err := patched(docs[0], ops)
	if err != nil {
		return "", err
	}
	raw, err := encode(out)
	return string(raw), err
}
