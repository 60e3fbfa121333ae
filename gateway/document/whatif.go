package document

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/manifest"
)

// ReadPlacements decodes files that hold Placements only, by namespace and name.
func ReadPlacements(files []File) (map[federation.Key]federation.PlacementSpec, error) {
	in, err := read(files)
	if err != nil {
		return nil, err
	}
	if err := in.checkTwice(); err != nil {
		return nil, err
	}
	if len(in.objects) > 0 {
		o := in.objects[0]
		return nil, o.at.errorf(o.at.line, "%s is not a Placement", o.ID())
	}
	if len(in.rules) > 0 {
		r := in.rules[0]
		return nil, r.at.errorf(r.at.line, "StatusRule %s is not a Placement", r.name)
	}
	out := make(map[federation.Key]federation.PlacementSpec, len(in.placements))
	for _, p := range in.placements {
		out[p.key] = p.spec
	}
	return out, nil
}

// memberDocument is a member that does not exist: kind Member.
type memberDocument struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Metadata   ownMetadata `json:"metadata"`
	Spec       struct {
		Place  federation.Place   `json:"place"`
		Taints []federation.Taint `json:"taints"`
		Nodes  int64              `json:"nodes"`
		// Node is what each node has: cpu, memory and pods as quantities.
		Node map[string]string `json:"node"`
		// KubernetesVersion and Kinds are asked for only when a rule asks.
		KubernetesVersion string   `json:"kubernetesVersion"`
		Kinds             []string `json:"kinds"`
	} `json:"spec"`
}

// ReadMembers decodes files that hold Members only: what each would be, and the
// facts it would report while nothing runs there.
func ReadMembers(files []File) ([]federation.MemberSpec, []federation.MemberFacts, error) {
	var specs []federation.MemberSpec
	var facts []federation.MemberFacts
	for _, f := range files {
		docs, err := split(f)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range docs {
			spec, fact, err := readMember(d)
			if err != nil {
				return nil, nil, err
			}
			specs, facts = append(specs, spec), append(facts, fact)
		}
	}
	return specs, facts, nil
}

func readMember(d located) (federation.MemberSpec, federation.MemberFacts, error) {
	refuse := func(err error) (federation.MemberSpec, federation.MemberFacts, error) {
		return federation.MemberSpec{}, federation.MemberFacts{}, err
	}
	var h header
	if d.node.Kind != yaml.MappingNode || d.node.Decode(&h) != nil || h.APIVersion != Group || h.Kind != "Member" {
		return refuse(d.errorf(d.line, "not a Member: want apiVersion %s and kind Member", Group))
	}
	var doc memberDocument
	if err := configs.CheckFields(d.node, reflect.TypeOf(doc), "json"); err != nil {
		return refuse(fmt.Errorf("%s:%w", d.file, err))
	}
	raw, err := toJSON(d)
	if err != nil {
		return refuse(err)
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return refuse(d.errorf(d.line, "Member %s: %s", h.Metadata.Name, plainJSONError(err)))
	}
	switch {
	case doc.Metadata.Name == "":
		return refuse(d.errorf(d.line, "Member: metadata.name must be set"))
	case doc.Spec.Place.Region == "":
		return refuse(d.errorf(d.line, "Member %s: spec.place.region must be set", doc.Metadata.Name))
	case doc.Spec.Nodes < 1:
		return refuse(d.errorf(d.line, "Member %s: spec.nodes must be 1 or more", doc.Metadata.Name))
	}
	node, err := nodeOf(doc.Spec.Node)
	if err != nil {
		return refuse(d.errorf(d.line, "Member %s: spec.node.%s", doc.Metadata.Name, err))
	}
	spec := federation.MemberSpec{Name: doc.Metadata.Name, Place: doc.Spec.Place, Labels: doc.Metadata.Labels, Taints: doc.Spec.Taints}
	return spec, emptyMember(doc, node), nil
}

// nodeOf reads the quantities of one node; what is not set is 4 cores, 16 GiB and
// 110 pods.
func nodeOf(quantities map[string]string) (federation.Resources, error) {
	all := map[string]string{"cpu": "4", "memory": "16Gi", "pods": "110"}
	maps.Copy(all, quantities)
	return manifest.ParseResources(all)
}

// emptyMember is what a member of such nodes reports while nothing runs there.
func emptyMember(doc memberDocument, node federation.Resources) federation.MemberFacts {
	n := doc.Spec.Nodes
	all := federation.Resources{MilliCPU: n * node.MilliCPU, MemoryBytes: n * node.MemoryBytes, Pods: n * node.Pods}
	for name, v := range node.Extended {
		if all.Extended == nil {
			all.Extended = map[string]int64{}
		}
		all.Extended[name] = n * v
	}
	class := federation.NodeClass{Nodes: n, Allocatable: node, Room: all}
	for range min(n, 64) {
		class.Free = append(class.Free, node)
	}
	return federation.MemberFacts{
		Member: doc.Metadata.Name, KubernetesVersion: doc.Spec.KubernetesVersion, Kinds: doc.Spec.Kinds, Nodes: n, NodesReady: n,
		NodeKind: "simulated", Allocatable: all, Free: all, Classes: []federation.NodeClass{class},
	}
}
