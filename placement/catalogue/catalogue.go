package catalogue

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// byName is the whole catalogue under normalised names; it is never changed.
var byName = index()

func index() map[string]federation.Place {
	all := make(map[string]federation.Place, 400)
	for _, e := range cities {
		all[e.name] = federation.Place{Jurisdiction: e.jurisdiction, Latitude: e.lat, Longitude: e.long}
	}
	for provider, list := range regions {
		for _, e := range list {
			all[e.name] = federation.Place{
				Region: e.name, Provider: provider, Jurisdiction: e.jurisdiction,
				Latitude: e.lat, Longitude: e.long,
			}
		}
	}
	return all
}

// Lookup returns the region or city of that name.
func Lookup(name string) (federation.Place, bool) {
	if p, ok := byName[name]; ok {
		return p, true
	}
	p, ok := byName[normalise(name)]
	return p, ok
}

// Parse reads a place as users write it: a name of the catalogue, or
// "latitude,longitude" in degrees, for example "35.68,139.69". The error of an
// unknown name offers the nearest spellings.
func Parse(s string) (federation.Place, error) {
	if lat, long, ok := strings.Cut(s, ","); ok {
		return parseCoordinates(s, lat, long)
	}
	if p, ok := Lookup(s); ok {
		return p, nil
	}
	if strings.TrimSpace(s) == "" {
		return federation.Place{}, fmt.Errorf("place is empty: want a region, a city or \"latitude,longitude\"")
	}
	hint := "want a region, a city or \"latitude,longitude\""
	if near := similar(normalise(s)); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return federation.Place{}, fmt.Errorf("place %q is not in the catalogue: %s", s, hint)
}

// Resolve returns p with coordinates and jurisdiction filled in from its region
// where they are missing and the catalogue knows the region.
func Resolve(p federation.Place) federation.Place {
	known, ok := Lookup(p.Region)
	if !ok {
		return p
	}
	if !p.Located() {
		p.Latitude, p.Longitude = known.Latitude, known.Longitude
	}
	if p.Jurisdiction == "" {
		p.Jurisdiction = known.Jurisdiction
	}
	return p
}

// Regions returns the names of all regions, sorted.
func Regions() []string {
	return names(func(p federation.Place) bool { return p.Region != "" })
}

// Cities returns the names of all cities, sorted.
func Cities() []string {
	return names(func(p federation.Place) bool { return p.Region == "" })
}

func names(want func(federation.Place) bool) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if want(byName[name]) {
			out = append(out, name)
		}
	}
	return out
}

var separators = strings.NewReplacer(" ", "-", "_", "-")

func normalise(name string) string {
	return separators.Replace(strings.ToLower(strings.TrimSpace(name)))
}

func parseCoordinates(whole, lat, long string) (federation.Place, error) {
	la, errLat := strconv.ParseFloat(strings.TrimSpace(lat), 64)
	lo, errLong := strconv.ParseFloat(strings.TrimSpace(long), 64)
	if errLat != nil || errLong != nil {
		return federation.Place{}, fmt.Errorf("place %q: want \"latitude,longitude\" in degrees, for example \"35.68,139.69\"", whole)
	}
	if math.IsNaN(la) || math.IsNaN(lo) || math.Abs(la) > 90 || math.Abs(lo) > 180 {
		return federation.Place{}, fmt.Errorf("place %q: latitude goes from -90 to 90, longitude from -180 to 180", whole)
	}
	return federation.Place{Latitude: la, Longitude: lo}, nil
}

// similar returns up to three names within an edit distance of a third of the
// word, nearest first, then by name; and names that begin with the word.
func similar(word string) []string {
	type match struct {
		name string
		off  int
	}
	var found []match
	limit := max(1, len(word)/3)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		off := editDistance(word, name, limit)
		if len(word) >= 3 && strings.HasPrefix(name, word) {
			off = min(off, 1)
		}
		if off <= limit {
			found = append(found, match{name, off})
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return a.off - b.off })
	var out []string
	for _, m := range found[:min(3, len(found))] {
		out = append(out, m.name)
	}
	return out
}

// editDistance is the Levenshtein distance of two words, or any number above
// limit when it is larger than that.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
