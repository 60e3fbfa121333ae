package script

import (
	"fmt"
	"strings"
)

// Snippet is one fenced block of shell commands in a Markdown file.
type Snippet struct {
	Line     int      // of the fence, from 1
	Commands []string // one per line; a line that ends in a backslash goes on in the next
	Tested   bool     // marked <!-- test -->
	Reason   string   // why it is not tested
}

const (
	markTested   = "<!-- test -->"
	markUntested = "<!-- not tested:"
	fence        = "```"
)

// Snippets returns the blocks that are fenced as sh, in order. Each must follow a
// line that is either "<!-- test -->" or "<!-- not tested: REASON -->"; an error
// names the line of a block that has neither, or that does not end.
func Snippets(markdown []byte) ([]Snippet, error) {
	var out []Snippet
	lines := strings.Split(string(markdown), "\n")
	mark := ""
	for n := 0; n < len(lines); n++ {
		line := strings.TrimSpace(lines[n])
		if !strings.HasPrefix(line, fence) {
			if line != "" {
				mark = line
			}
			continue
		}
		end := closing(lines, n+1)
		if end < 0 {
			return nil, fmt.Errorf("line %d: the block does not end: close it with %s", n+1, fence)
		}
		if line == fence+"sh" {
			s, err := snippet(mark, lines[n+1:end])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			s.Line = n + 1
			out = append(out, s)
		}
		mark, n = "", end
	}
	return out, nil
}

// closing is the index of the first line from start that ends a block, or -1.
func closing(lines []string, start int) int {
	for i := start; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == fence {
			return i
		}
	}
	return -1
}

func snippet(mark string, body []string) (Snippet, error) {
	s := Snippet{Commands: commands(body)}
	reason, untested := strings.CutPrefix(mark, markUntested)
	reason = strings.TrimSpace(strings.TrimSuffix(reason, "-->"))
	switch {
	case mark == markTested:
		s.Tested = true
	case untested && reason != "":
		s.Reason = reason
	default:
		return Snippet{}, fmt.Errorf("a block of commands follows neither %q nor %q", markTested, markUntested+" REASON -->")
	}
	return s, nil
}

// commands joins continued lines and drops empty lines and whole-line comments.
func commands(body []string) []string {
	var out []string
	pending := ""
	for _, line := range body {
		line = pending + strings.TrimSpace(line)
		if joined, more := strings.CutSuffix(line, "\\"); more {
			pending = joined
			continue
		}
		pending = ""
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
