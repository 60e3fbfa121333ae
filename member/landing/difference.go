package landing

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// maxFields bounds what is told about one object.
const maxFields = 16

// listKeys are the fields that tell the elements of a list apart, as the API server's
// own schemas have them; the first that all elements have, each differently, count.
var listKeys = [][]string{{"containerPort", "protocol"}, {"port", "protocol"}, {"mountPath"}, {"devicePath"}, {"name"}, {"ip"}, {"type"}}

// differ collects the fields in which an object is not as it should be.
type differ struct {
	managers kube.Managers
	secret   bool
	fields   []federation.FieldDrift
}

// difference lists the fields of live that are not as they would be after landing. Both
// are the API server's own words, so that what it adds or rewrites is no difference.
func difference(live, would *unstructured.Unstructured) []federation.FieldDrift {
	d := differ{managers: kube.ManagersOf(live), secret: live.GetKind() == "Secret"}
	d.compare("", bare(would), bare(live))
	return d.fields
}

// compare walks two values of which at least one is there.
func (d *differ) compare(path string, want, have any) {
	if len(d.fields) == maxFields || reflect.DeepEqual(want, have) {
		return
	}
	w, h := elements(path, want), elements(path, have)
	if w == nil || h == nil || !alike(want, have) {
		d.add(path, want, have)
		return
	}
	for _, at := range union(w, h) {
		d.compare(at, w[at], h[at])
	}
}

func (d *differ) add(path string, want, have any) {
	f := federation.FieldDrift{Path: path, Manager: d.managers.Of(path), Wanted: federation.FieldText(path, want, d.secret), Found: federation.FieldText(path, have, d.secret)}
	if want == nil {
		f.Wanted = "nothing"
	}
	d.fields = append(d.fields, f)
}

// elements maps the paths of what a value consists of to it; nil for a plain value and
// for a list whose elements have no keys.
func elements(path string, v any) map[string]any {
	out := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			out[strings.TrimPrefix(path+"."+name, ".")] = field
		}
		return out
	case []any:
		keys := keysOf(v)
		for _, item := range v {
			out[path+keyText(item, keys)] = item
		}
		if keys != nil {
			return out
		}
	}
	return nil
}

// alike reports whether two values consist of parts in the same way.
func alike(want, have any) bool {
	w, wants := want.([]any)
	h, has := have.([]any)
	if wants != has {
		return false
	}
	return !wants || slices.Equal(keysOf(w), keysOf(h))
}

// keysOf returns the keys of a list, nil when nothing tells its elements apart.
func keysOf(list []any) []string {
	for _, keys := range listKeys {
		seen := map[string]bool{}
		for _, item := range list {
			if text := keyText(item, keys); text != "" {
				seen[text] = true
			}
		}
		if len(list) > 0 && len(seen) == len(list) {
			return keys
		}
	}
	return nil
}

// keyText is how field managers name an element, `[name="web"]`; empty when it lacks a
// key.
func keyText(item any, keys []string) string {
	fields, ok := item.(map[string]any)
	if !ok || len(keys) == 0 {
		return ""
	}
	var parts []string
	for _, key := range keys {
		switch v := fields[key].(type) {
		case string:
			parts = append(parts, fmt.Sprintf("%s=%q", key, v))
		case int64:
			parts = append(parts, fmt.Sprintf("%s=%d", key, v))
		default:
			return ""
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func union(a, b map[string]any) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
