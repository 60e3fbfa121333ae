package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// format is the value of the flag -o.
type format struct {
	value   string
	allowed []string
}

// outputFlag adds -o; the first allowed format is the default.
func outputFlag(cmd *cobra.Command, allowed ...string) *format {
	f := &format{value: allowed[0], allowed: allowed}
	cmd.Flags().VarP(f, "output", "o", "format of the answer: "+strings.Join(allowed, ", "))
	complete := cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // the flag was added above
	}
	return f
}

// String is the format in force.
func (f *format) String() string { return f.value }

// Type is what help prints as the flag's value.
func (f *format) Type() string { return "FORMAT" }

// Set accepts one of the allowed formats.
func (f *format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("want one of %s", strings.Join(f.allowed, ", "))
	}
	f.value = s
	return nil
}

// structured reports whether the format is for programs.
func (f *format) structured() bool { return f.value == formatJSON || f.value == formatYAML }

const (
	formatTable = "table"
	formatWide  = "wide"
	formatText  = "text"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatJUnit = "junit"
)

// print writes a value as JSON or YAML.
func (f *format) print(w io.Writer, v any) error {
	if f.value == formatYAML {
		encoder := yaml.NewEncoder(w)
		encoder.SetIndent(2)
		if err := encoder.Encode(yamlNode(v)); err != nil {
			return fmt.Errorf("encode YAML: %w", err)
		}
		return encoder.Close()
	}
	_, err := w.Write(append(appendJSON(nil, v, "", false), '\n'))
	return err
}

// printOne writes one value of a stream: a line of JSON, or a YAML document.
func (f *format) printOne(w io.Writer, v any) error {
	if f.value == formatJSON {
		_, err := w.Write(append(appendJSON(nil, v, "", true), '\n'))
		return err
	}
	if _, err := io.WriteString(w, "---\n"); err != nil {
		return err
	}
	return f.print(w, v)
}

// yamlNode keeps the order of fields, which a Go map would lose.
func yamlNode(v any) *yaml.Node {
	switch v := v.(type) {
	case object:
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range v {
			node.Content = append(node.Content, yamlNode(f.name), yamlNode(f.value))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			node.Content = append(node.Content, yamlNode(e))
		}
		return node
	}
	node := &yaml.Node{}
	if err := node.Encode(v); err != nil {
		panic(fmt.Sprintf("a tree holds %T: %v", v, err)) // invariant of object
	}
	return node
}
