package manifest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
	"github.com/hansa-io/hansa/placement"
)

// override applies, in their order, the overrides that select the member. One
// that finds nothing to change is an error: it is a misspelt name. told, if it is not
// nil, is called after each with its index, those of the objects that it counts for, and
// the documents as they were before.
func override(w *federation.Workload, t Target, docs []document, told func(i int, at []int, before []document)) error {
	for i := range w.Placement.Overrides {
		o := &w.Placement.Overrides[i]
		at, err := t.countsFor(o, w.Objects, docs)
		if err != nil {
			return fmt.Errorf("overrides[%d]%w", i, err)
		}
		if len(at) == 0 {
			continue
		}
		var before []document
		if told != nil {
			before = copies(docs)
		}
		if err := applyAt(o, at, w.Objects, docs); err != nil {
			return fmt.Errorf("overrides[%d]: %w", i, err)
		}
		if told != nil {
			told(i, at, before)
		}
	}
	return nil
}

// countsFor lists the objects that the override counts for in the member.
func (t Target) countsFor(o *federation.Override, objects []federation.Object, docs []document) ([]int, error) {
	ok, err := placement.Match(o.Members, t.Member, t.Facts)
	if err != nil {
		return nil, fmt.Errorf(".members: %w", err)
	}
	if !ok {
		return nil, nil
	}
	var condition *expression.Condition
	if o.When != "" {
		if condition, err = t.compiler().Condition(o.When); err != nil {
			return nil, fmt.Errorf(": %w", err)
		}
	}
	member := expression.MemberOf(t.Member, t.Facts)
	var at []int
	for i := range docs {
		counts := condition == nil
		if !counts {
			if counts, err = condition.Holds(member, docs[i]); err != nil {
				return nil, fmt.Errorf(": %s: %w", objects[i].ID(), err)
			}
		}
		if counts {
			at = append(at, i)
		}
	}
	return at, nil
}

func (t Target) compiler() *expression.Compiler {
	if t.Expressions == nil {
		return &expression.Compiler{}
	}
	return t.Expressions
}

// applyAt changes the objects at some indexes.
func applyAt(o *federation.Override, at []int, objects []federation.Object, docs []document) error {
	some, theirs := make([]federation.Object, len(at)), make([]document, len(at))
	for i, j := range at {
		some[i], theirs[i] = objects[j], docs[j]
	}
	if err := applyOverride(o, some, theirs); err != nil && (o.When == "" || !isMissing(err)) {
		return err
	}
	for i, j := range at {
		docs[j] = theirs[i]
	}
	return nil
}

// CheckOverrides tells what is wrong with a workload's overrides whatever the members
// are: a container that no pod template has, a patch that fits nothing. One has to work
// by itself, or after all that come before it.
func CheckOverrides(w federation.Workload) error {
	var all []document
	var compiler expression.Compiler
	if err := onlyOneSets(w); err != nil {
		return err
	}
	for i := range w.Placement.Overrides {
		if when := w.Placement.Overrides[i].When; when != "" {
			if _, err := compiler.Condition(when); err != nil {
				return fmt.Errorf("overrides[%d]: %w", i, err)
			}
		}
		alone, err := decodeAll(w.Objects)
		if err != nil {
			return err
		}
		if i == 0 {
			if all, err = decodeAll(w.Objects); err != nil {
				return err
			}
		}
		o := &w.Placement.Overrides[i]
		wrong := applyOverride(o, w.Objects, alone)
		if applyOverride(o, w.Objects, all) != nil && wrong != nil {
			return fmt.Errorf("overrides[%d]: %w", i, wrong)
		}
	}
	return nil
}

// missing says that an override finds nothing to change.
type missing struct{ error }

func isMissing(err error) bool {
	var m missing
	return errors.As(err, &m)
}

// applyOverride makes the changes of an override. What finds nothing to change keeps no
// other from being made; the error is a missing one if nothing else went wrong.
func applyOverride(o *federation.Override, objects []federation.Object, docs []document) error {
	var wrong error
	note := func(err error, format string, args ...any) {
		if err != nil && (wrong == nil || isMissing(wrong) && !isMissing(err)) {
			wrong = fmt.Errorf(format+": %w", append(args, err)...)
		}
	}
	for _, image := range o.Images {
		note(eachContainer(objects, docs, image.Container, func(c document) error {
			c["image"] = image.Image
			return nil
		}), "image %s", image.Image)
	}
	for _, env := range o.Env {
		note(eachContainer(objects, docs, env.Container, func(c document) error { return setEnv(c, env) }), "env %s", env.Name)
	}
	for _, args := range o.Args {
		note(eachContainer(objects, docs, args.Container, func(c document) error { return setArgs(c, args) }), "args of %s", args.Container)
	}
	if o.Replicas > 0 {
		note(setReplicas(objects, docs, o.Replicas), "replicas %d", o.Replicas)
	}
	for i := range docs {
		note(setMarks(docs[i], o), "%s", objects[i].ID())
	}
	for i := range o.Patches {
		note(applyPatches(&o.Patches[i], objects, docs), "patches[%d]", i)
	}
	return wrong
}

// eachContainer calls f with every container and init container of that name in
// any pod template.
func eachContainer(objects []federation.Object, docs []document, name string, f func(document) error) error {
	found := false
	for i := range objects {
		if !makesPods(&objects[i]) {
			continue
		}
		spec := podSpecOf(docs[i], objects[i].Kind)
		init, _ := spec["initContainers"].([]any)
		main, _ := spec["containers"].([]any)
		for _, item := range slices.Concat(init, main) {
			c, ok := item.(document)
			if !ok || c["name"] != name {
				continue
			}
			found = true
			if err := f(c); err != nil {
				return err
			}
		}
	}
	if !found {
		return missing{fmt.Errorf("no pod template has a container %q", name)}
	}
	return nil
}

// podSpecOf returns the pod spec of an object that makes pods; reading from the
// nil map that stands for a missing one is safe.
func podSpecOf(doc document, kind string) document {
	path := []string{"spec", "template", "spec"}
	switch kind {
	case "Pod":
		path = []string{"spec"}
	case "CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	for _, field := range path {
		doc, _ = doc[field].(document)
	}
	return doc
}

func setEnv(c document, env federation.EnvOverride) error {
	list, ok := c["env"].([]any)
	if c["env"] != nil && !ok {
		return fmt.Errorf("env of container %q is not a list", env.Container)
	}
	value := document{"name": env.Name, "value": env.Value}
	at := slices.IndexFunc(list, func(item any) bool {
		v, ok := item.(document)
		return ok && v["name"] == env.Name
	})
	if at >= 0 {
		list[at] = value
	} else {
		list = append(list, value)
	}
	c["env"] = list
	return nil
}

func setArgs(c document, o federation.ArgsOverride) error {
	list, ok := c["args"].([]any)
	if c["args"] != nil && !ok {
		return fmt.Errorf("args of container %q is not a list", o.Container)
	}
	if len(o.Args) > 0 {
		list = nil
	}
	for _, arg := range slices.Concat(o.Args, o.Append) {
		list = append(list, arg)
	}
	c["args"] = list
	return nil
}

// setReplicas gives the largest of the objects that make pods so many replicas, and the
// others the same in proportion: those of one that has some at least 1.
func setReplicas(objects []federation.Object, docs []document, replicas int64) error {
	all, err := components(objects)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c component) bool { return c.kind == "DaemonSet" })
	var lead int64
	for i := range all {
		switch c := &all[i]; c.kind {
		case "Job", "CronJob", "Pod":
			return fmt.Errorf("%s has no spec.replicas", objects[c.object].ID())
		default:
			lead = max(lead, c.replicas)
		}
	}
	if len(all) == 0 {
		return errors.New("no object has spec.replicas")
	}
	for i := range all {
		c := &all[i]
		if c.replicas == 0 {
			continue // it is stopped
		}
		spec, err := mapAt(docs[c.object], "spec")
		if err != nil {
			return err
		}
		spec["replicas"] = max(1, (c.replicas*replicas+lead/2)/lead)
	}
	return nil
}

// onlyOneSets refuses patches of replicas beside numbers of overrides: which of them
// counted would depend on their order, and placement knows of the numbers alone.
func onlyOneSets(w federation.Workload) error {
	number := slices.IndexFunc(w.Placement.Overrides, func(o federation.Override) bool { return o.Replicas > 0 })
	if number < 0 {
		return nil
	}
	for i, o := range w.Placement.Overrides {
		for j := range o.Patches {
			ops, err := parsePatch(o.Patches[j].Patch)
			if err != nil {
				return fmt.Errorf("overrides[%d]: patches[%d]: %w", i, j, err)
			}
			if slices.ContainsFunc(ops, func(op operation) bool { return *op.Path == "/spec/replicas" }) {
				return fmt.Errorf("overrides[%d]: patches[%d] changes spec.replicas, and overrides[%d] has replicas: leave one of them out", i, j, number)
			}
		}
	}
	return nil
}

// setMarks sets labels and annotations on an object's own metadata.
func setMarks(doc document, o *federation.Override) error {
	for _, field := range []struct {
		name  string
		marks map[string]string
	}{{"labels", o.Labels}, {"annotations", o.Annotations}} {
		if len(field.marks) == 0 {
			continue
		}
		at, err := mapAt(doc, "metadata", field.name)
		if err != nil {
			return err
		}
		for key, value := range field.marks {
			at[key] = value
		}
	}
	return nil
}

func applyPatches(o *federation.PatchOverride, objects []federation.Object, docs []document) error {
	ops, err := parsePatch(o.Patch)
	if err != nil {
		return err
	}
	found := false
	for i := range objects {
		if !selects(&o.Target, &objects[i], docs[i]) {
			continue
		}
		found = true
		if docs[i], err = patched(docs[i], ops); err != nil {
			return fmt.Errorf("%s: %w", objects[i].ID(), err)
		}
		if err := sameIdentity(&objects[i], docs[i]); err != nil {
			return err
		}
	}
	if !found {
		return missing{fmt.Errorf("no object is %s/%s %s", o.Target.APIVersion, o.Target.Kind, o.Target.Name)}
	}
	return nil
}

// sameIdentity refuses a patch that makes another object of the one it is for.
func sameIdentity(o *federation.Object, doc document) error {
	meta, _ := doc["metadata"].(document)
	namespace, _ := meta["namespace"].(string)
	if doc["apiVersion"] != o.APIVersion || doc["kind"] != o.Kind || meta["name"] != o.Name || (namespace != "" && namespace != o.Namespace) {
		return fmt.Errorf("%s: a patch must not change apiVersion, kind, name or namespace", o.ID())
	}
	return nil
}

// selects matches an object by kind, and by name and labels where they are given.
func selects(s *federation.ResourceSelector, o *federation.Object, doc document) bool {
	if s.Kind != o.Kind || (s.APIVersion != "" && s.APIVersion != o.APIVersion) || (s.Name != "" && s.Name != o.Name) {
		return false
	}
	if s.Selector == nil {
		return true
	}
	meta, _ := doc["metadata"].(document)
	labels, _ := meta["labels"].(document)
	for key, want := range s.Selector.MatchLabels {
		if labels[key] != want {
			return false
		}
	}
	for _, req := range s.Selector.MatchExpressions {
		if !satisfies(labels, req) {
			return false
		}
	}
	return true
}

func satisfies(labels document, req federation.Requirement) bool {
	value, ok := labels[req.Key].(string)
	switch req.Operator {
	case "In":
		return ok && slices.Contains(req.Values, value)
	case "NotIn":
		return !ok || !slices.Contains(req.Values, value)
	case "Exists":
		return ok
	case "DoesNotExist":
		return !ok
	}
	return false
}
