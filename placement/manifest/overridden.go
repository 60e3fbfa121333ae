package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// Effect is one field that an override changes in the target's member.
type Effect struct {
	Override int    // index in the Placement
	Object   string // its ID
	Path     string // "spec.template.spec.containers[name=\"web\"].image"
	From, To string // JSON, cut off where it is long; empty where there is nothing
}

// Overridden lists what Render changes by overrides for the target, override by override.
// Objects whose content is not here, since it is sealed, are left out. With an error it
// has what was changed before that.
func Overridden(w federation.Workload, t Target) ([]Effect, error) {
	if len(w.Placement.Overrides) == 0 {
		return nil, nil
	}
	if len(w.Sealed.Box) > 0 {
		w.Objects = slices.DeleteFunc(slices.Clone(w.Objects), func(o federation.Object) bool { return o.APIVersion == "v1" && o.Kind == "Secret" })
	}
	docs, absent, err := divided(&w, t)
	if err != nil {
		return nil, err
	}
	var out []Effect
	err = override(&w, t, docs, func(i int, _ []int, before []document) {
		for j, o := range w.Objects {
			if absent[j] {
				continue
			}
			c := comparison{override: i, object: o.ID(), secret: o.Kind == "Secret"}
			c.compare("", before[j], docs[j])
			out = append(out, c.effects...)
		}
	})
	return out, err
}

// Variant names which overrides count for which objects in the target's member: as long as
// it is the same, so is what Render makes there of the same version and share. Empty when
// none counts.
func Variant(w federation.Workload, t Target) (string, error) {
	if len(w.Placement.Overrides) == 0 {
		return "", nil
	}
	docs, _, err := divided(&w, t)
	if err != nil {
		return "", err
	}
	var counts []string
	if err := override(&w, t, docs, func(i int, at []int, _ []document) { counts = append(counts, fmt.Sprint(i, at)) }); err != nil || len(counts) == 0 {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(counts, " ")))
	return hex.EncodeToString(sum[:4]), nil
}

// divided decodes the objects with the replicas of the target's member, and says which of
// them it has none of.
func divided(w *federation.Workload, t Target) ([]document, map[int]bool, error) {
	at := slices.IndexFunc(t.Shares, func(m federation.AssignedMember) bool { return m.Member == t.Member.Name })
	if at < 0 {
		return nil, nil, fmt.Errorf("member %s is not in the assignment", t.Member.Name)
	}
	docs, err := decodeAll(w.Objects)
	if err != nil {
		return nil, nil, err
	}
	absent, err := divide(w, t.Shares, at, docs)
	return docs, absent, err
}

// comparison collects what differs in one object.
type comparison struct {
	override int
	object   string
	secret   bool
	effects  []Effect
}

func (c *comparison) compare(path string, from, to any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	f, t := parts(path, from), parts(path, to)
	if f == nil || t == nil {
		c.effects = append(c.effects, Effect{Override: c.override, Object: c.object, Path: path, From: federation.FieldText(path, from, c.secret), To: federation.FieldText(path, to, c.secret)})
		return
	}
	all := maps.Clone(f)
	maps.Copy(all, t)
	for _, at := range slices.Sorted(maps.Keys(all)) {
		c.compare(at, f[at], t[at])
	}
}

// parts maps the paths of what a value consists of to it; nil for a plain value and for
// a list whose elements have no names.
func parts(path string, v any) map[string]any {
	out := map[string]any{}
	switch v := v.(type) {
	case document:
		for name, field := range v {
			out[strings.TrimPrefix(path+"."+name, ".")] = field
		}
		return out
	case []any:
		for _, item := range v {
			fields, _ := item.(document)
			name, named := fields["name"].(string)
			if !named {
				return nil
			}
			out[fmt.Sprintf("%s[name=%q]", path, name)] = item
		}
		return out
	}
	return nil
}

// copies are deep ones.
func copies(docs []document) []document {
	out := make([]document, len(docs))
	for i, d := range docs {
		out[i], _ = cloned(d).(document)
	}
	return out
}
