package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Size is a number of bytes, written with a unit: "512MiB". "auto" is 0 and lets the
// program choose; "none" is −1.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	switch text {
	case "auto":
		*s = 0
		return nil
	case "none":
		*s = -1
		return nil
	}
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err == nil && n > 0 && n <= math.MaxInt64/unit.bytes {
			*s = Size(n * unit.bytes)
			return nil
		}
	}
	return fmt.Errorf("line %d: %q is not a size: want a whole number with KiB, MiB, GiB or TiB, \"auto\" or \"none\"", node.Line, text)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (s Size) MarshalYAML() (any, error) {
	switch {
	case s == 0:
		return "auto", nil
	case s < 0:
		return "none", nil
	}
	for i := len(sizeUnits) - 1; i >= 0; i-- {
		if unit := sizeUnits[i]; int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name, nil
		}
	}
	return nil, fmt.Errorf("%d bytes are no whole KiB", int64(s))
}
