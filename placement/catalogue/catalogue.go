package catalogue

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// byName is the whole catalogue under normalised names. Extend replaces it; the map
// itself is never changed.
var byName = index()

// Own is a place that the catalogue does not have.
type Own struct {
	Name         string  `yaml:"name"`
	Jurisdiction string  `yaml:"jurisdiction"` // ISO 3166-1 alpha-2
	Provider     string  `yaml:"provider"`
	Latitude     float64 `yaml:"latitude"`
	Longitude    float64 `yaml:"longitude"`
}

var ownName = regexp.MustCompile(`^[a-z0-9][-a-z0-9]*$`)

// Extend adds regions to the catalogue, all or none, for the whole process: call it
// before any other function of this package, which it must not run beside. The error names a place that is malformed or that
// the catalogue has already.
func Extend(places []Own) error {
	all, err := extended(places)
	if err == nil {
		byName = all
	}
	return err
}

// Check is what Extend would say.
func Check(places []Own) error {
	_, err := extended(places)
	return err
}

func extended(places []Own) (map[string]federation.Place, error) {
	all := maps.Clone(byName)
	for i, o := range places {
		if err := o.check(all); err != nil {
			return nil, fmt.Errorf("places[%d]: %w", i, err)
		}
		all[o.Name] = federation.Place{
			Region: o.Name, Provider: o.Provider, Jurisdiction: o.Jurisdiction, Latitude: o.Latitude, Longitude: o.Longitude,
		}
	}
	return all, nil
}

func (o Own) check(known map[string]federation.Place) error {
	_, taken := known[o.Name]
	switch {
	case !ownName.MatchString(o.Name):
		return fmt.Errorf("name %q: want lower-case letters, digits and \"-\"", o.Name)
	case taken:
		return fmt.Errorf("%s is in the catalogue already: choose another name", o.Name)
	case math.IsNaN(o.Latitude) || math.IsNaN(o.Longitude) || math.Abs(o.Latitude) > 90 || math.Abs(o.Longitude) > 180:
		return fmt.Errorf("%s: latitude goes from -90 to 90, longitude from -180 to 180", o.Name)
	case o.Latitude == 0 && o.Longitude == 0:
		return fmt.Errorf("%s: latitude and longitude must be set", o.Name)
	case len(o.Jurisdiction) != 0 && len(o.Jurisdiction) != 2:
		return fmt.Errorf("%s: jurisdiction %q: want two letters, for example DE", o.Name, o.Jurisdiction)
	}
	return nil
}

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
	all := byName
	if p, ok := all[name]; ok {
		return p, true
	}
	p, ok := all[normalise(name)]
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
	all := byName
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if want(all[name]) {
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
