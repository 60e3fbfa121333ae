package sim

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScenarios runs the files of testdata, one world each, with seed 1.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := NewScript(1, Hooks{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			line := d.Cmd
			for _, a := range d.CmdArgs {
				line += " " + a.String()
			}
			for _, line := range append([]string{line}, strings.Split(d.Input, "\n")...) {
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := s.Run(line); err != nil {
					t.Errorf("%s: %v", line, err)
					return s.World.Take() + "error: " + err.Error() + "\n"
				}
			}
			if text := s.World.Take(); text != "" {
				return text
			}
			return "ok\n"
		})
	})
}
