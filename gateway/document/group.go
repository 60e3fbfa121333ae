package document

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
	"github.com/hansa-io/hansa/placement/manifest"
)

// MaxWorkload bounds the objects of one workload together, as JSON, in bytes. The
// bus carries them compressed in one message of at most 8 MiB.
const MaxWorkload = 24 << 20

// Desired is what files ask for. Revision, Source, AppliedAt and AppliedBy are the
// caller's to set.
type Desired struct {
	Workloads   []federation.Workload   // by key
	StatusRules []federation.StatusRule // by name
}

// Read decodes the files and groups their objects into workloads.
func Read(files []File) (Desired, error) {
	in, err := read(files)
	if err != nil {
		return Desired{}, err
	}
	if err := in.checkTwice(); err != nil {
		return Desired{}, err
	}
	rules, err := in.statusRules()
	if err != nil {
		return Desired{}, err
	}
	if len(in.placements) == 0 && (len(rules) == 0 || len(in.objects) > 0) {
		return Desired{}, fmt.Errorf("no Placement in %s: add one that says where the objects run", names(files))
	}
	workloads, err := in.workloads()
	return Desired{Workloads: workloads, StatusRules: rules}, err
}

// workloads groups the objects by the Placements that select them.
func (in input) workloads() ([]federation.Workload, error) {
	owner, err := in.owners()
	if err != nil {
		return nil, err
	}
	workloads := make([]federation.Workload, 0, len(in.placements))
	for p := range in.placements {
		w, err := in.workload(p, owner)
		if err != nil {
			return nil, err
		}
		workloads = append(workloads, w)
	}
	slices.SortFunc(workloads, func(a, b federation.Workload) int { return a.Key.Compare(b.Key) })
	return workloads, nil
}

func names(files []File) string {
	if len(files) == 1 {
		return files[0].Name
	}
	return fmt.Sprintf("the %d files", len(files))
}

// checkTwice refuses a document that is there twice.
func (in input) checkTwice() error {
	seen := map[string]located{}
	check := func(id string, at located) error {
		if first, ok := seen[id]; ok {
			return at.errorf(at.line, "%s is there twice: also at %s:%d", id, first.file, first.line)
		}
		seen[id] = at
		return nil
	}
	for _, p := range in.placements {
		if err := check("Placement "+p.key.String(), p.at); err != nil {
			return err
		}
	}
	for _, r := range in.rules {
		if err := check("StatusRule "+r.name, r.at); err != nil {
			return err
		}
	}
	for _, o := range in.objects {
		if err := check(o.ID(), o.at); err != nil {
			return err
		}
	}
	return nil
}

// none marks an object that no placement selects.
const none = -1

// owners returns, for each object, the placement it belongs to.
func (in input) owners() ([]int, error) {
	owner := make([]int, len(in.objects))
	for i := range owner {
		owner[i] = none
	}
	for p := range in.placements {
		if err := in.claim(p, owner); err != nil {
			return nil, err
		}
	}
	for p := range in.placements {
		if len(in.placements[p].spec.Resources) == 0 {
			in.claimRest(p, owner)
		}
	}
	return owner, in.checkAll(owner)
}

// claim takes what the placement's selectors name.
func (in input) claim(p int, owner []int) error {
	pl := in.placements[p]
	for s, selector := range pl.spec.Resources {
		found := false
		for i, o := range in.objects {
			if !selects(selector, pl.key.Namespace, o) {
				continue
			}
			found = true
			if owner[i] != none && owner[i] != p {
				return pl.at.errorf(pl.at.line, "%s is selected by Placement %s and by Placement %s: let one of them have it",
					o.ID(), in.placements[owner[i]].key, pl.key)
			}
			owner[i] = p
		}
		if !found {
			return pl.at.errorf(pl.at.line, "Placement %s: resources[%d] (%s) selects nothing of this apply", pl.key, s, describe(selector))
		}
	}
	return nil
}

func describe(s federation.ResourceSelector) string {
	return strings.TrimSpace(s.APIVersion + " " + s.Kind + " " + s.Name)
}

// selects reports whether the selector names the object. A selector without a
// name and without labels names every object of its kind in the namespace.
func selects(s federation.ResourceSelector, namespace string, o object) bool {
	if s.APIVersion != o.APIVersion || s.Kind != o.Kind || o.Namespace != "" && o.Namespace != namespace {
		return false
	}
	if s.Name != "" && s.Name != o.Name {
		return false
	}
	return s.Selector == nil || matches(*s.Selector, o.labels)
}

// matches is the Kubernetes label selector.
func matches(s federation.LabelSelector, labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		value, ok := labels[r.Key]
		switch r.Operator {
		case "In":
			ok = ok && slices.Contains(r.Values, value)
		case "NotIn":
			ok = !ok || !slices.Contains(r.Values, value)
		case "DoesNotExist":
			ok = !ok
		}
		if !ok {
			return false
		}
	}
	return true
}

// claimRest takes the objects of the namespace that nobody has.
func (in input) claimRest(p int, owner []int) {
	for i, o := range in.objects {
		if owner[i] == none && o.Namespace == in.placements[p].key.Namespace && !companion(o) {
			owner[i] = p
		}
	}
}

// companion reports an object that comes along by itself with workloads.
func companion(o object) bool {
	switch o.Kind {
	case "Namespace", "CustomResourceDefinition":
		return true
	}
	return false
}

// follows reports a kind that pod templates can name.
func follows(o object) bool {
	switch o.Kind {
	case "ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim":
		return true
	}
	return false
}

// checkAll refuses a placement with nothing, and an object that belongs nowhere.
func (in input) checkAll(owner []int) error {
	for p, pl := range in.placements {
		if !slices.Contains(owner, p) {
			return pl.at.errorf(pl.at.line, "Placement %s selects nothing: no object of namespace %s is left for it in this apply", pl.key, pl.key.Namespace)
		}
	}
	named := in.named()
	for i, o := range in.objects {
		if owner[i] != none || companion(o) || follows(o) && named[refTo(o)] {
			continue
		}
		return o.at.errorf(o.at.line, "%s is selected by no Placement: add it to the resources of one", o.ID())
	}
	return nil
}

// named lists what the pods of all objects name; nothing when they cannot be
// read, which is told with the workload they belong to.
func (in input) named() map[manifest.Ref]bool {
	all := make([]federation.Object, len(in.objects))
	for i := range in.objects {
		all[i] = in.objects[i].Object
	}
	refs, err := manifest.Dependencies(all)
	if err != nil {
		return nil
	}
	return byRef(refs)
}

func byRef(refs []manifest.Ref) map[manifest.Ref]bool {
	out := make(map[manifest.Ref]bool, len(refs))
	for _, r := range refs {
		r.Optional = false
		out[r] = true
	}
	return out
}

// refTo is how a pod would name the object; zero when none can.
func refTo(o object) manifest.Ref {
	if o.APIVersion != "v1" {
		return manifest.Ref{}
	}
	return manifest.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// workload gathers one placement's objects: what it selects, what their pods
// name, the namespace, and the definitions of custom kinds.
func (in input) workload(p int, owner []int) (federation.Workload, error) {
	pl := in.placements[p]
	w := federation.Workload{Key: pl.key, Placement: pl.spec.Defaulted()}
	taken := make([]bool, len(in.objects))
	for i, o := range in.objects {
		taken[i] = owner[i] == p || comesAlong(o, pl.key.Namespace)
	}
	if w.Placement.Dependencies == "Follow" {
		if err := in.follow(owner, p, taken); err != nil {
			return w, pl.at.errorf(pl.at.line, "Placement %s: %v", pl.key, err)
		}
	}
	size := 0
	for i, o := range in.objects {
		if taken[i] {
			w.Objects = append(w.Objects, o.Object)
			size += len(o.Raw)
		}
	}
	if size > MaxWorkload {
		return w, pl.at.errorf(pl.at.line, "Placement %s: its objects are %.1f MB together: at most %.1f MB are possible", pl.key, float64(size)/1e6, MaxWorkload/1e6)
	}
	slices.SortFunc(w.Objects, func(a, b federation.Object) int { return cmp.Compare(a.ID(), b.ID()) })
	return w, check(pl, w)
}

func comesAlong(o object, namespace string) bool {
	return o.Kind == "Namespace" && o.Name == namespace || o.Kind == "CustomResourceDefinition"
}

// follow takes what the pods of the placement's objects name.
func (in input) follow(owner []int, p int, taken []bool) error {
	var own []federation.Object
	for i, o := range in.objects {
		if owner[i] == p {
			own = append(own, o.Object)
		}
	}
	refs, err := manifest.Dependencies(own)
	if err != nil {
		return err
	}
	named := byRef(refs)
	for i, o := range in.objects {
		if follows(o) && owner[i] == none && named[refTo(o)] {
			taken[i] = true
		}
	}
	return nil
}

// check says what can be told without members: the placement's own rules, and
// whether its objects can be read.
func check(pl placementAt, w federation.Workload) error {
	if err := placement.Validate(w.Placement); err != nil {
		return pl.at.errorf(pl.at.line, "Placement %s: %v", pl.key, err)
	}
	if err := manifest.CheckOverrides(w); err != nil {
		return pl.at.errorf(pl.at.line, "Placement %s: %v", pl.key, err)
	}
	if _, err := manifest.DemandOf(w.Objects); err != nil {
		return pl.at.errorf(pl.at.line, "Placement %s: %v", pl.key, err)
	}
	return nil
}
