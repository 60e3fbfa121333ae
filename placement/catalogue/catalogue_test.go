package catalogue

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

func TestCatalogueIsSound(t *testing.T) {
	seen := map[string]bool{}
	check := func(e entry) {
		t.Helper()
		if seen[e.name] || normalise(e.name) != e.name {
			t.Errorf("%s: listed twice or not in normal form", e.name)
		}
		seen[e.name] = true
		if math.Abs(e.lat) > 90 || math.Abs(e.long) > 180 || (e.lat == 0 && e.long == 0) || len(e.jurisdiction) != 2 {
			t.Errorf("%s: bad entry %+v", e.name, e)
		}
	}
	for _, list := range regions {
		for _, e := range list {
			check(e)
		}
	}
	for _, e := range cities {
		check(e)
	}
	if n := len(Regions()); n < 90 {
		t.Errorf("%d regions, want at least 90", n)
	}
	if n := len(Cities()); n < 100 {
		t.Errorf("%d cities, want at least 100", n)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]federation.Place{
		"ap-northeast":   {Region: "ap-northeast", Jurisdiction: "JP", Latitude: 35.68, Longitude: 139.69},
		"New York":       {Jurisdiction: "US", Latitude: 40.71, Longitude: -74.01},
		"new_york ":      {Jurisdiction: "US", Latitude: 40.71, Longitude: -74.01},
		"EU-Central-1":   {Region: "eu-central-1", Provider: "aws", Jurisdiction: "DE", Latitude: 50.11, Longitude: 8.68},
		"35.68, 139.69":  {Latitude: 35.68, Longitude: 139.69},
		"-33.87,-151.21": {Latitude: -33.87, Longitude: -151.21},
	} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"osaca":                     "did you mean osaka?",
		"frankfort":                 "did you mean frankfurt?",
		"":                          "place is empty",
		"xyzzyplugh-nowhere-at-all": "want a region, a city or",
		"91,0":                      "latitude goes from -90 to 90",
		"NaN,1":                     "latitude goes from",
		"1;2,x":                     "want \"latitude,longitude\"",
		"eu-centrel":                "did you mean eu-central",
	} {
		_, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Parse(%q): %v, want one line with %q", in, err, want)
		}
	}
}

func TestDistanceAndLatency(t *testing.T) {
	place := func(name string) federation.Place {
		p, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		a, b     string
		km       float64
		from, to time.Duration
	}{
		{"tokyo", "frankfurt", 9330, 120 * time.Millisecond, 140 * time.Millisecond},
		{"frankfurt", "virginia", 6500, 85 * time.Millisecond, 95 * time.Millisecond},
		{"london", "frankfurt", 640, 10 * time.Millisecond, 12 * time.Millisecond},
		{"auckland", "honolulu", 7080, 95 * time.Millisecond, 105 * time.Millisecond},
		{"osaka", "osaka", 0, 2 * time.Millisecond, 2 * time.Millisecond},
	} {
		a, b := place(c.a), place(c.b)
		if km := Distance(a, b); math.Abs(km-c.km) > 0.01*c.km+1 {
			t.Errorf("%s to %s: %.0f km, want about %.0f", c.a, c.b, km, c.km)
		}
		if d := Latency(a, b); d < c.from || d > c.to || d != Latency(b, a) {
			t.Errorf("%s to %s: %v, want %v to %v", c.a, c.b, d, c.from, c.to)
		}
	}
	if Distance(federation.Place{}, place("tokyo")) != 0 || Latency(federation.Place{}, place("tokyo")) != 0 {
		t.Error("an unknown place has a distance")
	}
}

func TestNearestAndResolve(t *testing.T) {
	osaka, _ := Parse("osaka")
	tokyo, _ := Parse("tokyo")
	virginia, _ := Parse("us-east")
	if i := Nearest(osaka, []federation.Place{virginia, {}, tokyo}); i != 2 {
		t.Errorf("nearest to osaka is %d, want 2", i)
	}
	if i := Nearest(osaka, []federation.Place{{}}); i != -1 {
		t.Errorf("nearest among unknown places is %d, want -1", i)
	}
	got := Resolve(federation.Place{Region: "eu-central", Zone: "a"})
	if !got.Located() || got.Jurisdiction != "DE" || got.Zone != "a" {
		t.Errorf("resolved %+v", got)
	}
	own := federation.Place{Region: "eu-central", Jurisdiction: "CH", Latitude: 1}
	if Resolve(own) != own {
		t.Error("Resolve replaced what was given")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"osaka", "35.68,139.69", "", ",", "NaN,Inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err == nil && (math.Abs(p.Latitude) > 90 || math.Abs(p.Longitude) > 180) {
			t.Fatalf("Parse(%q) = %+v", s, p)
		}
	})
}

func TestExtend(t *testing.T) {
	before := byName
	t.Cleanup(func() { byName = before })
	nord := Own{Name: "hall-nord", Jurisdiction: "DE", Latitude: 53.5, Longitude: 9.9}
	for _, c := range []struct {
		own  Own
		want string
	}{
		{Own{Name: "Nord", Latitude: 1}, "want lower-case letters"},
		{Own{Name: "eu-central", Latitude: 1}, "is in the catalogue already"},
		{Own{Name: "nord", Latitude: 91}, "latitude goes from"},
		{Own{Name: "nord"}, "must be set"},
		{Own{Name: "nord", Latitude: 1, Jurisdiction: "Germany"}, "want two letters"},
	} {
		if err := Extend([]Own{nord, c.own}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "places[1]") {
			t.Errorf("%+v: got %v, want %q in it", c.own, err, c.want)
		}
		if _, ok := Lookup("hall-nord"); ok {
			t.Fatal("half of the places were added")
		}
	}
	if err := Extend([]Own{nord}); err != nil {
		t.Fatal(err)
	}
	p, err := Parse("hall-nord")
	if err != nil || p.Region != "hall-nord" || p.Jurisdiction != "DE" || !p.Located() {
		t.Errorf("hall-nord is %+v, %v", p, err)
	}
	if got := Resolve(federation.Place{Region: "hall-nord"}); got.Latitude != 53.5 {
		t.Errorf("resolved %+v", got)
	}
	if !slices.Contains(Regions(), "hall-nord") {
		t.Error("it is not among the regions")
	}
}
