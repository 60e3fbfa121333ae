package cli

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 340 * time.Millisecond: "0.3s", 1234 * time.Millisecond: "1.2s", 12 * time.Second: "12s",
		119 * time.Second: "119s", 2 * time.Minute: "2m", 119 * time.Minute: "119m", 2 * time.Hour: "2h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", -time.Second: "-1.0s",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestQuantities(t *testing.T) {
	for _, c := range []struct{ text, cores, size string }{
		{"3500m", "3.5", "3.5"},
		{"20", "20", "20"},
		{"78643200Ki", "80530636800", "75Gi"},
		{"1536Mi", "1610612736", "1.5Gi"},
		{"1000000000", "1000000000", "953.6Mi"},
		{"512", "512", "512"},
		{"", "-", "-"},
		{"4x", "-", "-"},
		{"m", "-", "-"},
	} {
		if got := cores(c.text); got != c.cores {
			t.Errorf("cores(%q) = %q, want %q", c.text, got, c.cores)
		}
		if got := size(c.text); got != c.size {
			t.Errorf("size(%q) = %q, want %q", c.text, got, c.size)
		}
	}
}

func TestAges(t *testing.T) {
	if got := heard(-1) + " " + heardAgo(-1) + " " + heardAgo(240); got != "never never 0.2s ago" {
		t.Errorf("got %q", got)
	}
	if got := since(nil); got != none {
		t.Errorf("the age of no moment is %q", got)
	}
}
