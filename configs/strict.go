package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFile is the largest configuration file, in bytes.
const MaxFile = 1 << 20

// Load reads the file at path into v, a pointer to a struct with yaml tags whose
// present values are the defaults.
func Load(path string, v any) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(data) > MaxFile {
		return fmt.Errorf("read configuration %s: larger than %d bytes", path, MaxFile)
	}
	if err := Decode(data, v); err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	return nil
}

// Decode decodes one YAML document strictly into v, as Load does. An error
// begins with the line number and a colon. An empty document changes nothing.
func Decode(data []byte, v any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("1: more than one YAML document: put each into a file of its own")
	}
	document := root.Content[0]
	if err := CheckFields(document, reflect.TypeOf(v), "yaml"); err != nil {
		return err
	}
	if err := document.Decode(v); err != nil {
		return oneLine(err)
	}
	return nil
}

// CheckFields walks node beside the Go type it will be decoded into and reports
// the first mapping key that the type does not have, as "LINE: unknown field …".
// Names are read from the struct tag ("yaml" or "json"); embedded structs count
// as part of the one that embeds them.
func CheckFields(node *yaml.Node, kind reflect.Type, tag string) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch kind.Kind() {
	case reflect.Pointer:
		return CheckFields(node, kind.Elem(), tag)
	case reflect.Slice:
		return checkElements(node, kind.Elem(), tag)
	case reflect.Struct:
		return checkStruct(node, kind, tag)
	}
	return nil
}

func checkElements(node *yaml.Node, kind reflect.Type, tag string) error {
	if node.Kind != yaml.SequenceNode {
		return nil // the decoder names the type it wants
	}
	for _, element := range node.Content {
		if err := CheckFields(element, kind, tag); err != nil {
			return err
		}
	}
	return nil
}

func checkStruct(node *yaml.Node, kind reflect.Type, tag string) error {
	fields := fieldsOf(kind, tag)
	if len(fields) == 0 {
		return nil // decodes itself, as time.Time does
	}
	if node.Kind != yaml.MappingNode {
		if node.Tag == "!!null" {
			return nil
		}
		return fmt.Errorf("%d: expected fields such as %s, found %s", node.Line, fields[0].name, describe(node))
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if err := checkField(node.Content[i], node.Content[i+1], fields, tag); err != nil {
			return err
		}
	}
	return nil
}

func checkField(key, value *yaml.Node, fields []field, tag string) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		if f.name == key.Value {
			return CheckFields(value, f.kind, tag)
		}
		names[i] = f.name
	}
	if near := Nearest(key.Value, names); near != "" {
		return fmt.Errorf("%d: unknown field %q: did you mean %q?", key.Line, key.Value, near)
	}
	return fmt.Errorf("%d: unknown field %q: known here are %s", key.Line, key.Value, strings.Join(names, ", "))
}

// field is one named field of a struct.
type field struct {
	name string
	kind reflect.Type
}

func fieldsOf(kind reflect.Type, tag string) []field {
	var out []field
	for i := range kind.NumField() {
		f := kind.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		switch {
		case name != "" && name != "-":
			out = append(out, field{name: name, kind: f.Type})
		case f.Anonymous:
			out = append(out, fieldsOf(f.Type, tag)...)
		}
	}
	return out
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}

// Nearest returns the name closest to word, or "" when none is near enough to be
// a slip of the pen.
func Nearest(word string, names []string) string {
	best, bestDistance := "", 1+len(word)/3
	for _, name := range names {
		d := distance(strings.ToLower(word), strings.ToLower(name))
		if d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance: the number of insertions, deletions and
// replacements of bytes that turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{replace, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// oneLine turns an error of the YAML library into "LINE: what", keeping the
// first of several.
func oneLine(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var typeErr *yaml.TypeError
	if errors.As(err, &typeErr) && len(typeErr.Errors) > 0 {
		text = typeErr.Errors[0]
	}
	line := "1"
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line = match[1]
		text = strings.Replace(text, match[0], "", 1)
	}
	return fmt.Errorf("%s: %s", line, strings.Join(strings.Fields(text), " "))
}
