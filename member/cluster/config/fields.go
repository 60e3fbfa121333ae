package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkFields walks node beside the Go type it will be decoded into and
// reports the first mapping key that the type does not have.
func checkFields(node *yaml.Node, kind reflect.Type) error {
	if kind.Kind() == reflect.Pointer {
		return checkFields(node, kind.Elem())
	}
	if kind.Kind() != reflect.Struct {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		if node.Tag == "!!null" {
			return nil
		}
		return fmt.Errorf("%d: expected fields such as %s, found %s",
			node.Line, strings.Join(fieldNames(kind)[:1], ", "), describe(node))
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if err := checkField(node.Content[i], node.Content[i+1], kind); err != nil {
			return err
		}
	}
	return nil
}

func checkField(key, value *yaml.Node, kind reflect.Type) error {
	for i := range kind.NumField() {
		if field := kind.Field(i); fieldName(field) == key.Value {
			return checkFields(value, field.Type)
		}
	}
	names := fieldNames(kind)
	if near := nearest(key.Value, names); near != "" {
		return fmt.Errorf("%d: unknown field %q: did you mean %q?", key.Line, key.Value, near)
	}
	return fmt.Errorf("%d: unknown field %q: known here are %s", key.Line, key.Value, strings.Join(names, ", "))
}

func fieldName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return name
}

func fieldNames(kind reflect.Type) []string {
	names := make([]string, 0, kind.NumField())
	for i := range kind.NumField() {
		names = append(names, fieldName(kind.Field(i)))
	}
	return names
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

// nearest returns the name closest to word, or "" when none is near enough to
// be a slip of the pen.
func nearest(word string, names []string) string {
	best, bestDistance := "", 1+len(word)/3
	for _, name := range names {
		d := distance(strings.ToLower(word), strings.ToLower(name))
		if d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the number of insertions, deletions and replacements of bytes
// that turn a into b.
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
