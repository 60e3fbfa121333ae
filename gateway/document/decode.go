package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
)

// Group is the API group and version of our own documents.
const Group = "hansa.io/v1alpha1"

// Limits of what is read.
const (
	MaxFiles   = 1000
	MaxObject  = 1_500_000 // bytes of one object as JSON; what Kubernetes takes at most
	MaxObjects = 5000      // in one apply
)

// File is one input; its name is used in errors only.
type File struct {
	Name    string
	Content []byte
}

// located is a document with where it stands.
type located struct {
	file string
	line int
	node *yaml.Node
}

func (l located) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", l.file, line, fmt.Sprintf(format, args...))
}

// kind of a document, before anything else of it is believed.
type header struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name         string            `yaml:"name"`
		GenerateName string            `yaml:"generateName"`
		Namespace    string            `yaml:"namespace"`
		Labels       map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
}

// placementAt is a Placement as written, and where.
type placementAt struct {
	at     located
	key    federation.Key
	spec   federation.PlacementSpec
	labels map[string]string
}

// object is a Kubernetes object as written.
type object struct {
	at     located
	labels map[string]string
	federation.Object
}

// ruleAt is a StatusRule as written, and where.
type ruleAt struct {
	at   located
	name string
	spec federation.StatusRuleSpec
}

// input is everything that was read.
type input struct {
	placements []placementAt
	rules      []ruleAt
	objects    []object
}

// read decodes all documents of all files.
func read(files []File) (input, error) {
	var in input
	if len(files) > MaxFiles {
		return in, fmt.Errorf("%d files: at most %d can be applied at once", len(files), MaxFiles)
	}
	for _, f := range files {
		docs, err := split(f)
		if err != nil {
			return input{}, err
		}
		for _, d := range docs {
			if err := in.add(d); err != nil {
				return input{}, err
			}
		}
	}
	if len(in.objects) > MaxObjects {
		return input{}, fmt.Errorf("%d objects: at most %d can be applied at once", len(in.objects), MaxObjects)
	}
	return in, nil
}

// split parses the documents of one file; empty ones are left out.
func split(f File) ([]located, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(f.Content))
	var docs []located
	for {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s", f.Name, strings.TrimPrefix(oneLine(err), "yaml: "))
		}
		if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
			continue
		}
		docs = append(docs, located{file: f.Name, line: root.Content[0].Line, node: root.Content[0]})
	}
}

// add takes one document, or each item of a List.
func (in *input) add(d located) error {
	var h header
	if d.node.Kind != yaml.MappingNode {
		return d.errorf(d.line, "not an object: want apiVersion, kind and metadata")
	}
	if err := d.node.Decode(&h); err != nil {
		return fmt.Errorf("%s: %s", d.file, oneLine(err))
	}
	if h.APIVersion == "" || h.Kind == "" {
		return d.errorf(d.line, "apiVersion and kind must be set")
	}
	if h.Kind == "List" && h.APIVersion == "v1" {
		return in.addList(d)
	}
	if err := checkNames(d, h); err != nil {
		return err
	}
	if group, _, _ := strings.Cut(h.APIVersion, "/"); group == "hansa.io" {
		return in.addOwn(d, h)
	}
	return in.addObject(d, h)
}

func (in *input) addList(d located) error {
	for i := 0; i+1 < len(d.node.Content); i += 2 {
		if d.node.Content[i].Value != "items" {
			continue
		}
		for _, item := range d.node.Content[i+1].Content {
			if err := in.add(located{file: d.file, line: item.Line, node: item}); err != nil {
				return err
			}
		}
	}
	return nil
}

// addOwn takes a document of our own group.
func (in *input) addOwn(d located, h header) error {
	if h.APIVersion != Group {
		return d.errorf(d.line, "apiVersion %q is not known: want %s", h.APIVersion, Group)
	}
	switch h.Kind {
	case "Placement":
		return in.addPlacement(d, h)
	case "StatusRule":
		return in.addRule(d, h)
	}
	hint := ""
	if near := configs.Nearest(h.Kind, []string{"Placement", "StatusRule"}); near != "" {
		hint = fmt.Sprintf(": did you mean %q?", near)
	}
	return d.errorf(d.line, "kind %q is not known in %s%s", h.Kind, Group, hint)
}

func (in *input) addPlacement(d located, h header) error {
	doc, err := readOwn[federation.PlacementSpec](d, h)
	if err != nil {
		return err
	}
	if h.Metadata.Namespace == "" {
		return d.errorf(d.line, "Placement %s: metadata.namespace must be set: a workload is named NAMESPACE/NAME", h.Metadata.Name)
	}
	key := federation.Key{Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}
	in.placements = append(in.placements, placementAt{at: d, key: key, spec: doc.Spec, labels: doc.Metadata.Labels})
	return nil
}

// own is a document of our own group.
type own[S any] struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Metadata   ownMetadata `json:"metadata"`
	Spec       S           `json:"spec"`
}

// readOwn decodes a document of our own group strictly.
func readOwn[S any](d located, h header) (own[S], error) {
	var doc own[S]
	if err := configs.CheckFields(d.node, reflect.TypeOf(doc), "json"); err != nil {
		return doc, fmt.Errorf("%s:%w", d.file, err)
	}
	raw, err := toJSON(d)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, d.errorf(d.line, "%s %s: %s", h.Kind, strings.TrimPrefix(h.Metadata.Namespace+"/"+h.Metadata.Name, "/"), plainJSONError(err))
	}
	return doc, nil
}

// ownMetadata is what our documents take of a Kubernetes object's metadata.
type ownMetadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// addObject takes a Kubernetes object as it is.
func (in *input) addObject(d located, h header) error {
	raw, err := toJSON(d)
	if err != nil {
		return err
	}
	o := federation.Object{APIVersion: h.APIVersion, Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, Raw: raw}
	if len(raw) > MaxObject {
		return d.errorf(d.line, "%s is %.1f MB: Kubernetes takes at most %.1f MB: split it", o.ID(), float64(len(raw))/1e6, MaxObject/1e6)
	}
	in.objects = append(in.objects, object{at: d, labels: h.Metadata.Labels, Object: o})
	return nil
}

// toJSON turns the document into canonical JSON.
func toJSON(d located) (json.RawMessage, error) {
	plain(d.node)
	text, err := yaml.Marshal(d.node)
	if err != nil {
		return nil, d.errorf(d.line, "%s", oneLine(err))
	}
	raw, err := kyaml.YAMLToJSON(text)
	if err != nil {
		return nil, d.errorf(d.line, "%s", oneLine(err))
	}
	return raw, nil
}

// plain writes a document so that it is read back as it is: values that are left empty
// would be marshalled as empty text between braces, and text that was written in lines
// may be folded in other ones.
func plain(n *yaml.Node) {
	switch {
	case n.Kind != yaml.ScalarNode:
	case n.Tag == "!!null":
		n.Value = "null"
	case n.Style&(yaml.FoldedStyle|yaml.LiteralStyle) != 0:
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, part := range n.Content {
		plain(part)
	}
}

// plainJSONError says a decoding error in the user's words.
func plainJSONError(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("%s: a %s cannot be a %s", kind.Field, kind.Value, kind.Type)
	}
	return oneLine(err)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
