package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScenarios runs the files of testdata, one world each, with the seed that a
// first command "seed N" gives, or 1.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		seed := uint64(1)
		var s *Script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			line := d.Cmd
			for _, a := range d.CmdArgs {
				line += " " + a.String()
			}
			for _, line := range append([]string{line}, strings.Split(d.Input, "\n")...) {
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if s == nil {
					given, _ := fmt.Sscanf(line, "seed %d", &seed)
					s = NewScript(seed, Hooks{})
					if given == 1 {
						continue
					}
				}
				if err := s.Run(line); err != nil {
					t.Errorf("%s: %s: %v", head(seed), line, err)
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
