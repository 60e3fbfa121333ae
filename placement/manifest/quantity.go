package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// quantity is a Kubernetes resource quantity as it stands in JSON: a string
// ("500m", "1.5Gi", "2e3") or a bare number.
type quantity string

// UnmarshalJSON keeps the text of a string or number.
func (q *quantity) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(q))
	}
	*q = quantity(b)
	return nil
}

var suffixes = map[string]*big.Rat{
	"n": big.NewRat(1, 1e9), "u": big.NewRat(1, 1e6), "m": big.NewRat(1, 1e3), "": big.NewRat(1, 1),
	"k": big.NewRat(1e3, 1), "M": big.NewRat(1e6, 1), "G": big.NewRat(1e9, 1),
	"T": big.NewRat(1e12, 1), "P": big.NewRat(1e15, 1), "E": big.NewRat(1e18, 1),
	"Ki": big.NewRat(1<<10, 1), "Mi": big.NewRat(1<<20, 1), "Gi": big.NewRat(1<<30, 1),
	"Ti": big.NewRat(1<<40, 1), "Pi": big.NewRat(1<<50, 1), "Ei": big.NewRat(1<<60, 1),
}

// units returns the quantity in 1/perUnit, rounded up as Kubernetes does, at
// most 2^53 so that sums cannot overflow. Negative quantities are refused.
func (q quantity) units(perUnit int64) (int64, error) {
	bad := fmt.Errorf("quantity %q: want a number with a suffix such as m, k, M, Ki, Mi, Gi", string(q))
	text := strings.TrimSpace(string(q))
	if text == "" || len(text) > 40 {
		return 0, bad
	}
	end := strings.LastIndexAny(text, "0123456789.") + 1
	number, suffix := text[:end], text[end:]
	scale, ok := suffixes[suffix]
	if !ok || !plainNumber(number) {
		return 0, bad
	}
	v, ok := new(big.Rat).SetString(number)
	if !ok || v.Sign() < 0 {
		return 0, bad
	}
	v.Mul(v, scale).Mul(v, big.NewRat(perUnit, 1))
	whole, rest := new(big.Int).QuoRem(v.Num(), v.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() || whole.Int64() > 1<<53 {
		return 1 << 53, nil
	}
	return whole.Int64(), nil
}

// ParseResources reads quantities by resource name: "cpu", "memory", "pods", and
// extended resources. The error names the resource.
func ParseResources(quantities map[string]string) (federation.Resources, error) {
	var r federation.Resources
	for _, name := range slices.Sorted(maps.Keys(quantities)) {
		perUnit := int64(1)
		if name == "cpu" {
			perUnit = 1000
		}
		n, err := quantity(quantities[name]).units(perUnit)
		if err != nil {
			return federation.Resources{}, fmt.Errorf("%s: %w", name, err)
		}
		switch name {
		case "cpu":
			r.MilliCPU = n
		case "memory":
			r.MemoryBytes = n
		case "pods":
			r.Pods = n
		default:
			if r.Extended == nil {
				r.Extended = map[string]int64{}
			}
			r.Extended[name] = n
		}
	}
	return r, nil
}

// plainNumber accepts digits with a point and a small exponent, and none of the
// other forms that big.Rat reads.
func plainNumber(s string) bool {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		if n, err := strconv.Atoi(exponent); err != nil || math.Abs(float64(n)) > 30 {
			return false
		}
	}
	return strings.Trim(mantissa, "+0123456789.") == "" && strings.ContainsAny(mantissa, "0123456789")
}
