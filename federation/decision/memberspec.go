package decision

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// changedSpec is the record after the change; the one given stays as it is.
func changedSpec(spec federation.MemberSpec, c federation.MemberChange) (federation.MemberSpec, error) {
	if spec.Leaving.Leaves() && (c.Action == "uncordon" || c.Action == "undrain") {
		return spec, fmt.Errorf("%s %s: it leaves the federation, and takes nothing any more; to have it stay: hansa leave %s --cancel", c.Action, spec.Name, spec.Name)
	}
	switch c.Action {
	case "cordon":
		spec.Cordoned = true
	case "uncordon":
		spec.Cordoned, spec.Draining = false, false
	case "drain":
		spec.Cordoned, spec.Draining = true, true
	case "undrain":
		spec.Draining = false
	case "taint":
		return tainted(spec, c.Argument)
	case "untaint":
		return untainted(spec, c.Argument)
	case "label":
		return labelled(spec, c.Argument)
	case "unlabel":
		if _, ok := spec.Labels[c.Argument]; !ok {
			return spec, fmt.Errorf("unlabel %s: it has no label %q", spec.Name, c.Argument)
		}
		spec.Labels = maps.Clone(spec.Labels)
		delete(spec.Labels, c.Argument)
	default:
		return spec, fmt.Errorf("action %q is not cordon, uncordon, drain, undrain, confirm, leave, rotate, taint, untaint, label or unlabel", c.Action)
	}
	return spec, nil
}

// Syntax of label keys and values, as in Kubernetes.
var (
	labelKey   = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
)

var effects = []federation.TaintEffect{federation.NoSchedule, federation.PreferNoSchedule, federation.NoExecute}

// tainted adds KEY[=VALUE]:EFFECT, or changes its value.
func tainted(spec federation.MemberSpec, text string) (federation.MemberSpec, error) {
	rest, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(rest, "=")
	t := federation.Taint{Key: key, Value: value, Effect: federation.TaintEffect(effect)}
	if !labelKey.MatchString(key) || !labelValue.MatchString(value) || !slices.Contains(effects, t.Effect) {
		return spec, fmt.Errorf("taint %q of %s: want KEY[=VALUE]:EFFECT with the effect NoSchedule, PreferNoSchedule or NoExecute", text, spec.Name)
	}
	spec.Taints = slices.DeleteFunc(slices.Clone(spec.Taints), func(o federation.Taint) bool { return o.Key == t.Key && o.Effect == t.Effect })
	spec.Taints = append(spec.Taints, t)
	return spec, nil
}

// untainted removes KEY with all its effects, or KEY:EFFECT.
func untainted(spec federation.MemberSpec, text string) (federation.MemberSpec, error) {
	key, effect, one := strings.Cut(text, ":")
	left := slices.DeleteFunc(slices.Clone(spec.Taints), func(o federation.Taint) bool {
		return o.Key == key && (!one || o.Effect == federation.TaintEffect(effect))
	})
	if len(left) == len(spec.Taints) {
		return spec, fmt.Errorf("untaint %s: it has no taint %q", spec.Name, text)
	}
	spec.Taints = left
	return spec, nil
}

// labelled sets KEY=VALUE.
func labelled(spec federation.MemberSpec, text string) (federation.MemberSpec, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || !labelKey.MatchString(key) || !labelValue.MatchString(value) {
		return spec, fmt.Errorf("label %q of %s: want KEY=VALUE, in the syntax of Kubernetes labels", text, spec.Name)
	}
	if spec.Labels = maps.Clone(spec.Labels); spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[key] = value
	return spec, nil
}
